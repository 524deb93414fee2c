"""What a record means to those who watch an org live."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from fettle_console.domain.event_ring import Versions
from fettle_console.domain.live_events import live_event
from fettle_contracts.cloudevents import CloudEvent
from fettle_contracts.message import Unreadable
from fettle_contracts.people import Actor, ActorType, Subject
from fettle_contracts.ticket import Ticket
from fettle_contracts.ticket_events import SOURCE, Entry, EntryType, TicketEvent

AT = datetime(2026, 11, 23, 10, 15, tzinfo=UTC)
ANN = Actor(type=ActorType.USER, id="ann")


def said(org: str, version: int, key: str | None = None) -> CloudEvent:
    id = UUID(int=7)
    ticket = Ticket(
        id=id, number=7, title="Noise", state="open", source="user", kind="user_reported", opened_at=AT, opened_by=ANN,
        subject=Subject(type="other", id="lift-3"), updated_at=AT, version=version,
    )  # fmt: skip
    entry = Entry(id=UUID(int=version), type=EntryType.COMMENT_ADDED, version=version, at=AT, actor=ANN)
    data = TicketEvent(org=org, entry=entry, ticket=ticket).to_json()
    type = EntryType.COMMENT_ADDED.ce_type
    return CloudEvent(id="e", source=SOURCE, type=type, time=AT, data=data, key=key or f"{org}/{id}")


@pytest.mark.rule("AC-197")
def test_what_one_org_is_told_makes_nothing_of_another_one_old() -> None:
    versions = Versions()
    assert live_event(said("acme", 2), versions) is not None
    assert live_event(said("evil", 2_000_000_000), versions) is not None, "a ticket of its own, whatever its id"
    with pytest.raises(Unreadable, match="the key of this event must be evil/"):
        live_event(said("evil", 2_000_000_000, f"acme/{UUID(int=7)}"), versions)
    with pytest.raises(Unreadable, match="the key of this event must be acme/"):
        live_event(said("acme", 2_000_000_000, f"evil/{UUID(int=7)}"), versions)
    assert live_event(said("acme", 3), versions) is not None
    assert live_event(said("acme", 3), versions) is None, "a repeat"
