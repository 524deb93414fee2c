"""What the same commands cost when nothing decides: their rows, known beforehand, in batched SQL written by hand.

One connection, asyncpg, a transaction per 200 commands, each table by one statement over `unnest`, into tables like the
service's: the same columns, rows and indexes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Table
from uuid_utils.compat import uuid7

from bench.tickets.traffic import Sent
from bench.unnest import arrays, insert, update
from fettle_chassis.consume import Record
from fettle_chassis.outbox import headers_to_text
from fettle_chassis.signing import Verifier
from fettle_contracts.results import Outcome
from fettle_contracts.ticket import TicketState
from fettle_ticket_service.adapters.announcements import Announcer
from fettle_ticket_service.adapters.books import search_row
from fettle_ticket_service.adapters.tables import COMMAND, ENTRY, SEARCH, TICKET
from fettle_ticket_service.adapters.ticket_rows import COLUMNS, actor_text, row_of
from fettle_ticket_service.adapters.wire import Wire
from fettle_ticket_service.app import now
from fettle_ticket_service.asked import Answer, Asked, MetTicket
from fettle_ticket_service.domain.book import Book, Done
from fettle_ticket_service.domain.chain import Chain, ChainKeys
from fettle_ticket_service.domain.decisions import Applied
from fettle_ticket_service.entrypoints.kafka_commands import CommandDecoder

BATCH = 200
ENTRY_COLUMNS = tuple(column.name for column in ENTRY.columns)
SEARCH_COLUMNS = tuple(column.name for column in SEARCH.columns)
COMMAND_COLUMNS = tuple(column.name for column in COMMAND.columns)
OUTBOX_COLUMNS = {"topics": "text", "key": "bytea", "headers": "text", "value": "bytea"}
CHANGING = (
    *("id", "version", "state", "description", "description_version", "links", "flap_count", "started_at"),
    *("started_by", "resolved_at", "resolved_by", "resolution", "updated_at", "hash", "seal"),
)
COUNTERS = {"org": "text", "next_number": "bigint", "open": "bigint", "in_progress": "bigint", "resolved": "bigint"}
COUNTERS |= {"place": "bigint", "head": "text"}
KEYS = ChainKeys({"bench": bytes(32)})

TABLES = ("ticket", "ticket_order", "ticket_search", "entry", "command", "outbox", "org")
SCHEMA = "".join(
    f"DROP TABLE IF EXISTS by_hand_{table}; CREATE TABLE by_hand_{table} (LIKE {table} INCLUDING ALL);"
    for table in TABLES
)
SCHEMA += "ALTER TABLE by_hand_ticket SET (fillfactor = 85);"
ORGS_AT_FIRST = """
    INSERT INTO by_hand_org SELECT * FROM org;
    UPDATE by_hand_org SET next_number = 1, open = 0, in_progress = 0, resolved = 0, place = 0, head = '';
"""

Row = tuple[Any, ...]


@dataclass
class Rows:
    """What one batch writes."""

    new: dict[UUID, Row] = field(default_factory=dict)
    changed: dict[UUID, Row] = field(default_factory=dict)
    words: list[Row] = field(default_factory=list)
    entries: list[Row] = field(default_factory=list)
    commands: list[Row] = field(default_factory=list)
    outbox: list[Row] = field(default_factory=list)
    counters: dict[str, Row] = field(default_factory=dict)


async def commands_per_second(dsn: str, batches: Sequence[Rows]) -> float:
    """How many commands' rows are committed in a second."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(SCHEMA + ORGS_AT_FIRST)
        began = time.perf_counter()
        for rows in batches:
            await _write(connection, rows)
        return sum(len(rows.commands) for rows in batches) / (time.perf_counter() - began)
    finally:
        await connection.close()


async def _write(connection: asyncpg.Connection[Any], rows: Rows) -> None:
    async with connection.transaction():
        await connection.execute(
            "SELECT 1 FROM by_hand_org WHERE org = ANY($1) ORDER BY org FOR UPDATE", list(rows.counters)
        )
        if rows.changed:
            await connection.execute(UPDATE_TICKETS, *arrays(rows.changed.values()))
        if rows.new:
            await connection.execute(INSERT_TICKETS, *arrays(rows.new.values()))
            await connection.execute(INSERT_WORDS, *arrays(rows.words))
        await connection.execute(INSERT_ENTRIES, *arrays(rows.entries))
        await connection.execute(INSERT_COMMANDS, *arrays(rows.commands))
        await connection.execute(UPDATE_COUNTERS, *arrays(rows.counters.values()))
        await connection.execute(INSERT_OUTBOX, *arrays(rows.outbox))


def _types(table: Table, names: Sequence[str]) -> dict[str, str]:
    known = {"UUID": "uuid", "TEXT": "text", "BIGINT": "bigint", "INTEGER": "integer", "JSONB": "jsonb"}
    known |= {"BLOB": "bytea", "DATETIME": "timestamptz"}
    return {name: known[str(table.c[name].type).replace("CHAR(32)", "UUID")] for name in names}


IN_ORDER = """
    WITH written AS ({} RETURNING by_hand_ticket.*)
    INSERT INTO by_hand_ticket_order SELECT id, org, state, updated_at, number FROM written
    ON CONFLICT (ticket_id) DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at
"""
INSERT_TICKETS = IN_ORDER.format(insert("by_hand_ticket", _types(TICKET, COLUMNS)))
UPDATE_TICKETS = IN_ORDER.format(update("by_hand_ticket", _types(TICKET, CHANGING)))
INSERT_WORDS = insert("by_hand_ticket_search", _types(SEARCH, SEARCH_COLUMNS))
INSERT_ENTRIES = insert("by_hand_entry", _types(ENTRY, ENTRY_COLUMNS))
INSERT_COMMANDS = insert("by_hand_command", _types(COMMAND, COMMAND_COLUMNS))
INSERT_OUTBOX = insert("by_hand_outbox", OUTBOX_COLUMNS)
UPDATE_COUNTERS = update("by_hand_org", COUNTERS)


# Knowing the rows beforehand


def rows_of(commands: Sequence[Sent]) -> Iterator[Rows]:
    """Everything that the service would write for the commands, batch by batch, decided in memory."""
    decode, announcer = CommandDecoder(Verifier([]), now), Announcer(Wire("http://127.0.0.1:8080"))
    books: dict[str, Book] = {}
    for start in range(0, len(commands), BATCH):
        rows, moment = Rows(), now()
        for sent in commands[start : start + BATCH]:
            record = Record("ticket.commands", 0, 0, 0, sent.org.encode(), sent.value, tuple(sent.headers))
            asked = decode(record)
            book = books.setdefault(sent.org, Book(sent.org, Chain(KEYS)))
            done = book.carry_out(asked.command, asked.ticket, id=uuid7(), now=moment)
            _add(rows, book, asked, done, announcer, moment)
        yield rows


def _add(rows: Rows, book: Book, asked: Asked, done: Done, announcer: Announcer, moment: datetime) -> None:
    ticket = done.ticket
    assert isinstance(done.decision, Applied), done.decision
    assert ticket is not None
    full = row_of(book, ticket)
    if ticket.id in rows.new or ticket.version == len(done.entries):
        rows.new[ticket.id] = full
        if done.entries[0].ticket.version == 1:
            rows.words.append(search_row(book, ticket))
    else:
        rows.changed[ticket.id] = tuple(full[COLUMNS.index(name)] for name in CHANGING)
    for entry in done.entries:
        event, version = entry.event, entry.ticket.version
        actor = actor_text(event.actor)
        said, link = (event.type, event.at, actor, event.body, None), entry.link
        rows.entries.append((ticket.id, version, entry.id, book.org, *said, link.hash, link.place, link.head))
    met = MetTicket(ticket.id, ticket.number, ticket.state, ticket.version)
    answer = Answer(asked.command.verb, Outcome.APPLIED, "asked", None, met, asked.fingerprint)
    kept = (answer.fingerprint, answer.verb, answer.outcome, answer.reason, None)
    rows.commands.append((*asked.identity, *kept, met.id, met.number, met.state, met.version, None, moment))
    for message in announcer.messages(asked, answer, done.entries, moment):
        topics, headers = ",".join(message.topics), headers_to_text(message.headers)
        rows.outbox.append((topics, message.key, headers, message.value))
    counts = (book.counts[state] for state in TicketState)
    rows.counters[book.org] = (book.org, book.next_number, *counts, book.chain.place, book.chain.head)
