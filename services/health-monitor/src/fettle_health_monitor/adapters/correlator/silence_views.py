"""Silences as people see them."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_health_monitor.adapters.correlator.silences import scheduled
from fettle_health_monitor.domain.correlator.recurrence import Unworkable
from fettle_health_monitor.domain.correlator.silences import Occurrence, on_or_next

_STATE = """CASE WHEN until_at IS NULL OR ends_at <= :now THEN 'ended'
                 WHEN coalesce(stands.from_at, silence.from_at) <= :now THEN 'active' ELSE 'upcoming' END"""

# An end is dealt with by the log, and waits while it is open whether its subject fails again, or its org is switched
# off; by its schedule the silence goes on meanwhile.
_ENDED = "until_at <= :now AND ends_at > :now"

_SCHEDULES_ENDED = f"""
    SELECT DISTINCT starts_at, length_s, rrule, zone, ends_at, removed_at FROM silence WHERE org = :org AND {_ENDED}
"""  # noqa: S608

_STANDS = f"""
    LEFT JOIN unnest(
        CAST(:starts_at AS bigint[]), CAST(:lengths_s AS integer[]), CAST(:rrules AS text[]), CAST(:zones AS text[]),
        CAST(:ends_at AS bigint[]), CAST(:from_at AS bigint[]), CAST(:until_at AS bigint[]))
        AS stands (first_at, lasting_s, rule, clock, last_at, from_at, to_at)
        ON {_ENDED} AND first_at = starts_at AND lasting_s = length_s AND rule = rrule AND clock = zone
           AND last_at = ends_at
"""

_SHOWN = f"""
    SELECT {{subjects}} AS subjects, {{place}} AS place, silence.id, selection, silence.subject,
           subject.name, subject.subject IS NOT NULL AS known, {_STATE} AS state, starts_at, length_s, rrule, zone,
           reason, made_by, made_at, removed_by, removed_at, ends_at,
           coalesce(stands.from_at, silence.from_at) AS from_at, coalesce(to_at, until_at) AS until_at,
           held.count AS held_count, held.latest AS held_latest
    FROM {{silences}} {_STANDS}
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
_PARTS = f"""
    SELECT coalesce(selection, id) AS part, min(position) AS first, max(position) AS last, count(*) AS subjects
    FROM silence {_STANDS}
    WHERE org = :org {{conditions}} GROUP BY 1 {{before}} ORDER BY last DESC LIMIT :limit
"""  # noqa: S608
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
    conditions, values = "", await _standing(connection, org, now, subject=subject)
    values["limit"] = limit
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
    values = await _standing(connection, org, now, id=id)
    return (await connection.execute(query, {**values, "id": id})).one_or_none()


async def size(connection: AsyncConnection, org: str, selection: UUID) -> int:
    """How many silences a selection has made."""
    query = text("SELECT count(*) FROM silence WHERE org = :org AND selection = :selection")
    return int(await connection.scalar(query, {"org": org, "selection": selection}) or 0)


async def _standing(connection: AsyncConnection, org: str, now: int, **about: Any) -> dict[str, Any]:
    """The parameters of `_STANDS`: where those of the silences `about` something stand by their schedules whose
    occurrence has ended by `now`. One whose rule cannot be read any more is left as it was."""
    about = {column: value for column, value in about.items() if value is not None}
    query = text(" AND ".join([_SCHEDULES_ENDED, *(f"{column} = :{column}" for column in about)]))
    rows = (await connection.execute(query, {"org": org, "now": now, **about})).all()
    found = await asyncio.to_thread(lambda: [(row, one) for row in rows if (one := _on_or_next(row, now)) is not None])
    return {
        "org": org,
        "now": now,
        "starts_at": [row.starts_at for row, _ in found],
        "lengths_s": [row.length_s for row, _ in found],
        "rrules": [row.rrule for row, _ in found],
        "zones": [row.zone for row, _ in found],
        "ends_at": [row.ends_at for row, _ in found],
        "from_at": [one.start for _, one in found],
        "until_at": [one.end for _, one in found],
    }


def _on_or_next(row: Row[Any], now: int) -> Occurrence | None:
    with suppress(Unworkable):
        return on_or_next(scheduled(row), now)
    return None
