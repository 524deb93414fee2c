"""Single tickets and their timelines, as they stand in the database."""

from uuid import UUID

from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.ticket import TicketState
from fettle_ticket_service.adapters.books import BIGGEST_NUMBER
from fettle_ticket_service.adapters.checklists import first_members
from fettle_ticket_service.adapters.tables import ENTRY, TICKET
from fettle_ticket_service.adapters.ticket_rows import line_of, ticket_of
from fettle_ticket_service.adapters.wire import Line
from fettle_ticket_service.domain.ticket import Ticket


class Child(Struct, frozen=True):
    """As much of a ticket as its parent shows."""

    number: int
    title: str
    state: TicketState


async def ticket_numbered(connection: AsyncConnection, org: str, number: int) -> Ticket | None:
    if not 0 < number <= BIGGEST_NUMBER:
        return None
    rows = await connection.execute(select(TICKET).where(TICKET.c.org == org, TICKET.c.number == number))
    row = rows.one_or_none()
    if row is None:
        return None
    firsts = await first_members(connection, [row.id] if row.checklist_total else [])
    return ticket_of(row, firsts.get(row.id, ()))


async def children_of(connection: AsyncConnection, ticket: UUID, limit: int) -> list[Child]:
    """Up to `limit` tickets whose parent it is, the first ones first."""
    columns = (TICKET.c.number, TICKET.c.title, TICKET.c.state)
    statement = select(*columns).where(TICKET.c.parent_id == ticket).order_by(TICKET.c.number).limit(limit)
    return [Child(row.number, row.title, TicketState(row.state)) for row in await connection.execute(statement)]


async def timeline(connection: AsyncConnection, ticket: UUID, after_version: int, limit: int) -> list[Line]:
    """Up to `limit` entries after that version, oldest first."""
    statement = (
        select(ENTRY)
        .where(ENTRY.c.ticket_id == ticket, ENTRY.c.version > after_version)
        .order_by(ENTRY.c.version)
        .limit(limit)
    )
    return [line_of(row) for row in await connection.execute(statement)]
