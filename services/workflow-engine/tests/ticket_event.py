"""A ticket event as the ticket service publishes it."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fettle_contracts.people import Actor, ActorType, Subject
from fettle_contracts.ticket import Ticket
from fettle_contracts.ticket_events import Entry, EntryType, TicketEvent

AT = datetime(2026, 11, 23, 10, 15, 30, 250_000, tzinfo=UTC)


def ticket_event(
    entry: EntryType = EntryType.OPENED, *, org: str = "acme", number: int = 42, **fields: Any
) -> TicketEvent:
    """The event `entry` of ticket `number`; `fields` are the ticket's."""
    monitor = Actor(type=ActorType.HEALTH_MONITOR)
    ticket_id = UUID(int=(1 << 96) + number)
    given: dict[str, Any] = {
        "id": ticket_id,
        "number": number,
        "title": f"Device offline: T{number}",
        "state": "open",
        "source": "health_monitor",
        "kind": "device_offline",
        "subject": Subject(type="device", id=f"t{number}", name=f"Thermostat {number}"),
        "integration": "hue-1",
        "space": "oslo/hq/3",
        "opened_at": AT,
        "opened_by": monitor,
        "updated_at": AT,
        "version": 1,
    }
    entry_id = UUID(int=(2 << 96) + (list(EntryType).index(entry) << 64) + number)
    return TicketEvent(
        org=org,
        entry=Entry(id=entry_id, type=entry, version=1, at=AT, actor=monitor, evidence={"last_heard": "…"}),
        ticket=Ticket(**{**given, **fields}),
    )
