"""Ticket events as the ticket service publishes them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from uuid import UUID

from bench.tickets.traffic import Sent
from fettle_contracts.cloudevents import CloudEvent, to_binary
from fettle_contracts.people import Actor, ActorType
from fettle_contracts.ticket import Ticket
from fettle_contracts.ticket_events import Entry, EntryType, TicketEvent

OPENED = "ticket.opened"
_AT = datetime(2026, 11, 23, 10, 15, 30, 250_000, tzinfo=UTC)
_MONITOR = Actor(type=ActorType.HEALTH_MONITOR)


def opened(count: int, orgs: Sequence[str], first: int = 0) -> Iterator[Sent]:
    """`count` tickets that were opened, the orgs in turn, numbered from `first` on. All of one form: only their ids
    and numbers differ."""
    whole = json.loads(_opened().to_json())
    for number in range(first, first + count):
        org, ticket, entry = orgs[number % len(orgs)], str(UUID(int=(1 << 96) + number)), str(UUID(int=number))
        subject = {**whole["ticket"]["subject"], "id": f"t{number}", "name": f"Thermostat {number}"}
        data = {
            **whole,
            "org": org,
            "entry": {**whole["entry"], "id": entry},
            "ticket": {**whole["ticket"], "id": ticket, "number": number + 1, "subject": subject},
        }
        value = json.dumps(data, separators=(",", ":")).encode()
        kind, source = EntryType.OPENED.ce_type, "fettle/ticket-service"
        event = CloudEvent(entry, source, kind, _AT, value, subject=ticket, key=f"{org}/{ticket}")
        yield Sent(event.key or "", entry, to_binary(event)[0], value)


def _opened() -> TicketEvent:
    ticket = {
        "id": UUID(int=1),
        "number": 1,
        "title": "Device offline: Thermostat",
        "state": "open",
        "source": "health_monitor",
        "kind": "device_offline",
        "subject": {"type": "device", "id": "t", "name": "Thermostat"},
        "integration": "hue-1",
        "space": "oslo/hq/3",
        "opened_at": _AT,
        "opened_by": _MONITOR,
        "updated_at": _AT,
        "version": 1,
    }
    evidence = {"deadline": "2026-11-23T10:15:00.000Z", "last_heard": "2026-11-23T10:10:00.000Z", "timeout_s": 300}
    entry = Entry(id=UUID(int=1), type=EntryType.OPENED, version=1, at=_AT, actor=_MONITOR, evidence=evidence)
    return TicketEvent(org="acme", entry=entry, ticket=Ticket.model_validate(ticket))
