"""Lists of an org's tickets, a page at a time.

Pages go by key (the place where the last page ended), and each state is read from an index that has the order asked
for; a list over several states merges them. So a page costs the same on the first ticket and after the millionth.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    Uuid,
    collate,
    func,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.identity import SubjectRef
from fettle_contracts.ticket import TicketSource, TicketState
from fettle_contracts.times import FIRST, LAST
from fettle_ticket_service.adapters.marks import integration_mark, kind_mark, source_mark, space_mark, subject_mark
from fettle_ticket_service.adapters.stored import actor_of
from fettle_ticket_service.adapters.tables import ENTRY, INSTANT, SEARCH, TICKET
from fettle_ticket_service.adapters.ticket_rows import ticket_of
from fettle_ticket_service.adapters.wire import Line
from fettle_ticket_service.domain.ticket import Ticket

SEARCH_MIN_CHARACTERS = 3
"""The index of words knows runs of three characters."""
GLIMPSE_CHARACTERS = 200
Conditions = list[ColumnElement[bool]]

LITTLE = 2_000
"""As many tickets are put in order for one page rather than passed over one by one."""
GLANCE = 500
"""So many tickets are looked at in order before any index is asked: a page of what much fits needs no more."""
PASSED_OVER = 4_000
"""So many are looked at in order for one page at most; where that is not enough, all that fit are put in order."""


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

    A page is read in order, and what does not fit is passed over: at a glance first, for longer only where much fits.
    What fits little, or lies far (much that is all old, say), is found by its own index and put in order then. Only
    Postgres' indexes know which: they are asked.
    """
    if not _narrows(wanted):
        return await _listed(connection, wanted, _in_order(org, wanted, after, limit), limit)
    looked_at, page = GLANCE, await _listed(connection, wanted, _among_the_first(GLANCE, org, wanted, after), limit)
    if len(page) < limit and limit * GLANCE < len(page) * PASSED_OVER:  # at this rate there is a page among those
        looked_at = PASSED_OVER
        page = await _listed(connection, wanted, _among_the_first(PASSED_OVER, org, wanted, after), limit)
    if len(page) == limit:
        return page
    if (few := await _few(connection, org, wanted)) is not None:
        return await _listed(connection, wanted, _put_in_order(few, org, wanted, after, limit), limit)
    if looked_at < PASSED_OVER:
        page = await _listed(connection, wanted, _among_the_first(PASSED_OVER, org, wanted, after), limit)
    if len(page) == limit or await connection.scalar(_in_order(org, wanted, after, 1, behind=PASSED_OVER)) is None:
        return page
    says = TICKET.c.id.in_(select(SEARCH.c.ticket_id).where(*_said(org, wanted)))
    fits = [*_in(org, wanted), *_filters(wanted), *([says] if wanted.search else [])]
    return await _listed(connection, wanted, _put_in_order(fits, org, wanted, after, limit), limit)


async def _listed(connection: AsyncConnection, wanted: Wanted, tickets: Select[Any], limit: int) -> list[Listed]:
    """The first `limit` of the tickets."""
    among = tickets.subquery("among")
    shown = select(among).order_by(*_order(among.c, wanted)).limit(limit).subquery("page")
    newest = (ENTRY.c.ticket_id == shown.c.id) & (ENTRY.c.version == shown.c.version)
    statement = select(shown, *_LATEST).join(ENTRY, newest).order_by(*_order(shown.c, wanted))
    return [_one(row) for row in await connection.execute(statement)]


def _in_order(org: str, wanted: Wanted, after: Place | None, count: int, *, behind: int = 0) -> Select[Any]:
    """The next `count` tickets of the states after the place and `behind` others, whatever else is wanted."""
    states = [
        select(TICKET)
        .where(TICKET.c.org == org, TICKET.c.state == state, *_beyond(TICKET.c, org, wanted, after))
        .order_by(*_order(TICKET.c, wanted))
        .limit(count + behind)
        for state in wanted.states
    ]
    merged = union_all(*(select(state.subquery()) for state in states)).subquery("merged")
    return select(merged).order_by(*_order(merged.c, wanted)).offset(behind).limit(count)


def _among_the_first(count: int, org: str, wanted: Wanted, after: Place | None) -> Select[Any]:
    """Those of the next `count` tickets that fit."""
    looked_at = _in_order(org, wanted, after, count).subquery("looked_at")
    return select(looked_at).where(*_filters(wanted, looked_at.c), *_worded(wanted, looked_at.c))


def _put_in_order(fits: Conditions, org: str, wanted: Wanted, after: Place | None, limit: int) -> Select[Any]:
    """The first `limit` of all that fit, found first: OFFSET keeps the planner from reading in order all the same. Only
    ids are put in order, as many may fit and tickets are wide."""
    keys = dict.fromkeys(("id", "number", _TIMES.get(wanted.sort, "number")))
    found = select(*(TICKET.c[key] for key in keys)).where(*fits).offset(0).subquery("found")
    beyond = _beyond(found.c, org, wanted, after)
    page = select(found.c.id).where(*beyond).order_by(*_order(found.c, wanted)).limit(limit).subquery("first")
    return select(TICKET).join(page, TICKET.c.id == page.c.id)


async def _few(connection: AsyncConnection, org: str, wanted: Wanted) -> Conditions | None:
    """What finds the tickets that fit where few fit the filters, or these and the words; None where many do."""
    if filters := _filters(wanted):
        some = select(literal(1)).where(*_in(org, wanted), *filters).limit(LITTLE + 1).subquery()
        if (await connection.scalar(select(func.count()).select_from(some)) or 0) <= LITTLE:
            return [*_in(org, wanted), *filters, *_worded(wanted, TICKET.c)]
    if wanted.search is not None:
        ids = list(await connection.scalars(select(SEARCH.c.ticket_id).where(*_said(org, wanted)).limit(LITTLE + 1)))
        if len(ids) <= LITTLE:
            return [TICKET.c.id == literal(ids, ARRAY(Uuid(), dimensions=1)).any_(), *_in(org, wanted), *filters]
    return None


def _in(org: str, wanted: Wanted) -> Conditions:
    return [TICKET.c.org == org, TICKET.c.state.in_(wanted.states)]


def _order(columns: Any, wanted: Wanted) -> list[ColumnElement[Any]]:
    keys = [columns[name] for name in (_TIMES.get(wanted.sort), "number") if name]
    return keys if wanted.ascending else [key.desc() for key in keys]


def _beyond(columns: Any, org: str, wanted: Wanted, after: Place | None) -> Conditions:
    if after is None:
        return []
    time = _TIMES.get(wanted.sort)
    if time is None or after.at is None:
        mine: Any = columns.number
        theirs: Any = literal(after.number)
    else:
        mine = tuple_(columns[time], columns.number)
        theirs = tuple_(_as_stored(org, time, after.number, after.at), literal(after.number))
    return [mine > theirs if wanted.ascending else mine < theirs]


def _as_stored(org: str, column: str, number: int, at: datetime) -> ColumnElement[datetime]:
    """A ticket's time as the database has it, which may be one of those that are read as the first or the last."""
    shown = literal(at, INSTANT)
    if at not in (FIRST, LAST):
        return shown
    stored = select(TICKET.c[column]).where(TICKET.c.org == org, TICKET.c.number == number).scalar_subquery()
    return func.least(stored, shown) if at == FIRST else func.greatest(stored, shown)


def _filters(wanted: Wanted, columns: Any = TICKET.c) -> Conditions:
    exact = {"source": wanted.source, "kind": wanted.kind, "integration": wanted.integration}
    filters: Conditions = [columns[name] == value for name, value in exact.items() if value is not None]
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


def _narrows(wanted: Wanted) -> bool:
    return bool(_filters(wanted)) or wanted.search is not None


def _worded(wanted: Wanted, columns: Any) -> Conditions:
    """Whether a ticket that is at hand says the words."""
    if wanted.search is None:
        return []
    its = select(SEARCH.c.words).where(SEARCH.c.ticket_id == columns.id).scalar_subquery()
    return [_says(its, wanted.search.lower())]


def _said(org: str, wanted: Wanted) -> Conditions:
    """Which rows of `ticket_search` say the words and have the filters' marks, by one index: they have every run of
    three characters that the words have, letters or not."""
    runs = func.ticket_grams(collate(SEARCH.c.words, "C")).op("@>")
    words = (wanted.search or "").lower()
    said = [SEARCH.c.org == org, runs(func.ticket_grams(collate(literal(words), "C"))), _says(SEARCH.c.words, words)]
    if marks := _marks(wanted):
        its_marks = func.string_to_array(SEARCH.c.marks, literal_column(r"E'\n'"))
        said.append(its_marks.op("@>")(literal(marks, ARRAY(Text(), dimensions=1))))
    return said


def _marks(wanted: Wanted) -> list[str]:
    """What all tickets that fit the filters are marked with."""
    marks = [] if wanted.source is None else [source_mark(wanted.source)]
    marks += [] if wanted.kind is None else [kind_mark(wanted.kind)]
    marks += [] if wanted.subject is None else [subject_mark(wanted.subject.type, wanted.subject.id)]
    marks += [] if wanted.integration is None else [integration_mark(wanted.integration)]
    return marks + ([] if wanted.space is None else [space_mark(wanted.space)])


def _says(words: ColumnElement[str], wanted: str) -> ColumnElement[bool]:
    return words.contains(wanted, autoescape=True)


def _one(row: Any) -> Listed:
    actor = actor_of(row.entry_actor)
    line = Line(row.entry_id, row.entry_type, row.version, row.entry_at, actor, row.entry_body, None, row.entry_hash)
    return Listed(ticket_of(row), line)
