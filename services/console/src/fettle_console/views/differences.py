"""Differences of texts as the pages show them: what the ticket service keeps of an edit, line by line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

_KINDS: dict[str, Literal["gone", "come", "kept"]] = {"-": "gone", "+": "come", " ": "kept"}
_OF_HUNKS: dict[str, Literal["gone", "come", "kept"]] = {"removed": "gone", "added": "come"}
_OPEN_UP_TO_LINES = 12


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line: taken out, put in, kept beside them, or a head that says where in the text those below it stand."""

    kind: Literal["gone", "come", "kept", "head"]
    text: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A whole edit."""

    lines: Sequence[DiffLine]

    @classmethod
    def read(cls, unified: str) -> "Difference":
        """Of a unified difference. The first head is left out where it says nothing: that the text begins."""
        lines = [_line(line) for line in unified.split("\n")] if unified else []
        if lines and lines[0].kind == "head" and not any(line.kind == "head" for line in lines[1:]):
            lines = lines[1:]
        return cls(lines)

    @classmethod
    def of_hunks(cls, hunks: Sequence[Mapping[str, Any]]) -> "Difference":
        """Of a difference as data, as the workflow engine says it. A head says on which line its lines begin."""
        lines: list[DiffLine] = []
        for hunk in hunks:
            if hunk["new_start"] > 1 or len(hunks) > 1:
                lines.append(DiffLine("head", f"line {hunk['new_start']}"))
            lines += [DiffLine(_OF_HUNKS.get(line["kind"], "kept"), line["text"]) for line in hunk["lines"]]
        return cls(lines)

    @property
    def words(self) -> str:
        """`2 lines in, 1 out`."""
        come, gone = (sum(line.kind == kind for line in self.lines) for kind in ("come", "gone"))
        said = [f"{come} {'line' if come == 1 else 'lines'} in"] * bool(come) + [f"{gone} out"] * bool(gone)
        return ", ".join(said) or "nothing changed"

    @property
    def short(self) -> bool:
        """Whether it is shown without being asked for."""
        return len(self.lines) <= _OPEN_UP_TO_LINES


def _line(line: str) -> DiffLine:
    if line.startswith("@@"):
        return DiffLine("head", line.strip("@ "))
    return DiffLine(_KINDS.get(line[:1], "kept"), line[1:])
