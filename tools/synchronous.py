"""`python -m tools.synchronous [--check]`: derives the plain client from the asynchronous one.

Both say the same; only one is written by hand. The words that make a program asynchronous are left out or replaced, and
ruff lays out what is left. With `--check` nothing is written, and the exit status is 1 when something differs.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.bootstrap import ROOT

CLIENT = ROOT / "libs/client/src/fettle_client"
NOTE = "# Derived from asynchronous/{name} by `make schemas`; change that one.\n"
WORDS = (
    (r"\basync (?=def|with|for)", ""),
    (r"\bawait ", ""),
    (r"\bAwaitable\[Any\]", "Any"),
    (r"^from collections\.abc import (.*), Awaitable\b", r"from collections.abc import \1"),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\b__a(enter|exit|iter)__", r"__\1__"),
    (r"\ba(close|read|iter_bytes|iter_text)\b", r"\1"),
    (r"\basyncio\b", "time"),
    (r"\bfettle_client\.asynchronous\b", "fettle_client.synchronous"),
)


def plain(text: str) -> str:
    """The module without what waits."""
    for pattern, replacement in WORDS:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return text


def derived() -> dict[Path, str]:
    """Every derived module with its content."""
    sources = sorted((CLIENT / "asynchronous").glob("[a-z]*.py"))
    return {
        (path := CLIENT / "synchronous" / source.name): NOTE.format(name=source.name)
        + _laid_out(path, plain(source.read_text()))
        for source in sources
    }


def main(arguments: Sequence[str]) -> int:
    folder = CLIENT / "synchronous"
    files = derived()
    leftover = [path for path in sorted(folder.glob("[a-z]*.py")) if path not in files]
    if "--check" in arguments:
        different = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
        for path in [*different, *leftover]:
            print(f"{path.relative_to(ROOT)} is not what asynchronous/ says; run `make schemas`", file=sys.stderr)
        return 1 if different or leftover else 0
    for path, text in files.items():
        path.write_text(text)
    for path in leftover:
        path.unlink()
    return 0


def _laid_out(path: Path, text: str) -> str:
    for command in (("check", "--fix", "--unsafe-fixes", "--quiet", "--select=I,UP028"), ("format", "--quiet")):
        ruff = [sys.executable, "-m", "ruff", *command, f"--stdin-filename={path}", "-"]
        text = subprocess.run(ruff, cwd=ROOT, input=text, capture_output=True, text=True, check=True).stdout
    return text


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
