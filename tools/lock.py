"""`python -m tools.lock`: resolves `requirements.lock` anew, with hashes and without addresses."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from tools.bootstrap import MEMBERS, ROOT


def main() -> int:
    names = [tomllib.loads(Path(member, "pyproject.toml").read_text())["project"]["name"] for member in MEMBERS]
    ours = [part for name in names for part in ("--no-emit-package", name)]
    command = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "compile",
        "--quiet",
        "--upgrade",
        "--universal",
        "--python-version",
        "3.11",
    ]
    command += ["--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-annotate", "--no-header"]
    command += ["--group", "dev", *(str(Path(member, "pyproject.toml").relative_to(ROOT)) for member in MEMBERS)]
    return subprocess.run([*command, *ours, "-o", "requirements.lock"], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
