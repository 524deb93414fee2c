"""`python -m tools.lock [--upgrade]`: resolves the lock files anew, with hashes and without addresses.

`requirements.lock` is everything that developing takes; `deploy/requirements.lock` is the part of it that the image of
the services needs. Versions stay as they are where they still fit, unless `--upgrade` is asked for. Exit status 1 when
nothing fits.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from tools.bootstrap import MEMBERS, ROOT

EVERYTHING = "requirements.lock"
IMAGE = "deploy/requirements.lock"
OPTIONS = ("--quiet", "--universal", "--python-version=3.11", "--generate-hashes", "--no-emit-index-url")
PLAIN = ("--no-emit-find-links", "--no-annotate", "--no-header")


def in_image(member: Path) -> bool:
    """Whether the member is a service or what services stand on."""
    return member.parent.name == "services" or member.name in ("client", "contracts", "chassis")


def resolve(members: Sequence[Path], output: str, *options: str) -> bool:
    projects = [str((member / "pyproject.toml").relative_to(ROOT)) for member in members]
    ours = [f"--no-emit-package={name_of(member)}" for member in MEMBERS]
    command = [sys.executable, "-m", "uv", "pip", "compile", *OPTIONS, *PLAIN, *ours, *options, *projects, "-o", output]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def name_of(member: Path) -> str:
    name: str = tomllib.loads((member / "pyproject.toml").read_text())["project"]["name"]
    return name


def main(options: Sequence[str]) -> int:
    image = [member for member in MEMBERS if in_image(member)]
    done = resolve(MEMBERS, EVERYTHING, "--group=dev", *options)
    return 0 if done and resolve(image, IMAGE, f"--constraint={EVERYTHING}", *options) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
