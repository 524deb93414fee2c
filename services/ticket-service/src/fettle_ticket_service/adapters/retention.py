"""What has been resolved for longer than its org keeps it goes, with its timeline, a batch at a time."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import BigInteger, Boolean, Column, Integer, Text, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.copying import Row, copy_rows
from fettle_chassis.retention import KEYS_LEFT, forget_keys
from fettle_ticket_service import metrics
from fettle_ticket_service.adapters.orgs import readable
from fettle_ticket_service.adapters.tables import GAP, REMOVED, TICKET
from fettle_ticket_service.adapters.ticket_rows import ticket_of
from fettle_ticket_service.domain.chain import ChainKeys, is_sound
from fettle_ticket_service.domain.removals import Gap, Removal, gaps_after, sealed

log = structlog.get_logger(__name__)

_BESIDES = (
    *(Column("so_far", BigInteger), Column("latest_version", Integer), Column("latest_hash", Text)),
    Column("noted", Boolean),
)
_LOCK = text("SELECT policy FROM org WHERE org = :org AND NOT deleted FOR UPDATE")
_DUE = text("""
    SELECT counted.*, latest.version AS latest_version, latest.hash AS latest_hash,
           EXISTS (SELECT FROM removed_ticket AS gone WHERE gone.org = counted.org AND gone.number = counted.number)
           OR EXISTS (SELECT FROM removed_ticket AS gone WHERE gone.ticket_id = counted.id) AS noted
    FROM (
        SELECT *, sum(version::numeric + checklist_total) OVER (ORDER BY resolved_at, id) AS so_far FROM (
            SELECT * FROM ticket
            WHERE org = :org AND state = 'resolved' AND resolved_at <= :before AND id <> ALL(CAST(:unsound AS uuid[]))
            ORDER BY resolved_at, id LIMIT :at_most
        ) AS oldest
    ) AS counted LEFT JOIN LATERAL (
        SELECT version, hash FROM entry WHERE ticket_id = counted.id ORDER BY version DESC LIMIT 1
    ) AS latest ON true
    WHERE so_far <= :rows OR so_far = counted.version::numeric + checklist_total
""").columns(*TICKET.columns, *_BESIDES)
"""With every column that the seal covers, and the newest entry: a row that was put back is behind it, and where hash
and seal were taken away, its hash is left. And whether a note says that the ticket is gone."""
_TAKE_ENTRIES = text("""
    DELETE FROM entry WHERE ticket_id = ANY(CAST(:tickets AS uuid[])) RETURNING ticket_id, place, head
""")
_TAKE_SEARCH = text("DELETE FROM ticket_search WHERE ticket_id = ANY(CAST(:tickets AS uuid[]))")
_TAKE_ANSWERS = text("""
    UPDATE command SET answer = NULL WHERE ticket_id = ANY(CAST(:tickets AS uuid[])) AND answer IS NOT NULL
""")
"""What a ticket said is not told again to whoever repeats a request; that it was answered stays."""
_TAKE_TICKETS = text("DELETE FROM ticket WHERE id = ANY(CAST(:tickets AS uuid[]))")
_TAKE_GAPS = text("""
    DELETE FROM chain_gap WHERE org = :org AND first IN (
        SELECT before.first FROM unnest(CAST(:places AS bigint[])) AS taken (place)
        CROSS JOIN LATERAL (
            SELECT first, last FROM chain_gap WHERE org = :org AND first < taken.place ORDER BY first DESC LIMIT 1
        ) AS before WHERE before.last = taken.place - 1
        UNION ALL
        SELECT behind.first FROM unnest(CAST(:places AS bigint[])) AS taken (place)
        JOIN chain_gap AS behind ON behind.org = :org AND behind.first = taken.place + 1
    ) RETURNING first, last, head, seal
""")
"""The gaps that touch one of the places."""
_OF_DELETED = text(f"""
    SELECT org FROM org WHERE deleted AND (
        EXISTS (SELECT FROM ticket WHERE ticket.org = org.org)
        OR EXISTS (SELECT FROM removed_ticket WHERE removed_ticket.org = org.org)
        OR EXISTS (SELECT FROM chain_gap WHERE chain_gap.org = org.org)
        OR EXISTS (SELECT FROM before_chains WHERE before_chains.org = org.org)
        OR EXISTS (SELECT FROM command WHERE command.org = org.org)
        OR {KEYS_LEFT}
        OR name <> '' OR policy <> '{{}}'
    ) ORDER BY org
""")  # noqa: S608 - a constant
_SOME_TICKETS = text("""
    SELECT id FROM (
        SELECT *, sum(version::numeric + checklist_total) OVER (ORDER BY number) AS so_far FROM (
            SELECT id, number, version, checklist_total FROM ticket
            WHERE org = :org ORDER BY number LIMIT :at_most FOR UPDATE SKIP LOCKED
        ) AS first
    ) AS counted WHERE so_far <= :rows OR so_far = version::numeric + checklist_total
""")
_SOME_NOTES = tuple(
    text(f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE org = :org LIMIT :rows))")  # noqa: S608
    for table in ("chain_gap", "before_chains", "removed_ticket", "command")
)
_BLANK = text("""
    UPDATE org SET name = '', policy = '{}'
    WHERE org = :org AND deleted AND NOT EXISTS (SELECT FROM ticket WHERE ticket.org = :org)
""")
ROWS = 5_000
"""Entries and members of checklists in a batch, a tenth of a second's work; a larger ticket goes alone."""

_GAP_COLUMNS = tuple(column.name for column in GAP.columns)
_REMOVED_COLUMNS = tuple(column.name for column in REMOVED.columns)
_COUNT = text("UPDATE org SET resolved = resolved - :removed WHERE org = :org")


class Batch(Struct, frozen=True):
    """How many tickets a batch has removed, which it left because their seals do not fit, and whether more is due."""

    removed: int
    unsound: tuple[UUID, ...] = ()
    more: bool = False


async def remove_due(
    connection: AsyncConnection, org: str, keys: ChainKeys, now: datetime, at_most: int, but: Collection[UUID]
) -> Batch:
    """Removes up to `at_most` tickets with up to `ROWS` rows, or one that has more, those first that were resolved
    first, under the org's lock, and passes over those that it is told to. What somebody without the key has changed is
    left: its state and times may be theirs. So is all of an org whose policy cannot be read."""
    row = (await connection.execute(_LOCK, {"org": org})).one_or_none()
    policy = None if row is None else readable(org, row.policy)
    if policy is None:
        return Batch(0)
    days = policy.retention_days
    wanted = {"org": org, "before": now - timedelta(days=days), "at_most": at_most, "rows": ROWS, "unsound": list(but)}
    due = (await connection.execute(_DUE, wanted)).all()
    unsound = {row.id: row for row in due if not _is_sound(row, org, keys)}
    removals = [_removal(row, now, days) for row in due if row.id not in unsound]
    if removals:
        await _remove(connection, org, keys, removals)
    for row in unsound.values():
        metrics.UNSOUND.inc()
        log.warning("ticket.unsound", org=org, number=row.number)
    return Batch(len(removals), tuple(unsound), more=bool(due))


async def deleted_orgs(connection: AsyncConnection) -> list[str]:
    """Orgs that were deleted and of which something is left."""
    return list(await connection.scalars(_OF_DELETED))


async def empty(connection: AsyncConnection, org: str, at_most: int) -> Batch:
    """Removes up to `at_most` tickets of an org that was deleted, as few as in `remove_due`, and notes nothing of them;
    when none is left, up to `ROWS` rows of each table that kept something else of the org, and at last its name and
    policy: what stays is that it was there."""
    found = list(await connection.scalars(_SOME_TICKETS, {"org": org, "at_most": at_most, "rows": ROWS}))
    if found:
        tickets = {"tickets": found}
        for statement in (_TAKE_ENTRIES, _TAKE_SEARCH, _TAKE_TICKETS):
            await connection.execute(statement, tickets)
        return Batch(len(found), more=True)
    notes = await forget_keys(connection, org, ROWS)
    for statement in _SOME_NOTES:
        notes += (await connection.execute(statement, {"org": org, "rows": ROWS})).rowcount
    if not notes:
        await connection.execute(_BLANK, {"org": org})
    return Batch(0, more=notes > 0)


async def _remove(connection: AsyncConnection, org: str, keys: ChainKeys, removals: Sequence[Removal]) -> None:
    tickets = {"tickets": [removal.ticket for removal in removals]}
    taken = (await connection.execute(_TAKE_ENTRIES, tickets)).all()
    places = Counter(row.ticket_id for row in taken if row.place is not None)
    noted = [replace(removal, places=places[removal.ticket]) for removal in removals]
    await copy_rows(connection, REMOVED.name, _REMOVED_COLUMNS, [_row(org, sealed(note, org, keys)) for note in noted])
    await _widen_gaps(connection, org, keys, {row.place: row.head for row in taken if row.place is not None})
    for statement in (_TAKE_SEARCH, _TAKE_ANSWERS, _TAKE_TICKETS):
        await connection.execute(statement, tickets)
    await connection.execute(_COUNT, {"org": org, "removed": len(removals)})


async def _widen_gaps(connection: AsyncConnection, org: str, keys: ChainKeys, heads: Mapping[int, str]) -> None:
    if not heads:
        return
    rows = await connection.execute(_TAKE_GAPS, {"org": org, "places": list(heads)})
    touching = [Gap(first=row.first, last=row.last, head=row.head, seal=row.seal) for row in rows]
    joined = (sealed(gap, org, keys) for gap in gaps_after(touching, heads))
    rows_now = [(org, gap.first, gap.last, gap.head, gap.seal) for gap in joined]
    await copy_rows(connection, GAP.name, _GAP_COLUMNS, rows_now)


def _is_sound(row: Any, org: str, keys: ChainKeys) -> bool:
    newest = (row.latest_version, row.latest_hash) == (row.version, row.hash)
    return newest and not row.noted and is_sound(keys, org, ticket_of(row), row.hash, row.seal)


def _removal(row: Any, now: datetime, days: int) -> Removal:
    return Removal(
        number=row.number,
        ticket=row.id,
        version=row.version,
        hash=row.hash,
        places=0,
        resolved_at=row.resolved_at,
        removed_at=now,
        retention_days=days,
    )


def _row(org: str, note: Removal) -> Row:
    last = (note.version, note.hash, note.places)
    return org, note.number, note.ticket, *last, note.resolved_at, note.removed_at, note.retention_days, note.seal
