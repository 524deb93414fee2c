"""The files of the tree as the rules see them."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Finding:
    """One place that breaks a rule: where, what the rule says, and the way out."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Source:
    """One tracked text file; `path` is relative to the root, with forward slashes."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def parts(self) -> tuple[str, ...]:
        return PurePosixPath(self.path).parts

    @property
    def is_python(self) -> bool:
        return self.path.endswith(".py")

    @property
    def is_test(self) -> bool:
        return "tests" in self.parts or self.path == "conftest.py"

    @property
    def is_domain(self) -> bool:
        return "domain" in self.parts and not self.is_test

    @property
    def is_chassis(self) -> bool:
        return "fettle_chassis" in self.parts

    def find(self, node: ast.AST, message: str) -> Finding:
        return Finding(self.path, getattr(node, "lineno", 1), message)


def tracked() -> Iterator[Source]:
    """Every text file that git tracks or would track, links and binaries left out."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in sorted(set(names.splitlines())):
        path = ROOT / name
        if path.is_file() and not path.is_symlink():
            try:
                yield Source(name, path.read_text())
            except UnicodeDecodeError:
                continue


def called(node: ast.Call) -> str:
    """The dotted name that a call names: `self.broker.publish`."""
    return ast.unparse(node.func)
