"""The sentence that a ticket's page begins with: what a person would say who was asked about it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from fettle_console.views import words
from fettle_console.views.tickets import Line
from fettle_contracts.people import ActorType
from fettle_contracts.ticket import Resolution, Ticket, TicketState
from fettle_contracts.ticket_events import EntryType
from fettle_contracts.times import parse_time

_ENDS = {
    Resolution.RECOVERED: "it recovered by itself",
    Resolution.MERGED: "it was merged into another ticket",
    Resolution.SUPERSEDED: "another condition took its place",
    Resolution.REMOVED: "its subject was removed",
}


def answer_first(ticket: Ticket, lines: Sequence[Line], now: datetime) -> str:
    """How long it has been so, and who is on it; of a resolved ticket how it ended."""
    if ticket.state is TicketState.RESOLVED:
        return _ended(ticket)
    return f"{_silence(ticket, lines, now) or _opened(ticket, now)} {_worked_on(ticket, now)}"


def _ended(ticket: Ticket) -> str:
    lasted = words.span(((ticket.resolved_at or ticket.updated_at) - ticket.opened_at).total_seconds())
    if ticket.resolution in _ENDS:
        return f"After {lasted} {_ENDS[ticket.resolution]}."
    by = f" by {words.actor(ticket.resolved_by)}" if ticket.resolved_by else ""
    return f"Resolved{by} after {lasted}."


def _worked_on(ticket: Ticket, now: datetime) -> str:
    if ticket.started_at is None:
        return "Nobody has started work."
    who = words.actor(ticket.started_by) if ticket.started_by else "Somebody"
    return f"{who} started work {_ago(ticket.started_at, now)}."


def _opened(ticket: Ticket, now: datetime) -> str:
    if ticket.opened_by.type is ActorType.USER:
        return f"{words.actor(ticket.opened_by)} reported this {_ago(ticket.opened_at, now)}."
    return f"Open since {words.span((now - ticket.opened_at).total_seconds())}, by {words.actor(ticket.opened_by)}."


def _silence(ticket: Ticket, lines: Sequence[Line], now: datetime) -> str | None:
    """Of a device that is offline, from the evidence under which its ticket was opened last."""
    if ticket.kind != "device_offline":
        return None
    for shown in reversed(lines):
        evidence = shown.entry.evidence or {}
        if shown.entry.type in (EntryType.OPENED, EntryType.REOPENED) and "last_heard" in evidence:
            return _since_heard(ticket, evidence, now)
    return None


def _since_heard(ticket: Ticket, evidence: Mapping[str, Any], now: datetime) -> str | None:
    heard, deadline = _time(evidence.get("last_heard")), _time(evidence.get("deadline"))
    if heard is None:
        return None
    said = f"{ticket.subject.name or ticket.subject.id} went silent {_ago(heard, now)}"
    if deadline is None:
        return f"{said}."
    return f"{said}; its timeout is {words.length((deadline - heard).total_seconds())}."


def _ago(moment: datetime, now: datetime) -> str:
    return f"{words.span((now - moment).total_seconds())} ago"


def _time(value: Any) -> datetime | None:
    try:
        return parse_time(value) if isinstance(value, str) else None
    except ValueError:
        return None
