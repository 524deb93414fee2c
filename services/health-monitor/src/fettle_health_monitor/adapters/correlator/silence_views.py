"""Silences as people see them."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

_STATE = """CASE WHEN until_at IS NULL OR ends_at <= :now THEN 'ended' WHEN from_at <= :now THEN 'active'
                 ELSE 'upcoming' END"""

_SHOWN = f"""
    SELECT silence.position, silence.id, selection, silence.subject, subject.name, subject.subject IS NOT NULL AS known,
           {_STATE} AS state, starts_at, length_s, rrule, zone, reason, made_by, made_at, removed_by, removed_at,
           ends_at, from_at, until_at, held.count AS held_count, held.latest AS held_latest
    FROM silence
    LEFT JOIN subject ON subject.org = silence.org AND subject.subject = silence.subject
    LEFT JOIN LATERAL (
        SELECT max(count) AS count, json_agg(json_build_object('at', at, 'condition', condition, 'cause', cause)
                                             ORDER BY at DESC) AS latest
        FROM (SELECT at, condition, cause, count(*) OVER () AS count FROM silence_held WHERE silence = silence.id
              ORDER BY at DESC LIMIT 5) AS few
    ) AS held ON true
    WHERE silence.org = :org
"""  # noqa: S608

_RUNNING = "AND until_at IS NOT NULL"


async def page(
    connection: AsyncConnection,
    org: str,
    *,
    now: int,
    limit: int,
    states: Collection[str] = (),
    subject: str | None = None,
    selection: UUID | None = None,
    before: int | None = None,
) -> Sequence[Row[Any]]:
    """Up to `limit` silences made before the one at position `before`, the newest first. No states are all states."""
    conditions, values = "", dict[str, Any](org=org, now=now, limit=limit)
    if states:
        conditions += f" AND {_STATE} = ANY(CAST(:states AS text[]))"
        values["states"] = list(states)
        if "ended" not in states:
            conditions += f" {_RUNNING}"
    if subject is not None:
        conditions += " AND silence.subject = :subject"
        values["subject"] = subject
    if selection is not None:
        conditions += " AND selection = :selection"
        values["selection"] = selection
    if before is not None:
        conditions += " AND silence.position < :before"
        values["before"] = before
    query = text(f"{_SHOWN} {conditions} ORDER BY silence.position DESC LIMIT :limit")
    return (await connection.execute(query, values)).all()


async def one(connection: AsyncConnection, org: str, id: UUID, *, now: int) -> Row[Any] | None:
    """One silence, or None."""
    query = text(f"{_SHOWN} AND silence.id = :id")
    return (await connection.execute(query, {"org": org, "id": id, "now": now})).one_or_none()


async def size(connection: AsyncConnection, org: str, selection: UUID) -> int:
    """How many silences a selection has made."""
    query = text("SELECT count(*) FROM silence WHERE org = :org AND selection = :selection")
    return int(await connection.scalar(query, {"org": org, "selection": selection}) or 0)
