"""What became of many tickets at once, in words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_DONE = {
    "start": "started",
    "move-to-open": "moved back to open",
    "resolve": "resolved",
    "reopen": "reopened",
    "comment": "commented on",
}

UNDONE_BY = {"start": "move-to-open", "resolve": "reopen"}
"""Deeds that another one takes back."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A ticket that was left as it is, and the rule."""

    number: int
    rule: str


@dataclass(frozen=True, slots=True)
class Outcomes:
    """`applied` are the numbers of those that were changed; `undo` is the deed that takes that back, if any does."""

    words: str
    applied: Sequence[int]
    refused: Sequence[Refused]
    undo: str | None

    @classmethod
    def of(cls, action: str, items: Iterable[Mapping[str, Any]]) -> "Outcomes":
        """Of the service's answer: one item a ticket."""
        found = list(items)
        applied = [item["number"] for item in found if item["outcome"] == "applied"]
        unchanged = sum(item["outcome"] == "unchanged" for item in found)
        refused = [
            Refused(item["number"], str(item.get("detail") or "It was refused without a reason."))
            for item in found
            if item["outcome"] == "rejected"
        ]
        said = [f"{_tickets(len(applied))} {_DONE[action]}"] if applied or not (unchanged or refused) else []
        said += [f"{_tickets(unchanged)} {'was' if unchanged == 1 else 'were'} so already"] if unchanged else []
        said += [f"{_tickets(len(refused))} refused"] if refused else []
        return cls(", ".join(said), applied, refused, UNDONE_BY.get(action) if applied else None)


def _tickets(count: int) -> str:
    return f"{count} {'ticket' if count == 1 else 'tickets'}"
