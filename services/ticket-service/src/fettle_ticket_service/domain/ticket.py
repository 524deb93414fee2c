"""The ticket: one incident about one subject, and how each event changes it. What commands do stands in `decide.py`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from fettle_contracts.ticket import Resolution, TicketSource, TicketState
from fettle_ticket_service.domain import events
from fettle_ticket_service.domain.checklist import NO_CHECKLIST, Checklist, noted
from fettle_ticket_service.domain.values import Actor, Link, Subject, TicketLink

FIRST_VERSION = 1


class Ticket(Struct, frozen=True, kw_only=True):
    """A ticket as its events have made it. `version` is the number of its events."""

    id: UUID
    number: int
    version: int
    state: TicketState
    source: TicketSource
    kind: str
    title: str
    description: str
    description_version: int
    subject: Subject
    integration: str | None
    space: str | None
    links: tuple[Link, ...]
    dedup_key: str | None
    flap_count: int
    parent: TicketLink | None = None
    previous: TicketLink | None
    opened_at: datetime
    opened_by: Actor
    started_at: datetime | None = None
    started_by: Actor | None = None
    resolved_at: datetime | None = None
    resolved_by: Actor | None = None
    resolution: Resolution | None = None
    updated_at: datetime
    checklist: Checklist = NO_CHECKLIST

    @property
    def resolved(self) -> bool:
        return self.state is TicketState.RESOLVED

    def not_before(self, at: datetime) -> datetime:
        """`at`, or the time of the latest entry if that is later: a timeline's times never step back."""
        return max(at, self.updated_at)

    @property
    def link(self) -> TicketLink:
        return TicketLink(self.id, self.number)


def evolve(ticket: Ticket | None, event: events.Event) -> Ticket:
    """The ticket after the event. An `Opened` begins a new one, whatever ticket came before."""
    if isinstance(event, events.Opened):
        return _begin(event)
    if ticket is None:
        raise ValueError(f"{event.type} happened to no ticket")
    return replace(ticket, version=ticket.version + 1, updated_at=event.at, **_changes(ticket, event))


def _changes(ticket: Ticket, event: events.Event) -> dict[str, Any]:
    """The fields that an event on an existing ticket changes, besides version and time."""
    match event:
        case events.Started():
            return {"state": TicketState.IN_PROGRESS, "started_at": event.at, "started_by": event.actor}
        case events.MovedToOpen():
            return {"state": TicketState.OPEN, **NOT_STARTED}
        case events.Resolved():
            return {
                "state": TicketState.RESOLVED,
                "resolved_at": event.at,
                "resolved_by": event.actor,
                "resolution": event.resolution,
                "parent": event.parent or ticket.parent,
            }
        case events.Reopened():
            flap_count = ticket.flap_count if event.flap_count is None else event.flap_count
            parent = event.parent or (None if ticket.resolution is Resolution.MERGED else ticket.parent)
            moved = {"state": TicketState.OPEN, "flap_count": flap_count, "parent": parent}
            return {**moved, **NOT_STARTED, **NOT_RESOLVED}
        case events.CommentAdded():
            return {}
        case events.DescriptionEdited():
            return {"description": event.description, **_edited(ticket)}
        case events.LinksEdited():
            return {"links": event.links, **_edited(ticket)}
        case events.ChecklistChanged():
            return {"checklist": noted(ticket.checklist, event.at)}
    raise TypeError(f"{type(event).__name__} is no event of a ticket")


def _edited(ticket: Ticket) -> dict[str, Any]:
    """One version for all that people write there, so that no edit of either is lost under another."""
    return {"description_version": ticket.description_version + 1}


NOT_STARTED: Mapping[str, None] = {"started_at": None, "started_by": None}
NOT_RESOLVED: Mapping[str, None] = {"resolved_at": None, "resolved_by": None, "resolution": None}


def _begin(event: events.Opened) -> Ticket:
    return Ticket(
        id=event.id,
        number=event.number,
        version=FIRST_VERSION,
        state=TicketState.OPEN,
        source=event.actor.source,
        kind=event.kind,
        title=event.title,
        description=event.description,
        description_version=FIRST_VERSION,
        subject=event.subject,
        integration=event.integration,
        space=event.space,
        links=event.links,
        dedup_key=event.dedup_key,
        flap_count=event.flap_count,
        parent=event.parent,
        previous=event.previous,
        opened_at=event.at,
        opened_by=event.actor,
        updated_at=event.at,
    )
