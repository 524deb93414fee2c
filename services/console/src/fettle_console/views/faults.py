"""What is wrong with a document of a workflow, each at its place, as the editor shows it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SHOWN = 120
_BEFORE = 80
"""Characters of a line that are shown, and how many of them before the fault in a longer one."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `text` is (the part of) its line, the fault begins behind its first `offset` characters."""

    line: int
    column: int
    says: str
    text: str
    offset: int


def faults_of(refusal: Mapping[str, Any], document: str) -> Sequence[Fault]:
    """The faults that a refusal names; none for one that is about something else than the document's text."""
    return list(_read(refusal.get("faults") or (), document.split("\n")))


def _read(faults: Iterable[Mapping[str, Any]], lines: Sequence[str]) -> Iterable[Fault]:
    for fault in faults:
        line, column = fault["line"], fault["column"]
        text = lines[line - 1].rstrip("\r") if 0 < line <= len(lines) else ""
        begin = max(0, column - 1 - _BEFORE) if len(text) > _SHOWN else 0
        meant = f" Did you mean {fault['suggestion']}?" if fault.get("suggestion") else ""
        says = f"{fault['message'][:1].upper()}{fault['message'][1:]}.{meant}"
        yield Fault(line, column, says, text[begin : begin + _SHOWN], max(0, column - 1 - begin))
