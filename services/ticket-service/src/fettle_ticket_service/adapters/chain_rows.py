"""An org's chain as it stands in the database, row by row, all of one moment."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any
from uuid import UUID

from msgspec import DecodeError
from msgspec.json import decode
from sqlalchemy import bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.database import Database
from fettle_contracts.ticket import TicketState
from fettle_ticket_service.adapters.checklists import member_of
from fettle_ticket_service.adapters.stored import UNREADABLE, actor_of, evidence_of
from fettle_ticket_service.adapters.tables import MEMBER, ORG
from fettle_ticket_service.adapters.ticket_rows import ticket_of
from fettle_ticket_service.adapters.wire import Line
from fettle_ticket_service.domain.chain import NOTHING, ChainKeys
from fettle_ticket_service.domain.removals import Gap, Older, Removal, sealed
from fettle_ticket_service.domain.values import Actor
from fettle_ticket_service.domain.verifying import Listed, OrgEnd, Seen, Standing

_AT_ONCE = 500

_END = text("SELECT * FROM org WHERE org = :org AND NOT deleted").columns(*ORG.columns)
_OLDER_NOTE = text("SELECT entries, seal FROM before_chains WHERE org = :org")
_UNSEALED = text("SELECT org, entries FROM before_chains WHERE seal IS NULL ORDER BY org FOR UPDATE")
_SEAL = text("UPDATE before_chains SET seal = :seal WHERE org = :org")
_GAPS = text("SELECT first, last, head, seal FROM chain_gap WHERE org = :org ORDER BY first")
_REMOVALS = text("SELECT * FROM removed_ticket WHERE org = :org ORDER BY number")
_TICKETS = text("""
    SELECT *, EXISTS (SELECT FROM checklist_member WHERE ticket_id = ticket.id) AS has_members
    FROM ticket WHERE org = :org ORDER BY number
""")
_MEMBERS = select(MEMBER).where(MEMBER.c.ticket_id == bindparam("ticket")).order_by(MEMBER.c.place)
_PLACED = """
    SELECT ticket_id, version, id, type, at, actor::text, body, evidence::text, hash, place, head
    FROM entry WHERE org = $1 AND place IS NOT NULL ORDER BY place
"""
_OLDER = """
    SELECT ticket_id, version, id, type, at, actor::text, body, evidence::text, hash, place, head
    FROM entry WHERE org = $1 AND place IS NULL ORDER BY ticket_id, version
"""


@asynccontextmanager
async def moment(database: Database) -> AsyncIterator[AsyncConnection]:
    """A connection outside the pool that sees everything as it stands now, for as long as its reader goes on within a
    minute."""
    async with database.apart() as plain:
        connection = await plain.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        await connection.execute(text("SET LOCAL statement_timeout = 0"))
        await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '60s'"))
        yield connection


async def org_end(connection: AsyncConnection, org: str) -> OrgEnd | None:
    """None: there is no such org."""
    row = (await connection.execute(_END, {"org": org})).one_or_none()
    if row is None:
        return None
    note = (await connection.execute(_OLDER_NOTE, {"org": org})).one_or_none()
    counts = Counter({state: getattr(row, state) for state in TicketState})
    older = None if note is None else Older(entries=note.entries, seal=note.seal or NOTHING)
    return OrgEnd(row.next_number, counts, row.place, row.head, older)


async def seal_older(connection: AsyncConnection, keys: ChainKeys) -> list[str]:
    """Seals how many entries are older than the chains where that was not sealed yet; returns the orgs."""
    rows = (await connection.execute(_UNSEALED)).all()
    for row in rows:
        note = sealed(Older(entries=row.entries), row.org, keys)
        await connection.execute(_SEAL, {"org": row.org, "seal": note.seal})
    return [row.org for row in rows]


async def gaps(connection: AsyncConnection, org: str) -> AsyncIterator[Gap]:
    async for row in await connection.stream(_GAPS, {"org": org}):
        yield Gap(first=row.first, last=row.last, head=row.head, seal=row.seal)


async def entries(connection: AsyncConnection, org: str) -> AsyncIterator[Seen]:
    """All entries of the org by place, then those without one."""
    raw: Any = (await connection.get_raw_connection()).driver_connection
    for query in (_PLACED, _OLDER):
        async for row in raw.cursor(query, org, prefetch=_AT_ONCE):
            yield _seen(row)


async def removals(connection: AsyncConnection, org: str) -> AsyncIterator[Removal]:
    """By number."""
    async for row in await connection.stream(_REMOVALS, {"org": org}):
        yield Removal(
            number=row.number,
            ticket=row.ticket_id,
            version=row.version,
            hash=row.hash,
            places=row.places,
            resolved_at=row.resolved_at,
            removed_at=row.removed_at,
            retention_days=row.retention_days,
            seal=row.seal,
        )


async def standings(connection: AsyncConnection, org: str) -> AsyncIterator[Standing]:
    """The org's tickets by number."""
    async for row in await connection.stream(_TICKETS, {"org": org}):
        yield Standing(ticket_of(row), row.hash, row.seal, row.has_members)


async def members(connection: AsyncConnection, ticket: UUID) -> AsyncIterator[Listed]:
    """All members of a ticket's checklist by place."""
    async for row in await connection.stream(_MEMBERS, {"ticket": ticket}):
        yield Listed(ticket, member_of(row), row.seal)


def _seen(row: Any) -> Seen:
    ticket, version, id, type, at, actor, body, evidence, hash, place, head = row
    said = Line(id, type, version, at, _actor(actor), body, _evidence(evidence), hash)
    return Seen(ticket, version, id, said, hash, place, head)


def _evidence(stored: str | None) -> Mapping[str, Any] | None:
    try:
        return None if stored is None else evidence_of(decode(stored))
    except DecodeError:  # a number that nobody can hold
        return {UNREADABLE: stored}


@lru_cache(maxsize=4096)
def _actor(stored: str) -> Actor:
    return actor_of(decode(stored))
