"""Small files with guessable names, functions that fit a screen."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

from tools.lints.source import Finding, Source

LONGEST_FILE = 400
LONGEST_FUNCTION = 70
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "misc", "base"}


def files_are_small(source: Source) -> Iterator[Finding]:
    if source.is_python and source.text.count("\n") > LONGEST_FILE:
        yield Finding(source.path, 1, f"longer than {LONGEST_FILE} lines; split it along its nouns")


def functions_fit_a_screen(source: Source) -> Iterator[Finding]:
    if not source.is_python or source.is_test:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LONGEST_FUNCTION:
                yield source.find(node, f"{node.name} has {lines} lines; {LONGEST_FUNCTION} fit a screen")


def files_are_named_in_the_fields_words(source: Source) -> Iterator[Finding]:
    if source.is_python and PurePosixPath(source.path).stem in EMPTY_NAMES:
        yield Finding(source.path, 1, "a name that says nothing; use the field's word for what is inside")
