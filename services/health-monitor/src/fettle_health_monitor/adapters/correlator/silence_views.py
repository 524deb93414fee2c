"""Silences as people see them."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

_STATE = """CASE WHEN until_at IS NULL OR ends_at <= :now THEN 'ended' WHEN from_at <= :now THEN 'active'
                 ELSE 'upcoming' END"""

_SHOWN = f"""
    SELECT {{subjects}} AS subjects, {{place}} AS place, silence.id, selection, silence.subject,
           subject.name, subject.subject IS NOT NULL AS known, {_STATE} AS state, starts_at, length_s, rrule, zone,
           reason, made_by, made_at, removed_by, removed_at, ends_at, from_at, until_at,
           held.count AS held_count, held.latest AS held_latest
    FROM {{silences}}
    LEFT JOIN subject ON subject.org = silence.org AND subject.subject = silence.subject
    LEFT JOIN LATERAL (
        SELECT max(count) AS count, json_agg(json_build_object('at', at, 'condition', condition, 'cause', cause)
                                             ORDER BY at DESC) AS latest
        FROM (SELECT at, condition, cause, count(*) OVER () AS count FROM silence_held WHERE silence {{held_by}}
              ORDER BY at DESC LIMIT 5) AS few
    ) AS held ON true
"""  # noqa: S608

_ALONE = _SHOWN.format(
    subjects=1,
    place="silence.position",
    silences="silence",
    held_by="= silence.id",
)
_RUNNING = "AND until_at IS NOT NULL"

# A selection is made in one statement: its silences lie side by side, and it stands where the last of them does.
_PARTS = """
    SELECT coalesce(selection, id) AS part, min(position) AS first, max(position) AS last, count(*) AS subjects
    FROM silence WHERE org = :org {conditions} GROUP BY 1 {before} ORDER BY last DESC LIMIT :limit
"""
_TOGETHER = _SHOWN.format(
    subjects="part.subjects",
    place="part.last",
    silences="({parts}) AS part JOIN silence ON silence.position = part.first",
    held_by="IN (SELECT id FROM silence AS member WHERE member.id = part.part OR member.selection = part.part)",
)


async def page(
    connection: AsyncConnection,
    org: str,
    *,
    now: int,
    limit: int,
    states: Collection[str] = (),
    subject: str | None = None,
    selection: UUID | None = None,
    together: bool = False,
    before: int | None = None,
) -> Sequence[Row[Any]]:
    """Up to `limit` silences made before the one at the `place` `before`, the newest first. No states are all states.
    `together`: those of one selection are one row, its first, with the sum of what they have held back."""
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
        values["before"] = before
    if together:
        having = "" if before is None else "HAVING max(position) < :before"
        parts = _PARTS.format(conditions=conditions, before=having)
        query = f"{_TOGETHER.format(parts=parts)} ORDER BY part.last DESC"
    else:
        further = "" if before is None else "AND silence.position < :before"
        query = f"{_ALONE} WHERE silence.org = :org {conditions} {further} ORDER BY silence.position DESC LIMIT :limit"
    return (await connection.execute(text(query), values)).all()


async def one(connection: AsyncConnection, org: str, id: UUID, *, now: int) -> Row[Any] | None:
    """One silence, or None."""
    query = text(f"{_ALONE} WHERE silence.org = :org AND silence.id = :id")
    return (await connection.execute(query, {"org": org, "id": id, "now": now})).one_or_none()


async def size(connection: AsyncConnection, org: str, selection: UUID) -> int:
    """How many silences a selection has made."""
    query = text("SELECT count(*) FROM silence WHERE org = :org AND selection = :selection")
    return int(await connection.scalar(query, {"org": org, "selection": selection}) or 0)
