"""Rollups as the pages show them: who is down, who is back, and what the timeline says of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fettle_console.views.words import length
from fettle_contracts.people import ActorType
from fettle_contracts.ticket import Checklist, Ticket
from fettle_contracts.ticket_events import Entry, EntryType

_CHANGES = {"added": "added", "recovered": "recovered", "down_again": "down again"}


def progress(checklist: Checklist) -> str | None:
    """`3 of 12 devices recovered`; None without members."""
    if checklist.total == 0:
        return None
    return f"{checklist.recovered} of {checklist.total} {'device' if checklist.total == 1 else 'devices'} recovered"


def deed(evidence: Mapping[str, Any]) -> str:
    """What an entry on a checklist says: `updated the checklist: 2 added, 1 recovered (3 of 12 recovered)`."""
    changes = [f"{evidence[name]['count']} {word}" for name, word in _CHANGES.items() if name in evidence]
    said = f"updated the checklist: {', '.join(changes)}" if changes else "updated the checklist"
    standing = evidence.get("checklist")
    return f"{said} ({standing['recovered']} of {standing['total']} recovered)" if standing else said


def facts(evidence: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The members behind the counts, by name."""
    return [(word, _names(evidence[name])) for name, word in _CHANGES.items() if name in evidence]


def opened_because(ticket: Ticket, entries: Sequence[Entry]) -> str | None:
    """Why a ticket about many subjects was opened last, as the health monitor recorded it: how many were counted,
    within which window, how many would have been enough, and by which policy. None for other tickets."""
    if ticket.kind not in _COUNTED:
        return None
    for entry in reversed(entries):
        if entry.type in _OPENINGS and entry.actor.type is ActorType.HEALTH_MONITOR:
            return _COUNTED[ticket.kind](ticket, entry.evidence or {})
    return None


def _many(ticket: Ticket, seen: Mapping[str, Any]) -> str:
    where = ticket.subject.name or ticket.subject.id
    if "failing" not in seen:
        return f"So many devices behind {where} are down that they share one ticket{_by_policy(seen)}."
    first = f", {seen['first'].partition('/')[2]} as the first to fire" if seen.get("first") else ""
    return (
        f"{seen['failing']} devices behind {where} were unhealthy{_within(seen)}{first}; "
        f"{_enough(seen)}they share one ticket{_by_policy(seen)}."
    )


def _lost(_: Ticket, seen: Mapping[str, Any]) -> str:
    if "counted" not in seen:
        return f"Nearly all subjects fell silent together{_by_policy(seen)}."
    return (
        f"{seen['unknown']} of the {seen['counted']} subjects that count fell silent{_within(seen)}; {_enough(seen)}"
        f"this says rather that heartbeats do not arrive than that all of them are down{_by_policy(seen)}."
    )


def _within(seen: Mapping[str, Any]) -> str:
    return f" within {length(seen['window_s'])}" if seen.get("window_s") else ""


def _enough(seen: Mapping[str, Any]) -> str:
    return f"from {seen['threshold']} on " if seen.get("threshold") else ""


def _by_policy(seen: Mapping[str, Any]) -> str:
    return f", by version {seen['policy_version']} of the policy" if seen.get("policy_version") else ""


_OPENINGS = (EntryType.OPENED, EntryType.REOPENED)

_COUNTED: Mapping[str, Callable[[Ticket, Mapping[str, Any]], str]] = {
    "multiple_devices_offline": _many,
    "heartbeats_lost": _lost,
}


def _names(sum: Mapping[str, Any]) -> str:
    names = [member.get("name") or member["id"] for member in sum["members"]]
    more = sum["count"] - len(names)
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")
