"""Orgs' books in Postgres: locked and loaded for a batch, written back table by table.

Whoever opens a book holds its org's row until the transaction ends, so commands on one org are decided one batch after
the other, and numbers are given in the order in which they are committed.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import structlog
from msgspec.json import encode
from msgspec.structs import replace
from sqlalchemy import bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Text

from fettle_chassis.copying import Row
from fettle_contracts.ticket import TicketState
from fettle_contracts.ticket_policy import TicketPolicy
from fettle_ticket_service import metrics
from fettle_ticket_service.adapters.checklists import first_members, save_checklists
from fettle_ticket_service.adapters.marks import marks_of
from fettle_ticket_service.adapters.orgs import readable
from fettle_ticket_service.adapters.tables import ENTRY, ORG, REMOVED, SEARCH, TICKET
from fettle_ticket_service.adapters.ticket_rows import COLUMNS, actor_text, row_of, ticket_of
from fettle_ticket_service.adapters.unnest import arrays, update_rows
from fettle_ticket_service.adapters.wire import line_of
from fettle_ticket_service.adapters.writes import Writes
from fettle_ticket_service.domain.book import Book, Entry
from fettle_ticket_service.domain.chain import Chain, ChainKeys
from fettle_ticket_service.domain.texts import KEY_MAX_CHARACTERS, is_line
from fettle_ticket_service.domain.ticket import FIRST_VERSION, Ticket
from fettle_ticket_service.domain.values import Policy, TicketRef

log = structlog.get_logger(__name__)

BIGGEST_NUMBER = 2**63 - 1

_LAST_REMOVED = select(func.max(REMOVED.c.number)).where(REMOVED.c.org == ORG.c.org).scalar_subquery()
_LOCK = (
    select(ORG, _LAST_REMOVED.label("last_removed"))
    .where(ORG.c.org == bindparam("orgs", type_=ARRAY(Text(), dimensions=1)).any_(), ~ORG.c.deleted)
    .order_by(ORG.c.org)
    .with_for_update(of=ORG)
)
"""Sorted, so that two batches with the same orgs never wait for each other in a circle. Numbers of removed tickets stop
no insert, so whether the next one is among them is asked here."""

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

_ENDS = text("""
    SELECT wanted.id, coalesce((SELECT max(version) FROM entry WHERE ticket_id = wanted.id), 0) AS version,
           coalesce((SELECT max(place) FROM checklist_member WHERE ticket_id = wanted.id), 0) AS members,
           (SELECT hash FROM entry WHERE ticket_id = wanted.id ORDER BY version DESC LIMIT 1) AS hash,
           coalesce((SELECT coalesce(hash, place::text) FROM entry WHERE ticket_id = wanted.id
                     ORDER BY version DESC LIMIT 1),
                    (SELECT coalesce(hash, place::text) FROM entry WHERE ticket_id = wanted.id
                     ORDER BY version LIMIT 1)) IS NOT NULL AS chained
    FROM unnest(CAST(:ids AS uuid[])) AS wanted (id)
""")

_LIVING = (
    *("version", "state", "description", "description_version", "links", "flap_count", "parent_id", "parent_number"),
    *("started_at", "started_by", "resolved_at", "resolved_by", "resolution", "updated_at", "hash", "seal"),
)
"""The columns that events after the first one change."""
_UPDATE = update_rows(TICKET, "id", _LIVING)
_UPDATED = tuple((name, COLUMNS.index(name)) for name in ("id", *_LIVING))

_ENTRY_COLUMNS = tuple(column.name for column in ENTRY.columns)
_SEARCH_COLUMNS = ("ticket_id", "org", "words", "marks", "number", "opened_at")
_COUNTERS = ("next_number", "open", "in_progress", "resolved", "place", "head")


async def open_books(connection: AsyncConnection, orgs: Iterable[str], keys: ChainKeys) -> dict[str, Book]:
    """The books of those orgs that exist, locked until the transaction ends, without tickets yet."""
    rows = await connection.execute(_LOCK, {"orgs": sorted(set(orgs))})
    return {row.org: _book(row, keys) for row in rows}


async def enter_tickets(
    connection: AsyncConnection,
    books: Mapping[str, Book],
    wanted: Iterable[tuple[str, TicketRef]],
    doubted: Collection[str] = (),
) -> None:
    """Loads what the pairs of org and reference name into the orgs' books; for a key the unresolved ticket and the
    latest one. A ticket that somebody without the key has changed is logged, and keeps a seal that does not fit; it
    goes on behind its timeline and its checklist, whatever its row claims. A row that was put back whole has a seal
    that fits: so in the orgs that are `doubted` every ticket is held against what it has."""
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
    rows = (await connection.execute(_LOAD, parameters)).all()
    firsts = await first_members(connection, {row.id for row in rows if row.checklist_total})
    doubtful: list[tuple[Book, Ticket, Any]] = []
    for row in rows:
        book, ticket = books[row.org], ticket_of(row, firsts.get(row.id, ()))
        book.enter([ticket])
        if not book.chain.take(row.org, ticket, row.hash, row.seal):
            _tell_unsound(book, ticket)
            doubtful.append((book, ticket, row))
        elif row.seal is None or row.org in doubted:
            doubtful.append((book, ticket, row))
    if doubtful:
        await _go_on_behind(connection, doubtful)


async def _go_on_behind(connection: AsyncConnection, doubtful: Sequence[tuple[Book, Ticket, Any]]) -> None:
    """Raises versions and checklists to what is there. A seal that fits a row which claims less stays, and does not fit
    what comes next. A row without hash and seal is from before the chains only if its timeline is so too; another one
    has lost them, and gets no new seal."""
    ends = {row.id: row for row in await connection.execute(_ENDS, {"ids": [ticket.id for _, ticket, _ in doubtful]})}
    for book, ticket, row in doubtful:
        end = ends[ticket.id]
        version, total = max(ticket.version, end.version), max(ticket.checklist.total, end.members)
        claims_less = (version, total) != (ticket.version, ticket.checklist.total)
        has_lost_both = row.hash is None and row.seal is None and end.chained
        if (claims_less or has_lost_both) and book.chain.distrust(ticket, row.seal):
            _tell_unsound(book, ticket)
        if has_lost_both and end.hash is not None:
            book.chain.hashes[ticket.id] = end.hash  # whoever writes the next entry has altered nothing
        if claims_less:
            book.enter([replace(ticket, version=version, checklist=replace(ticket.checklist, total=total))])


def _tell_unsound(book: Book, ticket: Ticket) -> None:
    metrics.UNSOUND.inc()
    log.warning("ticket.unsound", org=book.org, number=ticket.number)


async def save_books(
    connection: AsyncConnection, books: Iterable[Book], entries: Iterable[tuple[str, Entry]], writes: Writes
) -> None:
    """Writes what has changed: tickets, checklists, timelines, words to search by, counters; and what `writes` holds
    already. `entries` as they happened."""
    touched = [book for book in books if book.changed]
    happened = list(entries)
    new = {entry.ticket.id for _, entry in happened if entry.ticket.version == FIRST_VERSION}
    changed = [(book, ticket) for book in touched for ticket in book.changed.values()]
    # What ends resolved goes first and what is new last: a key may pass from one ticket to another in this batch.
    before = [(book, ticket) for book, ticket in changed if ticket.id not in new]
    await _update(connection, [row_of(*each) for each in before if each[1].resolved])
    await _update(connection, [row_of(*each) for each in before if not each[1].resolved])
    opened = [(book, ticket) for book, ticket in changed if ticket.id in new]
    writes.add(TICKET, COLUMNS, (row_of(*each) for each in opened))
    writes.add(SEARCH, _SEARCH_COLUMNS, (search_row(*each) for each in opened))
    writes.add(ENTRY, _ENTRY_COLUMNS, (_entry_row(org, entry) for org, entry in happened))
    writes.change(ORG, "org", _COUNTERS, map(_counter_row, touched))
    await writes.carry_out(connection)
    await save_checklists(connection, touched)


async def _update(connection: AsyncConnection, tickets: Sequence[Row]) -> None:
    if tickets:
        living = [tuple(row[place] for _, place in _UPDATED) for row in tickets]
        await connection.execute(_UPDATE, arrays([name for name, _ in _UPDATED], living))


def domain_policy(org: str, stored: object) -> Policy:
    """What decisions need of an org's ticket policy; what it leaves out has the platform's default, and so has all of
    one that cannot be read."""
    policy = readable(org, stored) or TicketPolicy()
    return Policy(timedelta(seconds=policy.reopen_window_s), policy.report_issue_enabled)


def _book(row: Any, keys: ChainKeys) -> Book:
    counts = Counter({state: getattr(row, state) for state in TicketState})
    next_number = max(row.next_number, 1, 1 + (row.last_removed or 0))
    if next_number > row.next_number:
        log.critical("org.put_right", org=row.org, next_number=next_number, place=row.place)
    return Book(
        row.org, Chain(keys, max(row.place, 0), row.head), domain_policy(row.org, row.policy), next_number, counts
    )


def _pairs(what: str, pairs: Iterable[tuple[str, object]]) -> dict[str, list[object]]:
    found = list(pairs)
    return {f"{what}_orgs": [org for org, _ in found], f"{what}s": [value for _, value in found]}


def _entry_row(org: str, entry: Entry) -> Row:
    line = line_of(entry)
    evidence = None if line.evidence is None else encode(line.evidence).decode()
    said = (line.type, line.at, actor_text(line.actor), line.body, evidence)
    link = entry.link
    return entry.ticket.id, line.version, line.id, org, *said, link.hash, link.place, link.head


def search_row(book: Book, ticket: Ticket) -> Row:
    """What is searched in, as a row of `ticket_search`."""
    subject = ticket.subject
    words = "\n".join((ticket.title, subject.name or "", subject.id)).lower()
    return ticket.id, book.org, words, marks_of(ticket), ticket.number, ticket.opened_at


def _counter_row(book: Book) -> Row:
    counts = book.counts
    return (
        book.org,
        book.next_number,
        counts[TicketState.OPEN],
        counts[TicketState.IN_PROGRESS],
        counts[TicketState.RESOLVED],
        book.chain.place,
        book.chain.head,
    )
