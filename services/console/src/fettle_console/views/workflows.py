"""Workflows as the pages show them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fettle_console.views.outcomes import Stand, run_stand
from fettle_contracts.times import parse_time

_STARTS = {
    "ticket.opened": "a ticket opens",
    "ticket.started": "work on a ticket starts",
    "ticket.comment-added": "a ticket is commented on",
    "ticket.resolved": "a ticket is resolved",
    "ticket.reopened": "a ticket reopens",
    "health.transition": "the health of a subject changes",
    "schedule": "its schedule is due",
    "signal": "another system sends a signal",
    "manual": "a person starts it",
}

_CHANGES = {
    "any": "changes",
    "started": "is started",
    "moved-to-open": "is moved back to open",
    "comment-added": "is commented on",
    "resolved": "is resolved",
    "reopened": "reopens",
    "description-edited": "has its description edited",
    "links-edited": "has its links edited",
    "checklist-changed": "has its checklist updated",
}


def change(kind: str) -> str:
    """What a wait for such a change of a ticket waits for: that it `is resolved`."""
    return _CHANGES.get(kind, f"has {kind}")


def trigger(kind: str) -> str:
    """What a trigger of this kind waits for: `a ticket opens`."""
    return _STARTS.get(kind, kind)


def starts(triggers: Iterable[str]) -> str:
    """What starts a workflow, each kind once: `a ticket opens, a ticket reopens or its schedule is due`."""
    said = list(dict.fromkeys(trigger(kind) for kind in triggers))
    return " or ".join([", ".join(said[:-1]), said[-1]] if said[1:] else said)


@dataclass(frozen=True, slots=True)
class LastRun:
    """The newest run of a workflow."""

    id: str
    stand: Stand
    at: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """One workflow. `starts` says what starts it, `problem` why its condition could not be decided last."""

    name: str
    title: str
    description: str
    enabled: bool
    version: int
    starts: str
    saved_at: datetime
    saved_by: str
    problem: str
    last: LastRun | None

    @classmethod
    def of(cls, item: Mapping[str, Any], newest: Mapping[str, Any] | None = None) -> "Listed":
        last = LastRun(newest["id"], run_stand(newest["state"]), parse_time(newest["started_at"])) if newest else None
        return cls(
            name=item["workflow"],
            title=item["title"] or item["workflow"],
            description=item["description"],
            enabled=item["enabled"],
            version=item["version"],
            starts=starts(item["triggers"]),
            saved_at=parse_time(item["saved_at"]),
            saved_by=item["saved_by"],
            problem=str((item.get("condition_problem") or {}).get("message", "")),
            last=last,
        )


@dataclass(frozen=True, slots=True)
class SavedVersion:
    """A version, and who made it when."""

    number: int
    saved_at: datetime
    saved_by: str

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "SavedVersion":
        return cls(item["version"], parse_time(item["saved_at"]), item["saved_by"])
