"""Runs as lists show them, and those that a ticket's events started with whom they told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fettle_console.views.outcomes import Stand, run_stand
from fettle_console.views.words import span
from fettle_console.views.workflows import trigger
from fettle_contracts.times import parse_time

_OUTCOMES = {"sent": "sent", "held_back": "held back for the next digest"}


@dataclass(frozen=True, slots=True)
class ListedRun:
    """One run. `because` is what started it; `took` is empty while it runs, `error` when it ended well."""

    id: str
    workflow: str
    version: int
    stand: Stand
    because: str
    started_at: datetime
    took: str
    error: str

    @classmethod
    def of(cls, run: Mapping[str, Any]) -> "ListedRun":
        return cls(
            id=run["id"],
            workflow=run["workflow"],
            version=run["version"],
            stand=run_stand(run["state"]),
            because=trigger(run["trigger"]),
            started_at=parse_time(run["started_at"]),
            took=took(run),
            error=str((run.get("error") or {}).get("message", "")),
        )


def took(timed: Mapping[str, Any]) -> str:
    """How long a run or a node took: `0.31 s`, `12 s`, `3 min`; nothing while it has not ended."""
    if not timed.get("ended_at"):
        return ""
    seconds = (parse_time(timed["ended_at"]) - parse_time(timed["started_at"])).total_seconds()
    if seconds < 0.01:
        return "under 0.01 s"
    return f"{seconds:.2f} s" if seconds < 10 else span(seconds)


@dataclass(frozen=True, slots=True)
class Told:
    """One message to people: over which channel, and what became of it."""

    channel: str
    outcome: str


@dataclass(frozen=True, slots=True)
class RunOfTicket:
    """One run. `on` is the kind of event that started it, in words; `error` why it ended badly, if it did."""

    id: str
    workflow: str
    version: int
    state: str
    on: str
    started_at: datetime
    told: Sequence[Told]
    error: str

    @classmethod
    def of(cls, run: Mapping[str, Any]) -> "RunOfTicket":
        return cls(
            id=run["id"],
            workflow=run["workflow"],
            version=run["version"],
            state=run["state"],
            on=run["trigger"].removeprefix("ticket.").replace("_", " ").replace("-", " "),
            started_at=parse_time(run["started_at"]),
            told=[told for node in run.get("nodes", ()) if (told := _told(node))],
            error=str((run.get("error") or {}).get("message", "")),
        )


def _told(node: Mapping[str, Any]) -> Told | None:
    """The message of a node that notifies; None for any other. Such a node names its channel as no other does."""
    asked, output, error = node.get("input"), node.get("output"), node.get("error")
    if not isinstance(asked, Mapping) or "channel" not in asked:
        return None
    channel = str(asked["channel"])
    if error:
        return Told(channel, f"not sent: {error.get('message', 'it failed')}")
    if not isinstance(output, Mapping):
        return Told(channel, "on its way")
    outcome = str(output.get("outcome", ""))
    return Told(channel, _OUTCOMES.get(outcome, outcome))
