"""Single tickets and their timelines, as they stand in the database."""

from enum import StrEnum
from uuid import UUID

from msgspec import Struct
from sqlalchemy import func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.ticket import TicketState
from fettle_contracts.ticket_events import EntryType
from fettle_ticket_service.adapters.books import BIGGEST_NUMBER
from fettle_ticket_service.adapters.checklists import first_members
from fettle_ticket_service.adapters.tables import ENTRY, TICKET
from fettle_ticket_service.adapters.ticket_rows import line_of, ticket_of
from fettle_ticket_service.adapters.wire import Line
from fettle_ticket_service.domain.ticket import Ticket

BIGGEST_VERSION = 2**31 - 1


class Seldom(StrEnum):
    """Types of entries that few tickets have many of, and that are found by an index of their own."""

    REOPENED = EntryType.REOPENED
    DESCRIPTION_EDITED = EntryType.DESCRIPTION_EDITED


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


async def timeline(
    connection: AsyncConnection, ticket: UUID, behind: int | None, limit: int, *, newest_first: bool = False
) -> list[Line]:
    """Up to `limit` entries that come behind that version in the order asked for.

    Versions follow one another, so a page is a range of them, and no plan reads more: left to itself the planner, which
    takes timelines to be short, puts the whole of a long one in order for each page. Only where the range neither is
    full nor reaches the end, as where somebody removed rows, it is looked for further.
    """
    version = ENTRY.c.version
    of_ticket = ENTRY.c.ticket_id == ticket
    newest = select(func.max(version)).where(of_ticket).scalar_subquery()
    if newest_first:
        last = newest if behind is None else literal(behind - 1)
        beyond, near, order = version <= last, version > last - limit, version.desc()
    else:
        above = behind or 0
        beyond, near, order = version > above, version <= min(above + limit, BIGGEST_VERSION), version.asc()
    statement = select(ENTRY, newest.label("newest")).where(of_ticket, beyond).order_by(order).limit(limit)
    found = (await connection.execute(statement.where(near))).all()
    at_its_end = found and found[-1].version == (1 if newest_first else found[-1].newest)
    if len(found) < limit and not at_its_end:
        found = (await connection.execute(statement)).all()
    return [line_of(row) for row in found]


async def seldom_entries(
    connection: AsyncConnection, ticket: UUID, of: Seldom, behind: int | None, limit: int, *, newest_first: bool = False
) -> list[Line]:
    """Up to `limit` entries of that type that come behind that version in the order asked for."""
    version = ENTRY.c.version
    # Written out: the planner takes a partial index only for what it can read.
    of_type = ENTRY.c.type == literal(of.value, literal_execute=True)
    statement = select(ENTRY).where(ENTRY.c.ticket_id == ticket, of_type).limit(limit)
    if behind is not None:
        statement = statement.where(version < behind if newest_first else version > behind)
    rows = await connection.execute(statement.order_by(version.desc() if newest_first else version))
    return [line_of(row) for row in rows]
