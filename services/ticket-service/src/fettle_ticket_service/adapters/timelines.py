"""Single tickets and their timelines, as they stand in the database."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_ticket_service.adapters.books import BIGGEST_NUMBER
from fettle_ticket_service.adapters.tables import ENTRY, TICKET
from fettle_ticket_service.adapters.ticket_rows import line_of, ticket_of
from fettle_ticket_service.adapters.wire import Line
from fettle_ticket_service.domain.ticket import Ticket


async def ticket_numbered(connection: AsyncConnection, org: str, number: int) -> Ticket | None:
    if not 0 < number <= BIGGEST_NUMBER:
        return None
    rows = await connection.execute(select(TICKET).where(TICKET.c.org == org, TICKET.c.number == number))
    row = rows.one_or_none()
    return None if row is None else ticket_of(row)


async def timeline(connection: AsyncConnection, ticket: UUID, after_version: int, limit: int) -> list[Line]:
    """Up to `limit` entries after that version, oldest first."""
    statement = (
        select(ENTRY)
        .where(ENTRY.c.ticket_id == ticket, ENTRY.c.version > after_version)
        .order_by(ENTRY.c.version)
        .limit(limit)
    )
    return [line_of(row) for row in await connection.execute(statement)]
