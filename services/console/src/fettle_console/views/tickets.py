"""Tickets and their timelines as the pages show them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup

from fettle_console.views import rollups, words
from fettle_console.views.markdown import first_words, render
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
    """One entry of a timeline. `facts` is the evidence, in words and as it came."""

    entry: Entry
    who: str
    did: str
    body: Markup | None
    facts: Sequence[tuple[str, Any]]

    @property
    def machine(self) -> bool:
        return words.is_machine(self.entry.actor)


@dataclass(frozen=True, slots=True)
class Action:
    """A button of the update box. `with_comment` is its label once a comment stands above it."""

    name: str
    label: str
    with_comment: str


ACTIONS = {
    TicketState.OPEN: (
        Action("start", "Start work", "Start work and comment"),
        Action("resolve", "Resolve", "Resolve and comment"),
    ),
    TicketState.IN_PROGRESS: (
        Action("move-to-open", "Move back to open", "Move back and comment"),
        Action("resolve", "Resolve", "Resolve and comment"),
    ),
    TicketState.RESOLVED: (Action("reopen", "Reopen", "Reopen and comment"),),
}


def line(item: Mapping[str, Any], ticket: Ticket) -> Line:
    """An entry of the timeline as it is shown."""
    entry = Entry.model_validate(item)
    did = words.deed(entry)
    if entry.type is EntryType.RESOLVED and ticket.resolution and ticket.resolved_at == entry.at:
        did = f"{did} ({words.RESOLUTIONS[ticket.resolution]})"
    body = render(entry.body) if entry.body else None
    evidence = entry.evidence or {}
    if entry.type is EntryType.CHECKLIST_CHANGED:
        return Line(entry, words.actor(entry.actor), rollups.deed(evidence), body, rollups.facts(evidence))
    return Line(entry, words.actor(entry.actor), did, body, _facts(evidence))


def answer_first(ticket: Ticket, lines: Sequence[Line], now: datetime) -> str | None:
    """What a person would say about a silent device, from the evidence under which it was opened last."""
    if ticket.state is TicketState.RESOLVED or ticket.kind != "device_offline":
        return None
    for shown in reversed(lines):
        evidence = shown.entry.evidence or {}
        if shown.entry.type in (EntryType.OPENED, EntryType.REOPENED) and "last_heard" in evidence:
            return _silence(ticket, evidence, now)
    return None


def _silence(ticket: Ticket, evidence: Mapping[str, Any], now: datetime) -> str | None:
    heard, deadline = _time(evidence.get("last_heard")), _time(evidence.get("deadline"))
    if heard is None:
        return None
    name = ticket.subject.name or ticket.subject.id
    said = f"{name} went silent {words.span((now - heard).total_seconds())} ago"
    if deadline is None:
        return f"{said}."
    return f"{said}; its timeout is {words.length((deadline - heard).total_seconds())}."


def _facts(evidence: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name.replace("_", " "), _time(value) or value) for name, value in evidence.items() if value is not None]


def _time(value: Any) -> datetime | None:
    try:
        return parse_time(value) if isinstance(value, str) else None
    except ValueError:
        return None
