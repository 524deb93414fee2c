"""Lists of an org's tickets, a page at a time.

Pages go by key (the place where the last page ended), and each state is read from an index that has the order asked
for; a list over several states merges them. So a page costs the same on the first ticket and after the millionth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.identity import SubjectRef
from fettle_contracts.ticket import TicketSource, TicketState
from fettle_contracts.times import FIRST, LAST
from fettle_ticket_service.adapters.list_statements import (
    TELLING_RUNS,
    TIMES,
    After,
    Form,
    Found,
    Sort,
    all_in_order,
    among_the_next,
    count_fitting,
    ids_said,
    in_order,
    put_in_order,
    words_suffice,
)
from fettle_ticket_service.adapters.marks import integration_mark, kind_mark, source_mark, space_mark, subject_mark
from fettle_ticket_service.adapters.stored import actor_of
from fettle_ticket_service.adapters.ticket_rows import ticket_of
from fettle_ticket_service.adapters.wire import Line
from fettle_ticket_service.domain.ticket import Ticket

SEARCH_MIN_CHARACTERS = 3
"""The index of words knows runs of three characters."""

LITTLE = 2_000
"""As many tickets are put in order for one page rather than passed over one by one."""
GLANCE = 500
"""So many tickets are looked at in order before any index is asked: a page of what much fits needs no more."""
PASSED_OVER = 4_000
"""So many are looked at in order for one page at most; where that is not enough, all that fit are put in order."""
TELLING = 2
"""So many runs of three characters are asked for of a search's words: each more reads another list of the index."""


COMMON = 0.1
"""Words of which each run is in such a part of all tickets are looked for in order first: to read the index costs more
than to pass over tickets. Without a filter they are so to the end: to put all of those in order takes many seconds."""
EVERYTHING = 2**62
"""More tickets than there are."""


@dataclass(frozen=True, slots=True)
class Run:
    """Three characters of a search's words, and the part of all tickets that have them; 0 where they are few or nobody
    knows."""

    gram: str
    share: float


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


def _form_of(wanted: Wanted, after: Place | None) -> Form:
    names = ("source", "kind", "subject", "integration", "space")
    filters = tuple(name for name in names if getattr(wanted, name) is not None)
    return Form(wanted.states, wanted.sort, wanted.ascending, filters, wanted.search is not None, _known(wanted, after))


def _known(wanted: Wanted, after: Place | None) -> After:
    if after is None:
        return After.NOTHING
    if wanted.sort not in TIMES or after.at is None:
        return After.NUMBER
    return {FIRST: After.FIRST, LAST: After.LAST}.get(after.at, After.TIME)


def _values_of(org: str, wanted: Wanted, after: Place | None) -> dict[str, Any]:
    subject, space, words = wanted.subject, wanted.space, wanted.search
    return {
        "org": org,
        **{name: getattr(wanted, name) for name in ("source", "kind", "integration")},
        **({} if subject is None else {"subject_type": subject.type, "subject_id": subject.id}),
        **({} if space is None else {"space": space, "under": _plain(f"{space}/"), "behind_all": f"{space}0"}),
        **({} if words is None else {"words": _plain(words.lower()), "marks": _marks(wanted)}),
        **({} if after is None else {"after_number": after.number, "after_at": after.at}),
    }


@dataclass(frozen=True, slots=True)
class _Question:
    """One list's form with its values, asked on one connection."""

    connection: AsyncConnection
    form: Form
    values: Mapping[str, Any]
    limit: int

    async def page(self, statement: Select[Any], **values: Any) -> list[Listed]:
        rows = await self.connection.execute(statement, {**self.values, "limit": self.limit, **values})
        return [_one(row) for row in rows]

    async def among(self, begin: int, end: int) -> list[Listed]:
        """Those that fit of the next `end` tickets, without the first `begin`."""
        return await self.page(among_the_next(self.form), reach=end, behind=begin, count=end - begin)

    async def with_more(self, page: list[Listed]) -> list[Listed]:
        """What a glance has found, and what fits of those that may be passed over for a page behind it."""
        return (page + await self.among(GLANCE, PASSED_OVER))[: self.limit]

    async def is_beyond(self, count: int) -> bool:
        """Whether more than the next `count` are left."""
        values = {**self.values, "reach": count + 1, "behind": count, "count": 1}
        return await self.connection.scalar(in_order(self.form), values) is not None


async def list_tickets(
    connection: AsyncConnection, org: str, wanted: Wanted, after: Place | None, limit: int
) -> list[Listed]:
    """Up to `limit` tickets after the place where the last page ended, each with its newest entry.

    A page is read in order, and what does not fit is passed over: at a glance first, for longer only where much fits.
    What fits little, or lies far (much that is all old, say), is found by its own index and put in order then. Only
    Postgres' indexes know which: they are asked. All of these questions must be asked of one snapshot: between two of
    them a ticket could move past the place where the one ends and the other goes on.
    """
    form = _form_of(wanted, after)
    question = _Question(connection, form, _values_of(org, wanted, after), limit)
    if not (form.filters or form.searched):
        return await question.page(all_in_order(form), reach=limit, behind=0, count=limit)
    looked_at, page = GLANCE, await question.among(0, GLANCE)
    if len(page) < limit and limit * GLANCE < len(page) * PASSED_OVER:  # at this rate there is a page among those
        looked_at, page = PASSED_OVER, await question.with_more(page)
    if len(page) == limit:
        return page
    if form.filters and await _few_fit(question):
        return await question.page(put_in_order(form, Found.BY_FILTERS))
    runs = [] if wanted.search is None else await telling(connection, wanted.search.lower())
    common = bool(runs) and all(run.share >= COMMON for run in runs)
    if words_suffice(form) and not common:
        return await question.page(put_in_order(form, Found.BY_ALL), runs=[run.gram for run in runs])
    if looked_at < PASSED_OVER and common:
        looked_at, page = PASSED_OVER, await question.with_more(page)
    if len(page) < limit and form.searched and (ids := await _few_say(question, runs)) is not None:
        return await question.page(put_in_order(form, Found.BY_IDS), ids=ids)
    if looked_at < PASSED_OVER:
        page = await question.with_more(page)
    if len(page) == limit or not await question.is_beyond(PASSED_OVER):
        return page
    if common and not form.filters:
        return (page + await question.among(PASSED_OVER, EVERYTHING))[:limit]
    return await question.page(put_in_order(form, Found.BY_ALL), runs=[run.gram for run in runs])


async def _few_fit(question: _Question) -> bool:
    """Whether few fit the filters."""
    found = await question.connection.scalar(count_fitting(question.form), {**question.values, "most": LITTLE + 1})
    return (found or 0) <= LITTLE


async def _few_say(question: _Question, runs: Sequence[Run]) -> list[UUID] | None:
    """The ids of what says the words and has the filters' marks where these are few, else None."""
    values = {**question.values, "runs": [run.gram for run in runs], "most": LITTLE + 1}
    ids = list(await question.connection.scalars(ids_said(question.form), values))
    return ids if len(ids) <= LITTLE else None


async def telling(connection: AsyncConnection, words: str) -> list[Run]:
    """The runs of three characters to ask the index for: those that the fewest tickets have."""
    rows = await connection.execute(TELLING_RUNS, {"words": words, "count": TELLING})
    return [Run(row.gram, row.share or 0.0) for row in rows]


def _marks(wanted: Wanted) -> list[str]:
    """What all tickets that fit the filters are marked with."""
    marks = [] if wanted.source is None else [source_mark(wanted.source)]
    marks += [] if wanted.kind is None else [kind_mark(wanted.kind)]
    marks += [] if wanted.subject is None else [subject_mark(wanted.subject.type, wanted.subject.id)]
    marks += [] if wanted.integration is None else [integration_mark(wanted.integration)]
    return marks + ([] if wanted.space is None else [space_mark(wanted.space)])


def _plain(words: str) -> str:
    """As LIKE takes them for what they are, with `/` before what means something to it."""
    return words.replace("/", "//").replace("%", "/%").replace("_", "/_")


def _one(row: Any) -> Listed:
    actor = actor_of(row.entry_actor)
    line = Line(row.entry_id, row.entry_type, row.version, row.entry_at, actor, row.entry_body, None, row.entry_hash)
    return Listed(ticket_of(row), line)
