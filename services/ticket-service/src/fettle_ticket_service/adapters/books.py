"""Orgs' books in Postgres: locked and loaded for a batch, written back in one statement per table.

Whoever opens a book holds its org's row until the transaction ends, so commands on one org are decided one batch after
the other, and numbers are given in the order in which they are committed.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from pydantic_core import to_json
from sqlalchemy import bindparam, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Text

from fettle_contracts.ticket import TicketState
from fettle_contracts.ticket_policy import TicketPolicy
from fettle_ticket_service.adapters.tables import ENTRY, ORG, SEARCH, TICKET
from fettle_ticket_service.adapters.ticket_rows import COLUMNS, actor_text, row_of, ticket_of
from fettle_ticket_service.adapters.unnest import Row, arrays, insert_rows, unnested
from fettle_ticket_service.adapters.wire import line_of
from fettle_ticket_service.domain.book import Book, Entry
from fettle_ticket_service.domain.texts import KEY_MAX_CHARACTERS, is_line
from fettle_ticket_service.domain.ticket import FIRST_VERSION, Ticket
from fettle_ticket_service.domain.values import Policy, TicketRef

BIGGEST_NUMBER = 2**63 - 1

_LOCK = (
    select(ORG)
    .where(ORG.c.org == bindparam("orgs", type_=ARRAY(Text(), dimensions=1)).any_(), ~ORG.c.deleted)
    .order_by(ORG.c.org)
    .with_for_update()
)
"""Sorted, so that two batches with the same orgs never wait for each other in a circle."""

_LOAD = text("""
    SELECT ticket.* FROM unnest(CAST(:id_orgs AS text[]), CAST(:ids AS uuid[])) AS wanted (org, id)
    JOIN ticket ON ticket.id = wanted.id AND ticket.org = wanted.org
    UNION ALL
    SELECT ticket.* FROM unnest(CAST(:number_orgs AS text[]), CAST(:numbers AS bigint[])) AS wanted (org, number)
    JOIN ticket ON ticket.org = wanted.org AND ticket.number = wanted.number
    UNION ALL
    SELECT held.* FROM unnest(CAST(:key_orgs AS text[]), CAST(:keys AS text[])) AS wanted (org, key)
    CROSS JOIN LATERAL (
        (SELECT * FROM ticket WHERE org = wanted.org AND dedup_key = wanted.key AND state <> 'resolved')
        UNION ALL
        (SELECT * FROM ticket WHERE org = wanted.org AND dedup_key = wanted.key ORDER BY number DESC LIMIT 1)
    ) AS held
""").columns(*TICKET.columns)
"""The tickets named by id, by number, and for each key the unresolved one and the latest."""

_LIVING = (
    *("version", "state", "description", "description_version", "links", "flap_count", "parent_id", "parent_number"),
    *("started_at", "started_by", "resolved_at", "resolved_by", "resolution", "updated_at"),
)
"""The columns that events after the first one change."""

_SAVE = insert_rows(TICKET, COLUMNS)
_SAVE = _SAVE.on_conflict_do_update(index_elements=["id"], set_={name: _SAVE.excluded[name] for name in _LIVING})

_ENTRY_COLUMNS = ("ticket_id", "version", "id", "org", "type", "at", "actor", "body", "evidence")
_ADD_ENTRIES = insert_rows(ENTRY, _ENTRY_COLUMNS)

_SEARCH_COLUMNS = ("ticket_id", "org", "words")
_ADD_SEARCH = insert_rows(SEARCH, _SEARCH_COLUMNS)

_COUNTER_COLUMNS = ("org", "next_number", "open", "in_progress", "resolved")
_counters = unnested(ORG, _COUNTER_COLUMNS, "new")
_SAVE_COUNTERS = (
    update(ORG)
    .where(ORG.c.org == _counters.c.org)
    .values({name: _counters.c[name] for name in _COUNTER_COLUMNS if name != "org"})
)


async def open_books(connection: AsyncConnection, orgs: Iterable[str]) -> dict[str, Book]:
    """The books of those orgs that exist, locked until the transaction ends, without tickets yet."""
    rows = await connection.execute(_LOCK, {"orgs": sorted(set(orgs))})
    return {row.org: _book(row) for row in rows}


async def enter_tickets(
    connection: AsyncConnection, books: Mapping[str, Book], wanted: Iterable[tuple[str, TicketRef]]
) -> None:
    """Loads what the pairs of org and reference name into the orgs' books; for a key the unresolved ticket and the
    latest one."""
    ids: set[tuple[str, object]] = set()
    numbers: set[tuple[str, object]] = set()
    keys: set[tuple[str, object]] = set()
    for org, ref in wanted:
        if ref.id is not None:
            ids.add((org, ref.id))
        elif ref.number is not None and ref.number <= BIGGEST_NUMBER:
            numbers.add((org, ref.number))
        elif ref.key is not None and is_line(ref.key, KEY_MAX_CHARACTERS):
            keys.add((org, ref.key))
    if not (ids or numbers or keys):
        return
    parameters = {**_pairs("id", ids), **_pairs("number", numbers), **_pairs("key", keys)}
    for row in await connection.execute(_LOAD, parameters):
        books[row.org].enter([ticket_of(row)])


async def save_books(connection: AsyncConnection, books: Iterable[Book], entries: Iterable[tuple[str, Entry]]) -> None:
    """Writes what has changed: tickets, timelines, words to search by, counters. `entries` as they happened."""
    changed = [(book, ticket) for book in books for ticket in book.changed.values()]
    if not changed:
        return
    # What ends resolved goes first: it may leave its key to another ticket of this batch.
    changed.sort(key=lambda pair: not pair[1].resolved)
    await connection.execute(_SAVE, arrays(COLUMNS, (row_of(book.org, ticket) for book, ticket in changed)))
    happened = list(entries)
    await connection.execute(_ADD_ENTRIES, arrays(_ENTRY_COLUMNS, (_entry_row(org, entry) for org, entry in happened)))
    opened = [_search_row(org, entry.ticket) for org, entry in happened if entry.ticket.version == FIRST_VERSION]
    if opened:
        await connection.execute(_ADD_SEARCH, arrays(_SEARCH_COLUMNS, opened))
    touched = {book.org: book for book, _ in changed}
    await connection.execute(
        _SAVE_COUNTERS, arrays(_COUNTER_COLUMNS, (_counter_row(book) for book in touched.values()))
    )


def domain_policy(stored: object) -> Policy:
    """What decisions need of an org's ticket policy; what it leaves out has the platform's default."""
    policy = TicketPolicy.model_validate(stored)
    return Policy(timedelta(seconds=policy.reopen_window_s), policy.report_issue_enabled)


def _book(row: Any) -> Book:
    counts = Counter({state: getattr(row, state) for state in TicketState})
    return Book(row.org, domain_policy(row.policy), row.next_number, counts)


def _pairs(what: str, pairs: Iterable[tuple[str, object]]) -> dict[str, list[object]]:
    found = list(pairs)
    return {f"{what}_orgs": [org for org, _ in found], f"{what}s": [value for _, value in found]}


def _entry_row(org: str, entry: Entry) -> Row:
    line = line_of(entry)
    evidence = None if line.evidence is None else to_json(line.evidence).decode()
    return entry.ticket.id, line.version, line.id, org, line.type, line.at, actor_text(line.actor), line.body, evidence


def _search_row(org: str, ticket: Ticket) -> Row:
    subject = ticket.subject
    return ticket.id, org, "\n".join((ticket.title, subject.name or "", subject.id)).lower()


def _counter_row(book: Book) -> Row:
    counts = book.counts
    return (
        book.org,
        book.next_number,
        counts[TicketState.OPEN],
        counts[TicketState.IN_PROGRESS],
        counts[TicketState.RESOLVED],
    )
