"""What a wait waits for, and what ends it: time, or a change of a ticket."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from fettle_contracts.ticket import TicketState
from fettle_contracts.ticket_events import EntryType
from fettle_workflow_engine.domain.catalogue import ANY_CHANGE, CHANGES
from fettle_workflow_engine.domain.commands import ticket_ref
from fettle_workflow_engine.domain.durations import LONGEST_WAIT_S, seconds_of
from fettle_workflow_engine.domain.resolve import InputFailed
from fettle_workflow_engine.domain.run import Watch

ELAPSED = "elapsed"

_REACHED = {EntryType.RESOLVED: TicketState.RESOLVED, EntryType.STARTED: TicketState.IN_PROGRESS}
"""Changes that a ticket shows by the state that it is in."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the engine has seen of a ticket: its last version, the state it was in then, and the version of the last
    change of each kind."""

    version: int
    state: str
    changes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Sighting:
    """One change of a ticket, as it comes by."""

    org: str
    ticket: UUID
    version: int
    state: str
    change: str


def newest(sightings: Iterable[Sighting]) -> dict[tuple[str, UUID], Seen]:
    """What these say of each ticket together, by org and id."""
    seen: dict[tuple[str, UUID], Seen] = {}
    for one in sorted(sightings, key=lambda one: one.version):
        before = seen.get((one.org, one.ticket))
        changes = {**(before.changes if before else {}), one.change: one.version}
        seen[one.org, one.ticket] = Seen(one.version, one.state, changes)
    return seen


def read_wait(given: Mapping[str, Any], scope: Mapping[str, Any]) -> tuple[timedelta, Watch | None]:
    """How long a `wait` with these resolved fields lasts at most, and the ticket that it watches. Raises InputFailed.

    A change counts from the newest version of the ticket that `scope` knows: of the event, or of an earlier node's
    output. One that came between is not missed.
    """
    seconds = seconds_of(given.get("for"))
    if seconds is None:
        raise InputFailed("input_invalid", "for must be a length of time: seconds, or a number with s, m, h, d or w.")
    if not 1 <= seconds <= LONGEST_WAIT_S:
        raise InputFailed("input_invalid", f"for must be from 1 s to {LONGEST_WAIT_S // 86_400} d.")
    until = given.get("until_ticket")
    return timedelta(seconds=seconds), None if until is None else _watch(until, scope)


def ended_by(watch: Watch, seen: Seen) -> str | None:
    """The change that ends a wait for `watch`, if what was seen of its ticket does.

    `resolved` and `started` also end by the state that the ticket is in: waiting for what is so already is over.
    """
    since = seen.version if watch.since is None else watch.since
    if watch.change == ANY_CHANGE:
        newest = max(seen.changes, key=lambda change: seen.changes[change], default=None)
        return newest if newest is not None and seen.changes[newest] > since else None
    if seen.changes.get(watch.change, 0) > since:
        return watch.change
    reached = _REACHED.get(EntryType(watch.change))
    return watch.change if reached is not None and seen.version >= since and seen.state == reached.value else None


def _watch(until: Any, scope: Mapping[str, Any]) -> Watch:
    if not isinstance(until, Mapping) or until.get("change") not in CHANGES:
        raise InputFailed("input_invalid", f"until_ticket needs a change: one of {', '.join(CHANGES)}.")
    named = until.get("ticket")
    ref = ticket_ref("until_ticket.ticket", named)
    known = [one for one in (*_tickets(scope), named) if _is_ticket(one)]
    same = [one for one in known if all(one.get(part) == value for part, value in ref.items())]
    ticket_id = ref.get("id") or next((one["id"] for one in same), None)
    if ticket_id is None:
        raise InputFailed(
            "input_invalid", "until_ticket.ticket must be an id, or the number of the event's ticket or of a node's."
        )
    try:
        ticket = UUID(ticket_id)
    except ValueError:
        raise InputFailed("input_invalid", "until_ticket.ticket must be a ticket's id or number.") from None
    versions = [one["version"] for one in same if isinstance(one.get("version"), int)]
    return Watch(ticket, until["change"], max(versions, default=None))


def _tickets(scope: Mapping[str, Any]) -> Iterator[Any]:
    """What the event and the outputs have under `ticket`."""
    return (value.get("ticket") for value in scope.values() if isinstance(value, Mapping))


def _is_ticket(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("id"), str)
