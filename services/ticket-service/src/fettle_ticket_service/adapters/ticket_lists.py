"""Lists of an org's tickets, a page at a time.

Pages go by key (the place where the last page ended), and each state is read from an index that has the order asked
for; a list over several states merges them. So a page costs the same on the first ticket and after the millionth.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal, or_, select, tuple_, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.identity import SubjectRef
from fettle_contracts.ticket import TicketSource, TicketState
from fettle_ticket_service.adapters.tables import ENTRY, INSTANT, SEARCH, TICKET
from fettle_ticket_service.adapters.ticket_rows import actor_of, ticket_of
from fettle_ticket_service.adapters.wire import Line
from fettle_ticket_service.domain.ticket import Ticket

SEARCH_MIN_CHARACTERS = 3
GLIMPSE_CHARACTERS = 200
LITTLE = 2_000
"""As many tickets are put in order for one page rather than passed over one by one."""
PASSED_OVER = 4_000
"""So many tickets of a state are looked at in order for one page; where that is not enough, all that fit are put in
order."""


class Sort(StrEnum):
    OPENED = "opened"
    UPDATED = "updated"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: the last ticket's number and, unless sorted by it, its time."""

    number: int
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which tickets, in which order; None does not narrow. `space` also means everything under it."""

    states: tuple[TicketState, ...]
    source: TicketSource | None = None
    kind: str | None = None
    subject: SubjectRef | None = None
    integration: str | None = None
    space: str | None = None
    search: str | None = None
    sort: Sort = Sort.OPENED
    ascending: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """A ticket with the newest line of its timeline, its text cut to a glimpse."""

    ticket: Ticket
    latest: Line

    def place(self, sort: Sort) -> Place:
        times = {Sort.OPENED: self.ticket.opened_at, Sort.UPDATED: self.ticket.updated_at}
        return Place(self.ticket.number, times.get(sort))


_TIMES = {Sort.OPENED: "opened_at", Sort.UPDATED: "updated_at"}
_LATEST = (
    ENTRY.c.id.label("entry_id"),
    ENTRY.c.type.label("entry_type"),
    ENTRY.c.at.label("entry_at"),
    ENTRY.c.actor.label("entry_actor"),
    func.left(ENTRY.c.body, GLIMPSE_CHARACTERS).label("entry_body"),
    ENTRY.c.hash.label("entry_hash"),
)


async def list_tickets(
    connection: AsyncConnection, org: str, wanted: Wanted, after: Place | None, limit: int
) -> list[Listed]:
    """Up to `limit` tickets after the place where the last page ended, each with its newest entry.

    What fits the filters is found first and put in order then where that is little; else it is read in order, and what
    does not fit is passed over, unless that takes long: much that is all old, say. Only Postgres' indexes know
    which: they are asked.
    """
    fits = and_(TICKET.c.org == org, *_filters(wanted), *_found(wanted))
    if await _finds_little(connection, org, wanted) or await _lies_far(connection, org, wanted, after, limit):
        # OFFSET keeps the planner from reading in order all the same.
        merged = select(TICKET).where(fits, TICKET.c.state.in_(wanted.states)).offset(0).subquery("page")
        beyond = _beyond(merged.c, wanted, after)
    else:
        pages = [
            select(TICKET)
            .where(fits, TICKET.c.state == state, *_beyond(TICKET.c, wanted, after))
            .order_by(*_order(TICKET.c, wanted))
            .limit(limit)
            for state in wanted.states
        ]
        merged = union_all(*(select(page.subquery()) for page in pages)).subquery("page")
        beyond = []
    shown = select(merged).where(*beyond).order_by(*_order(merged.c, wanted)).limit(limit).subquery("page")
    newest = (ENTRY.c.ticket_id == shown.c.id) & (ENTRY.c.version == shown.c.version)
    statement = select(shown, *_LATEST).join(ENTRY, newest).order_by(*_order(shown.c, wanted))
    return [_listed(row) for row in await connection.execute(statement)]


async def _finds_little(connection: AsyncConnection, org: str, wanted: Wanted) -> bool:
    """Whether few tickets fit the filters, or the words. Each is asked by itself, as neither knows of the other."""
    filters = _filters(wanted)
    some = []
    if filters:
        some.append(select(literal(1)).where(TICKET.c.org == org, TICKET.c.state.in_(wanted.states), *filters))
    if wanted.search is not None:
        some.append(select(literal(1)).where(SEARCH.c.org == org, _says(wanted.search)))
    for each in some:
        counted = select(func.count()).select_from(each.limit(LITTLE + 1).subquery())
        if (await connection.scalar(counted) or 0) <= LITTLE:
            return True
    return False


async def _lies_far(connection: AsyncConnection, org: str, wanted: Wanted, after: Place | None, limit: int) -> bool:
    """Whether a page of what fits the filters lies beyond the first `PASSED_OVER` tickets of a state."""
    filters = _filters(wanted)
    if not filters:
        return False
    for state in wanted.states:
        first = (
            select(TICKET)
            .where(TICKET.c.org == org, TICKET.c.state == state, *_beyond(TICKET.c, wanted, after))
            .order_by(*_order(TICKET.c, wanted))
        )
        seen = first.limit(PASSED_OVER).subquery()
        fits = select(literal(1)).select_from(seen).where(*_filters(wanted, seen.c)).limit(limit).subquery()
        if (await connection.scalar(select(func.count()).select_from(fits)) or 0) < limit:
            more = first.with_only_columns(TICKET.c.number).offset(PASSED_OVER).limit(1)
            if await connection.scalar(more) is not None:
                return True
    return False


def _order(columns: Any, wanted: Wanted) -> list[ColumnElement[Any]]:
    keys = [columns[name] for name in (_TIMES.get(wanted.sort), "number") if name]
    return keys if wanted.ascending else [key.desc() for key in keys]


def _beyond(columns: Any, wanted: Wanted, after: Place | None) -> list[ColumnElement[bool]]:
    if after is None:
        return []
    time = _TIMES.get(wanted.sort)
    if time is None or after.at is None:
        mine: Any = columns.number
        theirs: Any = literal(after.number)
    else:
        mine = tuple_(columns[time], columns.number)
        theirs = tuple_(literal(after.at, INSTANT), literal(after.number))
    return [mine > theirs if wanted.ascending else mine < theirs]


def _filters(wanted: Wanted, columns: Any = TICKET.c) -> list[ColumnElement[bool]]:
    exact = {"source": wanted.source, "kind": wanted.kind, "integration": wanted.integration}
    filters: list[ColumnElement[bool]] = [columns[name] == value for name, value in exact.items() if value is not None]
    if wanted.subject is not None:
        filters.append(columns.subject_type == wanted.subject.type)
        filters.append(columns.subject_id == wanted.subject.id)
    if wanted.space is not None:
        under = columns.space.startswith(f"{wanted.space}/", autoescape=True)
        filters.append(or_(columns.space == wanted.space, under))
        # In byte order all of these lie between the space itself and what follows its `/`: one stretch of the index.
        filters.append(columns.space.op("~>=~")(wanted.space))
        filters.append(columns.space.op("~<~")(f"{wanted.space}0"))
    return filters


def _found(wanted: Wanted) -> list[ColumnElement[bool]]:
    if wanted.search is None:
        return []
    words = select(SEARCH.c.ticket_id).where(SEARCH.c.org == TICKET.c.org, _says(wanted.search))
    return [TICKET.c.id.in_(words)]


def _says(words: str) -> ColumnElement[bool]:
    return SEARCH.c.words.contains(words.lower(), autoescape=True)


def _listed(row: Any) -> Listed:
    actor = actor_of(row.entry_actor)
    line = Line(row.entry_id, row.entry_type, row.version, row.entry_at, actor, row.entry_body, None, row.entry_hash)
    return Listed(ticket_of(row), line)
