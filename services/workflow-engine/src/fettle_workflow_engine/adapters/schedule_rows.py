"""When schedules are due, in Postgres: a row per schedule trigger of each enabled workflow."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis import bugs
from fettle_workflow_engine.adapters import due_rows
from fettle_workflow_engine.domain.definition import Definition
from fettle_workflow_engine.domain.rhythms import Cron, Every, next_after
from fettle_workflow_engine.domain.schedules import Missed, Schedule

_PUT = text("""
    INSERT INTO schedule AS known (org, workflow, trigger, every_s, cron, zone, missed, next_at)
    SELECT :org, workflow, trigger, every_s, cron, zone, missed, next_at
    FROM unnest(CAST(:workflow AS text[]), CAST(:trigger AS text[]), CAST(:every_s AS integer[]),
                CAST(:cron AS text[]), CAST(:zone AS text[]), CAST(:missed AS text[]),
                CAST(:next_at AS timestamptz[]))
         AS new (workflow, trigger, every_s, cron, zone, missed, next_at)
    ORDER BY workflow, trigger
    ON CONFLICT (org, workflow, trigger) DO UPDATE SET
        every_s = excluded.every_s, cron = excluded.cron, zone = excluded.zone, missed = excluded.missed,
        next_at = CASE
            WHEN (known.every_s, known.cron, known.zone)
                 IS NOT DISTINCT FROM (excluded.every_s, excluded.cron, excluded.zone)
            THEN known.next_at ELSE excluded.next_at
        END
""")

_DUE = text("""
    SELECT org, workflow, trigger, every_s, cron, zone, missed, next_at FROM schedule
    WHERE next_at <= :now ORDER BY next_at LIMIT :limit FOR UPDATE SKIP LOCKED
""")

_DUE_NAMES = text("""
    SELECT org, workflow, trigger FROM schedule WHERE next_at <= :now ORDER BY next_at LIMIT :limit
""")

_SOME = text("""
    SELECT org, workflow, trigger, every_s, cron, zone, missed, next_at FROM schedule
    WHERE next_at <= :now AND (org, workflow, trigger) IN (
        SELECT * FROM unnest(CAST(:org AS text[]), CAST(:workflow AS text[]), CAST(:trigger AS text[])))
    ORDER BY next_at FOR UPDATE SKIP LOCKED
""")

_OF_ORG = text("""
    SELECT org, workflow, trigger, every_s, cron, zone, missed, next_at FROM schedule
    WHERE org = :org ORDER BY workflow, trigger FOR UPDATE
""")

_MOVE = text("""
    UPDATE schedule SET next_at = new.next_at
    FROM unnest(CAST(:org AS text[]), CAST(:workflow AS text[]), CAST(:trigger AS text[]),
                CAST(:next_at AS timestamptz[])) AS new (org, workflow, trigger, next_at)
    WHERE schedule.org = new.org AND schedule.workflow = new.workflow AND schedule.trigger = new.trigger
""")


Place = tuple[datetime, str, str]
"""Where a schedule stands in the order of what is due: its moment, and then its org and workflow."""

Name = tuple[str, str, str]
"""A schedule's org, workflow and trigger."""


@dataclass(frozen=True, slots=True)
class Due:
    """A schedule whose moment has come."""

    org: str
    workflow: str
    trigger: str
    schedule: Schedule
    at: datetime


async def arrange(connection: AsyncConnection, org: str, definitions: Sequence[Definition], now: datetime) -> None:
    """Makes the org's rows of these workflows those that they ask for. A trigger whose rhythm is as before keeps its
    next moment, any other is due next after `now`."""
    wanted = [
        (definition.workflow, trigger.name, trigger.schedule)
        for definition in definitions
        for trigger in definition.triggers
        if trigger.schedule
    ]
    values = {
        "org": org,
        "workflow": [workflow for workflow, _, _ in wanted],
        "trigger": [trigger for _, trigger, _ in wanted],
    }
    await connection.execute(
        text("""
            DELETE FROM schedule WHERE org = :org AND workflow = ANY (CAST(:names AS text[]))
            AND (workflow, trigger) NOT IN (
                SELECT workflow, trigger FROM unnest(CAST(:workflow AS text[]), CAST(:trigger AS text[]))
                AS wanted (workflow, trigger))
        """),
        {**values, "names": [definition.workflow for definition in definitions]},
    )
    if wanted:
        rhythms = [schedule.rhythm for _, _, schedule in wanted]
        next_at = [next_after(rhythm, now) for rhythm in rhythms]
        columns = {
            "every_s": [rhythm.seconds if isinstance(rhythm, Every) else None for rhythm in rhythms],
            "cron": [rhythm.expression if isinstance(rhythm, Cron) else None for rhythm in rhythms],
            "zone": [rhythm.zone for rhythm in rhythms],
            "missed": [schedule.missed for _, _, schedule in wanted],
            "next_at": next_at,
        }
        await connection.execute(_PUT, {**values, **columns})
        await due_rows.announce(connection, next_at, now)


async def put_off(connection: AsyncConnection, org: str, now: datetime) -> None:
    """All of the org's schedules are due next after `now`, by what their rows say. One whose next moment cannot be told
    is left to whoever fires it."""
    moved = []
    for due in _due(await connection.execute(_OF_ORG, {"org": org})):
        next_at = bugs.or_bug(partial(next_after, due.schedule.rhythm, now))
        if isinstance(next_at, datetime):
            moved.append((due, next_at))
    await move_on(connection, moved)
    await due_rows.announce(connection, [next_at for _, next_at in moved], now)


async def drop(connection: AsyncConnection, org: str, workflow: str | None = None) -> None:
    """The rows of one workflow, or of all of the org's, go."""
    await connection.execute(
        text("DELETE FROM schedule WHERE org = :org AND (CAST(:workflow AS text) IS NULL OR workflow = :workflow)"),
        {"org": org, "workflow": workflow},
    )


async def between(connection: AsyncConnection, after: Place, until: datetime, limit: int) -> list[Place]:
    """Places of schedules behind `after` that are due until a moment, in order."""
    rows = await connection.execute(
        text("""
            SELECT next_at, org, workflow FROM schedule
            WHERE (next_at, org, workflow) > (:next_at, :org, :workflow) AND next_at <= :until
            ORDER BY next_at, org, workflow LIMIT :limit
        """),
        {"next_at": after[0], "org": after[1], "workflow": after[2], "until": until, "limit": limit},
    )
    return [(row.next_at, row.org, row.workflow) for row in rows]


async def take_due(connection: AsyncConnection, now: datetime, limit: int) -> list[Due]:
    """Schedules that are due, the oldest moments first, locked; those that another process has in hand are passed
    over."""
    return _due(await connection.execute(_DUE, {"now": now, "limit": limit}))


async def due_names(connection: AsyncConnection, now: datetime, limit: int) -> list[Name]:
    """Of the schedules that are due, whoever has them in hand."""
    rows = await connection.execute(_DUE_NAMES, {"now": now, "limit": limit})
    return [(row.org, row.workflow, row.trigger) for row in rows]


async def take_some(connection: AsyncConnection, names: Sequence[Name], now: datetime) -> list[Due]:
    """Those of these schedules that are due, locked; those that another process has in hand are passed over."""
    columns = zip(*names, strict=True)
    values = dict(zip(("org", "workflow", "trigger"), map(list, columns), strict=True))
    return _due(await connection.execute(_SOME, {**values, "now": now}))


async def drop_one(connection: AsyncConnection, name: Name) -> bool:
    """Whether it was there."""
    gone = await connection.execute(
        text("DELETE FROM schedule WHERE (org, workflow, trigger) = (:org, :workflow, :trigger)"),
        dict(zip(("org", "workflow", "trigger"), name, strict=True)),
    )
    return bool(gone.rowcount)


def _due(rows: Iterable[Row[Any]]) -> list[Due]:
    return [
        Due(
            row.org,
            row.workflow,
            row.trigger,
            Schedule(Cron(row.cron, row.zone) if row.cron else Every(row.every_s, row.zone), Missed(row.missed)),
            row.next_at,
        )
        for row in rows
    ]


async def move_on(connection: AsyncConnection, moved: Sequence[tuple[Due, datetime]]) -> None:
    """Each schedule is due next at the time beside it."""
    await connection.execute(
        _MOVE,
        {
            "org": [due.org for due, _ in moved],
            "workflow": [due.workflow for due, _ in moved],
            "trigger": [due.trigger for due, _ in moved],
            "next_at": [next_at for _, next_at in moved],
        },
    )
