"""The statements by which lists are read: made once for each form that a list can have, and kept.

Making one costs more than carrying it out: each of its subqueries says all of a ticket's columns anew.
"""

from datetime import datetime
from enum import StrEnum, auto
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Select,
    Text,
    Uuid,
    bindparam,
    collate,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY

from fettle_contracts.ticket import TicketState
from fettle_ticket_service.adapters.tables import ENTRY, INSTANT, ORDER, SEARCH, TICKET

FORMS_KEPT = 100
"""A quarter of a MiB each at most; an org's people use a dozen."""
GLIMPSE_CHARACTERS = 200
Conditions = list[ColumnElement[bool]]


class Sort(StrEnum):
    OPENED = "opened"
    UPDATED = "updated"
    NUMBER = "number"


TIMES = {Sort.OPENED: "opened_at", Sort.UPDATED: "updated_at"}
_LATEST = (
    ENTRY.c.id.label("entry_id"),
    ENTRY.c.type.label("entry_type"),
    ENTRY.c.at.label("entry_at"),
    ENTRY.c.actor.label("entry_actor"),
    func.left(ENTRY.c.body, GLIMPSE_CHARACTERS).label("entry_body"),
    ENTRY.c.hash.label("entry_hash"),
)


class After(StrEnum):
    """What is known of the place where the last page ended."""

    NOTHING = auto()
    NUMBER = auto()
    TIME = auto()
    FIRST = auto()
    LAST = auto()


class Found(StrEnum):
    """How tickets that fit are found before they are put in order."""

    BY_FILTERS = auto()
    BY_IDS = auto()
    BY_ALL = auto()


class Form(NamedTuple):
    """What the statements of a list depend on: everything but values."""

    states: tuple[TicketState, ...]
    sort: Sort
    ascending: bool
    filters: tuple[str, ...]
    searched: bool
    after: After


@lru_cache(FORMS_KEPT)
def all_in_order(form: Form) -> Select[Any]:
    return _listed(form, in_order(form))


@lru_cache(FORMS_KEPT)
def among_the_next(form: Form) -> Select[Any]:
    looked_at = in_order(form).subquery("looked_at")
    return _listed(form, select(looked_at).where(*_filters(form, looked_at.c), *_worded(form, looked_at.c)))


@lru_cache(FORMS_KEPT)
def in_order(form: Form) -> Select[Any]:
    """The next `count` tickets of the states after the place and `behind` others, whatever else is wanted; `reach` is
    both together."""
    by = _ordered(form)
    states = [
        _by_index(form)
        .where(by.org == _text("org"), by.state == state, *_beyond(form, by))
        .order_by(*_order(form, by))
        .limit(_number("reach"))
        for state in form.states
    ]
    merged = union_all(*(select(state.subquery()) for state in states)).subquery("merged")
    return select(merged).order_by(*_order(form, merged.c)).offset(_number("behind")).limit(_number("count"))


@lru_cache(FORMS_KEPT)
def put_in_order(form: Form, found: Found) -> Select[Any]:
    """The first of all that fit, found first: OFFSET keeps the planner from reading in order all the same. Where words
    alone are asked for, their rows know the order, and only the page's tickets are looked up."""
    if found is Found.BY_ALL and words_suffice(form):
        keys = (SEARCH.c.ticket_id.label("id"), *(SEARCH.c[key] for key in _keys(form) if key != "id"))
        those = select(*keys).where(*_said(form))
    else:
        those = select(*(TICKET.c[key] for key in _keys(form))).where(*_fits(form, found))
    fitting = those.offset(0).subquery("found")
    return _listed(form, select(fitting).where(*_beyond(form, fitting.c)))


def words_suffice(form: Form) -> bool:
    """Whether no more is asked of a ticket than its words, in an order that never changes."""
    return form.searched and not form.filters and set(form.states) == set(TicketState) and form.sort is not Sort.UPDATED


def _fits(form: Form, found: Found) -> Conditions:
    filtered = [*_in(form), *_filters(form)]
    if found is Found.BY_FILTERS:
        return [*filtered, *_worded(form, TICKET.c)]
    if found is Found.BY_IDS:
        return [TICKET.c.id == bindparam("ids", type_=ARRAY(Uuid(), dimensions=1)).any_(), *filtered]
    says = TICKET.c.id.in_(select(SEARCH.c.ticket_id).where(*_said(form)))
    return [*filtered, says] if form.searched else filtered


@lru_cache(FORMS_KEPT)
def count_fitting(form: Form) -> Select[Any]:
    some = select(literal(1)).where(*_in(form), *_filters(form)).limit(_number("most")).subquery()
    return select(func.count()).select_from(some)


@lru_cache(FORMS_KEPT)
def ids_said(form: Form) -> Select[Any]:
    return select(SEARCH.c.ticket_id).where(*_said(form)).limit(_number("most"))


def _listed(form: Form, tickets: Select[Any]) -> Select[Any]:
    """The first of the tickets, each as a whole and with its newest entry. Up to here only what orders and narrows is
    read: many may be looked at or put in order, and tickets are wide."""
    among = tickets.subquery("among")
    page = select(among.c.id).order_by(*_order(form, among.c)).limit(_number("limit")).subquery("page")
    newest = (ENTRY.c.ticket_id == TICKET.c.id) & (ENTRY.c.version == TICKET.c.version)
    whole = select(TICKET, *_LATEST).join(page, TICKET.c.id == page.c.id).join(ENTRY, newest)
    return whole.order_by(*_order(form, TICKET.c))


def _ordered(form: Form) -> Any:
    """The columns by whose index tickets are read in order."""
    return ORDER.c if form.sort is Sort.UPDATED else TICKET.c


def _by_index(form: Form) -> Select[Any]:
    """What orders and narrows tickets, to be read by that index."""
    if form.sort is not Sort.UPDATED:
        return select(*(TICKET.c[name] for name in (*_keys(form), *_narrowing(form))))
    its = [TICKET.c.id, *(TICKET.c[name] for name in _narrowing(form))]
    # One by one: OFFSET keeps the planner from reading the table to join it.
    ticket = select(*its).where(TICKET.c.id == ORDER.c.ticket_id).offset(0).lateral("its")
    return select(ticket, ORDER.c.updated_at, ORDER.c.number).join_from(ORDER, ticket, true())


def _keys(form: Form) -> list[str]:
    """What tells tickets apart and orders them."""
    return [name for name in ("id", "number", TIMES.get(form.sort)) if name]


def _narrowing(form: Form) -> list[str]:
    """The columns that the filters look at."""
    subject = ("subject_type", "subject_id") if "subject" in form.filters else ()
    return [*subject, *(name for name in form.filters if name != "subject")]


def _in(form: Form) -> Conditions:
    return [TICKET.c.org == _text("org"), TICKET.c.state.in_(form.states)]


def _order(form: Form, columns: Any) -> list[ColumnElement[Any]]:
    keys = [columns[name] for name in (TIMES.get(form.sort), "number") if name]
    return keys if form.ascending else [key.desc() for key in keys]


def _beyond(form: Form, columns: Any) -> Conditions:
    if form.after is After.NOTHING:
        return []
    mine: Any = columns.number
    theirs: Any = _number("after_number")
    if form.after is not After.NUMBER:
        time = TIMES[form.sort]
        mine = tuple_(columns[time], mine)
        theirs = tuple_(_as_stored(form, time), theirs)
    return [mine > theirs if form.ascending else mine < theirs]


def _as_stored(form: Form, column: str) -> ColumnElement[datetime]:
    """A ticket's time as the database has it, which may be one of those that are read as the first or the last."""
    shown = bindparam("after_at", type_=INSTANT)
    if form.after is After.TIME:
        return shown
    its = select(TICKET.c[column]).where(TICKET.c.org == _text("org"), TICKET.c.number == _number("after_number"))
    stored = its.scalar_subquery()
    return func.least(stored, shown) if form.after is After.FIRST else func.greatest(stored, shown)


def _filters(form: Form, columns: Any = TICKET.c) -> Conditions:
    filters: Conditions = [
        columns[name] == _text(name) for name in ("source", "kind", "integration") if name in form.filters
    ]
    if "subject" in form.filters:
        filters += [columns[name] == _text(name) for name in ("subject_type", "subject_id")]
    if "space" in form.filters:
        filters.append(or_(columns.space == _text("space"), columns.space.startswith(_text("under"), escape="/")))
        # In byte order all of these lie between the space itself and what follows its `/`: one stretch of the index.
        filters += [columns.space.op("~>=~")(_text("space")), columns.space.op("~<~")(_text("behind_all"))]
    return filters


def _worded(form: Form, columns: Any) -> Conditions:
    """Whether a ticket that is at hand says the words."""
    if not form.searched:
        return []
    return [_says(select(SEARCH.c.words).where(SEARCH.c.ticket_id == columns.id).scalar_subquery())]


def _said(form: Form) -> Conditions:
    """Which rows of `ticket_search` say the words and have the filters' marks, by one index: they have those `runs` of
    three characters of the words that are asked for, letters or not."""
    runs = func.ticket_grams(collate(SEARCH.c.words, "C")).op("@>")
    said = [SEARCH.c.org == _text("org"), runs(_texts("runs")), _says(SEARCH.c.words)]
    if form.filters:
        its_marks = func.string_to_array(SEARCH.c.marks, literal_column(r"E'\n'"))
        said.append(its_marks.op("@>")(_texts("marks")))
    return said


TELLING_RUNS = text("""
    SELECT gram, share FROM (SELECT DISTINCT unnest(ticket_grams(CAST(:words AS text) COLLATE "C")) AS gram) AS its
    LEFT JOIN (
        SELECT common.gram, common.share FROM pg_stats
        CROSS JOIN LATERAL unnest(
            CAST(CAST(most_common_elems AS text) AS text[]), most_common_elem_freqs
        ) AS common (gram, share)
        WHERE schemaname = current_schema() AND tablename = 'ticket_search_narrowed' AND attname = 'ticket_grams'
    ) AS known USING (gram)
    ORDER BY share NULLS FIRST, gram
    LIMIT CASE WHEN EXISTS (
        SELECT FROM pg_stats WHERE schemaname = current_schema() AND tablename = 'ticket_search_narrowed'
        AND attname = 'ticket_grams' AND most_common_elems IS NOT NULL
    ) THEN CAST(:count AS bigint) END
""")
"""Those runs of the words that the fewest tickets have, of whichever org, by what ANALYZE has last seen in the index,
and how many of all have them (NULL: few);
all of them where it has seen nothing, or what it has seen is not shown to who asks (only to the index's owner)."""


def _says(words: ColumnElement[str]) -> ColumnElement[bool]:
    return words.contains(_text("words"), escape="/")


def _text(name: str) -> BindParameter[str]:
    return bindparam(name, type_=Text())


def _texts(name: str) -> BindParameter[Any]:
    return bindparam(name, type_=ARRAY(Text(), dimensions=1))


def _number(name: str) -> BindParameter[int]:
    return bindparam(name, type_=BigInteger())
