"""Tickets and their timelines as the pages show them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fettle_console.views import rollups, words
from fettle_console.views.differences import Difference
from fettle_console.views.markdown import first_words
from fettle_contracts.people import ActorType
from fettle_contracts.ticket import Ticket, TicketState
from fettle_contracts.ticket_events import Entry, EntryType
from fettle_contracts.times import parse_time


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list."""

    ticket: Ticket
    latest: Entry | None

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "Row":
        latest = item.get("latest_entry")
        return cls(Ticket.model_validate(item), Entry.model_validate(latest) if latest else None)

    @property
    def subject(self) -> str:
        return self.ticket.subject.name or self.ticket.subject.id

    @property
    def latest_words(self) -> str:
        """The latest entry in a few words; a comment in its own."""
        if self.latest is None:
            return ""
        if self.latest.type is EntryType.COMMENT_ADDED and self.latest.body:
            return f"{words.actor(self.latest.actor)}: {first_words(self.latest.body, 60)}"
        return f"{words.brief(self.latest.type)} by {words.actor(self.latest.actor)}"


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of a timeline. `facts` is the evidence, in words and as it came; an edit shows its `difference`."""

    entry: Entry
    who: str
    did: str
    facts: Sequence[tuple[str, Any]]
    difference: Difference | None = None

    @property
    def machine(self) -> bool:
        return words.is_machine(self.entry.actor)


@dataclass(frozen=True, slots=True)
class Action:
    """A button of the update box. `with_comment` is its label once a comment stands above it. The first of a state is
    shown, those behind it open by the chevron."""

    name: str
    label: str
    with_comment: str


ACTIONS = {
    TicketState.OPEN: (
        Action("start", "Start work", "Start work and comment"),
        Action("resolve", "Resolve", "Resolve and comment"),
    ),
    TicketState.IN_PROGRESS: (
        Action("resolve", "Resolve", "Resolve and comment"),
        Action("move-to-open", "Move back to open", "Move back and comment"),
    ),
    TicketState.RESOLVED: (Action("reopen", "Reopen", "Reopen and comment"),),
}


_EDITS = (EntryType.DESCRIPTION_EDITED, EntryType.LINKS_EDITED)


def line(item: Mapping[str, Any], ticket: Ticket) -> Line:
    """An entry of the timeline as it is shown."""
    entry = Entry.model_validate(item)
    did = words.deed(entry)
    if entry.type is EntryType.RESOLVED and ticket.resolution and ticket.resolved_at == entry.at:
        did = f"{did} ({words.RESOLUTIONS[ticket.resolution]})"
    evidence = entry.evidence or {}
    if entry.type in _EDITS:
        return Line(entry, words.actor(entry.actor), did, _facts(evidence), Difference.read(entry.body or ""))
    if entry.type is EntryType.CHECKLIST_CHANGED:
        return Line(entry, words.actor(entry.actor), rollups.deed(evidence), rollups.facts(evidence))
    return Line(entry, words.actor(entry.actor), did, _facts(evidence))


def last_edit(lines: Sequence[Line]) -> Line | None:
    """The entry that says who edited the description last, and when."""
    return next((shown for shown in reversed(lines) if shown.entry.type is EntryType.DESCRIPTION_EDITED), None)


_OWN_CONDITIONS = {"device_offline", "integration_unreachable", "integration_credentials_invalid"}


def monitor_opened_at(ticket: Ticket, lines: Sequence[Line]) -> datetime | None:
    """When the health monitor opened or reopened a ticket about its subject's own condition last; None for others,
    about which it has nothing to say."""
    if ticket.kind not in _OWN_CONDITIONS:
        return None
    opened = (EntryType.OPENED, EntryType.REOPENED)
    return next(
        (
            shown.entry.at
            for shown in reversed(lines)
            if shown.entry.type in opened and shown.entry.actor.type is ActorType.HEALTH_MONITOR
        ),
        None,
    )


def _facts(evidence: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name.replace("_", " "), _time(value) or value) for name, value in evidence.items() if value is not None]


def _time(value: Any) -> datetime | None:
    try:
        return parse_time(value) if isinstance(value, str) else None
    except ValueError:
        return None
