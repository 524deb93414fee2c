"""A ticket service's database after years: filled by Postgres itself, or with chains as the service writes them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import asyncpg
from uuid_utils.compat import uuid7

from fettle_contracts.identity import SubjectType
from fettle_contracts.people import ActorType
from fettle_contracts.ticket import Resolution
from fettle_ticket_service.adapters.tables import ENTRY
from fettle_ticket_service.adapters.ticket_rows import COLUMNS, actor_text, row_of
from fettle_ticket_service.domain.book import Book
from fettle_ticket_service.domain.chain import Chain, ChainKeys
from fettle_ticket_service.domain.events import CommentAdded, Event, Opened, Resolved
from fettle_ticket_service.domain.ticket import Ticket, evolve
from fettle_ticket_service.domain.values import Actor, Subject

ANN = Actor(ActorType.USER, "ann@acme.test", "Ann")

_FILL_TICKETS = """
    INSERT INTO ticket (id, org, number, version, state, source, kind, title, description, description_version,
        subject_type, subject_id, subject_name, integration, space, links, dedup_key, flap_count, opened_at, opened_by,
        resolved_at, resolved_by, resolution, updated_at, hash, seal)
    SELECT ('0198' || lpad(to_hex(n), 28, '0'))::uuid, $1, n, $3, CASE
            WHEN n % 100 < 2 THEN 'open' WHEN n % 100 = 2 THEN 'in_progress' ELSE 'resolved' END,
        CASE WHEN n % 5 = 0 THEN 'user' ELSE 'health_monitor' END,
        CASE WHEN n % 5 = 0 THEN 'user_report' WHEN n % 7 = 0 THEN 'integration_unreachable' ELSE 'device_offline' END,
        'Device offline: Thermostat ' || n % 50000, 'Since this morning, on every floor.', 1,
        'device', 't' || n % 50000, 'Thermostat ' || n % 50000, 'hue-' || n % 400, 'oslo/hq-' || n % 40 || '/' || n % 9,
        '[]', CASE WHEN n % 5 = 0 THEN NULL ELSE 'device/t' || n || ':device_offline' END, 0,
        now() - (n || ' seconds')::interval, '{"type": "health_monitor"}',
        CASE WHEN n % 100 > 2 THEN now() - (n - 10 || ' seconds')::interval END,
        CASE WHEN n % 100 > 2 THEN '{"type": "health_monitor"}'::jsonb END,
        CASE WHEN n % 100 > 2 THEN 'recovered' END, now() - (n - 10 || ' seconds')::interval,
        NULL, NULL
    FROM generate_series(1, $2::bigint) AS n
"""
_FILL_ENTRIES = """
    INSERT INTO entry (ticket_id, version, id, org, type, at, actor, body, evidence, hash, place, head)
    SELECT ticket.id, n, gen_random_uuid(), org, CASE n WHEN 1 THEN 'opened' ELSE 'comment-added' END,
        opened_at + (n || ' minutes')::interval, '{"type": "user", "id": "ann@acme.test"}',
        CASE WHEN n > 1 THEN 'Called the vendor, who will come tomorrow between nine and twelve.' END,
        CASE n WHEN 1 THEN '{"deadline": "2026-11-23T12:00:00Z"}'::jsonb END,
        NULL, (number - 1) * $2 + n, 'k1:' || repeat('x', 43)
    FROM ticket CROSS JOIN generate_series(1, $2::bigint) AS n WHERE org = $1
"""
_FILL_SEARCH = """
    INSERT INTO ticket_search
    SELECT id, org, lower(title || E'\\n' || subject_name || E'\\n' || subject_id), ticket_marks(ticket),
        number, opened_at
    FROM ticket WHERE org = $1
"""
_COUNT = """
    UPDATE org SET next_number = $2 + 1, place = $2 * $3, head = 'k1:' || repeat('x', 43),
        open = (SELECT count(*) FROM ticket WHERE org = $1 AND state = 'open'),
        in_progress = (SELECT count(*) FROM ticket WHERE org = $1 AND state = 'in_progress'),
        resolved = (SELECT count(*) FROM ticket WHERE org = $1 AND state = 'resolved')
    WHERE org = $1
"""


async def fill(dsn: str, org: str, tickets: int, entries_each: int) -> None:
    """`tickets` of one org, the newest ones with the lowest numbers, 3 of 100 unresolved, as if from before
    the chains: no hash, no seal."""
    connection = await asyncpg.connect(dsn)
    try:
        began = time.perf_counter()
        for statement, *values in (
            (_FILL_TICKETS, org, tickets, entries_each),
            (_FILL_ENTRIES, org, entries_each),
            (_FILL_SEARCH, org),
            (_COUNT, org, tickets, entries_each),
            ("VACUUM ANALYZE",),
        ):
            await connection.execute(statement, *values, timeout=3600)
            print(f"filling: {time.perf_counter() - began:.0f} s", flush=True)
    finally:
        await connection.close()


async def write_chained(dsn: str, org: str, tickets: int, entries_each: int, keys: ChainKeys) -> None:
    """Resolved tickets of one org, sealed and chained as the service would have written them, straight into the
    tables."""
    connection = await asyncpg.connect(dsn)
    book = Book(org, Chain(keys))
    names = [column.name for column in ENTRY.columns]
    try:
        for first in range(1, tickets + 1, 2000):
            made = [_lived(book, number, entries_each) for number in range(first, min(first + 2000, tickets + 1))]
            rows = [row_of(book, ticket) for ticket, _ in made]
            lines = [line for _, lines in made for line in lines]
            await connection.copy_records_to_table("ticket", records=rows, columns=COLUMNS)
            await connection.copy_records_to_table("entry", records=lines, columns=names)
            book.chain.hashes.clear()
        values = (org, tickets + 1, tickets, book.chain.place, book.chain.head)
        await connection.execute(_FILL_SEARCH, org, timeout=3600)
        await connection.execute(
            "UPDATE org SET next_number = $2, resolved = $3, place = $4, head = $5 WHERE org = $1", *values
        )
    finally:
        await connection.close()


def _lived(book: Book, number: int, entries: int) -> tuple[Ticket, list[tuple[Any, ...]]]:
    """A ticket that was opened, talked about and resolved, and the rows of its timeline."""
    ticket: Ticket | None = None
    lines = []
    for event in _story(number, entries):
        ticket = evolve(ticket, event)
        id = uuid5(ticket.id, str(ticket.version))
        link = book.chain.add(book.org, id, ticket, event)
        said = (event.type, event.at, actor_text(event.actor), event.body, None)
        lines.append((ticket.id, ticket.version, id, book.org, *said, link.hash, link.place, link.head))
    if ticket is None:
        raise ValueError("a ticket has at least one entry")
    return ticket, lines


def _story(number: int, entries: int) -> Iterator[Event]:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    subject = Subject(SubjectType.DEVICE, f"t{number}", f"Thermostat {number}")
    yield Opened(
        at=at,
        actor=ANN,
        id=UUID(str(uuid7())),
        number=number,
        title=f"Thermostat {number} is cold",
        description="Since this morning, on every floor.",
        kind="user_report",
        subject=subject,
        integration=None,
        space="oslo/hq",
        links=(),
        dedup_key=None,
        flap_count=0,
        parent=None,
        previous=None,
    )
    for _ in range(entries - 2):
        yield CommentAdded(at=at, actor=ANN, text="Called the vendor, who will come tomorrow between nine and twelve.")
    yield Resolved(at=at, actor=ANN, resolution=Resolution.BY_PERSON)
