"""Tickets as rows of the `ticket` table, and back; JSON goes as text and comes decoded."""

from functools import lru_cache
from typing import Any
from uuid import UUID

from msgspec.json import encode

from fettle_chassis.copying import Row
from fettle_contracts.identity import SubjectType
from fettle_contracts.ticket import Resolution, TicketSource, TicketState
from fettle_ticket_service.adapters.checklists import checklist_of
from fettle_ticket_service.adapters.stored import actor_of, actor_or_none, evidence_of, links_of, word
from fettle_ticket_service.adapters.tables import TICKET
from fettle_ticket_service.adapters.wire import Line, actor_json, links_json
from fettle_ticket_service.domain.book import Book
from fettle_ticket_service.domain.checklist import Member
from fettle_ticket_service.domain.ticket import Ticket
from fettle_ticket_service.domain.values import Actor, Subject, TicketLink

_NO_TICKET = UUID(int=0)
COLUMNS = tuple(column.name for column in TICKET.columns if not column.name.startswith("checklist_"))
"""What a ticket is written with; the few that have a checklist get theirs behind it (`checklists.py`)."""


def row_of(book: Book, ticket: Ticket) -> Row:
    """The values of a ticket in the book, in the order of `COLUMNS`."""
    return (
        ticket.id,
        book.org,
        ticket.number,
        ticket.version,
        ticket.state,
        ticket.source,
        ticket.kind,
        ticket.title,
        ticket.description,
        ticket.description_version,
        ticket.subject.type,
        ticket.subject.id,
        ticket.subject.name,
        ticket.integration,
        ticket.space,
        encode(links_json(ticket.links)).decode() if ticket.links else "[]",
        ticket.dedup_key,
        ticket.flap_count,
        *_link_columns(ticket.parent),
        *_link_columns(ticket.previous),
        ticket.opened_at,
        actor_text(ticket.opened_by),
        ticket.started_at,
        ticket.started_by and actor_text(ticket.started_by),
        ticket.resolved_at,
        ticket.resolved_by and actor_text(ticket.resolved_by),
        ticket.resolution,
        ticket.updated_at,
        book.chain.hashes.get(ticket.id),
        book.chain.seal(book.org, ticket),
    )


def ticket_of(row: Any, first: tuple[Member, ...] = ()) -> Ticket:
    """The ticket in a row with the columns of `ticket`; `first` are the first members of its checklist."""
    return Ticket(
        id=row.id,
        number=row.number,
        version=row.version,
        state=TicketState(row.state),
        source=word(TicketSource, row.source),
        kind=row.kind,
        title=row.title,
        description=row.description,
        description_version=row.description_version,
        subject=Subject(word(SubjectType, row.subject_type), row.subject_id, row.subject_name),
        integration=row.integration,
        space=row.space,
        links=links_of(row.links),
        dedup_key=row.dedup_key,
        flap_count=row.flap_count,
        parent=_ticket_link(row.parent_id, row.parent_number),
        previous=_ticket_link(row.previous_id, row.previous_number),
        opened_at=row.opened_at,
        opened_by=actor_of(row.opened_by),
        started_at=row.started_at,
        started_by=actor_or_none(row.started_by),
        resolved_at=row.resolved_at,
        resolved_by=actor_or_none(row.resolved_by),
        resolution=None if row.resolution is None else word(Resolution, row.resolution),
        updated_at=row.updated_at,
        checklist=checklist_of(row, first),
    )


def line_of(row: Any) -> Line:
    """The line in a row with the columns of `entry`."""
    said = (actor_of(row.actor), row.body, evidence_of(row.evidence))
    return Line(row.id, row.type, row.version, row.at, *said, row.hash)


@lru_cache(maxsize=4096)
def actor_text(actor: Actor) -> str:
    """The actor as JSON. The same few act again and again."""
    return encode(actor_json(actor)).decode()


def _link_columns(link: TicketLink | None) -> tuple[UUID | None, int | None]:
    return (None, None) if link is None else (link.id, link.number)


def _ticket_link(id: UUID | None, number: int | None) -> TicketLink | None:
    """Fettle writes both or neither; half a link, which somebody else has written, is one to no ticket."""
    return None if id is None and number is None else TicketLink(id or _NO_TICKET, number or 0)
