"""Calls to what is outside, from the moment that a run asks until there is an outcome."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_workflow_engine.adapters import due_rows
from fettle_workflow_engine.domain.calls import Again, OutsideCall
from fettle_workflow_engine.domain.run import Call, Run

CHANNEL = "fettle_calls"
"""The NOTIFY channel that wakes those who make calls, once per transaction."""

_INSERT = text(f"""
    WITH written AS (
        INSERT INTO call (id, run_id, org, kind, request, due_at)
        SELECT id, run_id, org, kind, CAST(request AS json), :now
        FROM unnest(CAST(:ids AS uuid[]), CAST(:run_ids AS uuid[]), CAST(:orgs AS text[]), CAST(:kinds AS text[]),
                    CAST(:requests AS text[])) AS new (id, run_id, org, kind, request)
    )
    SELECT pg_notify('{CHANNEL}', '')
""")  # noqa: S608 - the channel is a constant

# Orgs are found one after the other in the index, so that one with many calls does not hide the others; each gives at
# most what it has room for, the first of each before the second of any.
_TAKE = text("""
    WITH RECURSIVE orgs AS (
        (SELECT org FROM call ORDER BY org LIMIT 1)
        UNION ALL
        SELECT (SELECT call.org FROM call WHERE call.org > orgs.org ORDER BY call.org LIMIT 1)
        FROM orgs WHERE orgs.org IS NOT NULL
    ), due AS (
        SELECT found.id, found.place, found.due_at
        FROM orgs
        LEFT JOIN unnest(CAST(:busy_orgs AS text[]), CAST(:busy AS integer[])) AS busy (org, calls)
            ON busy.org = orgs.org
        CROSS JOIN LATERAL (
            SELECT id, due_at, row_number() OVER (ORDER BY due_at) AS place
            FROM call WHERE call.org = orgs.org AND due_at <= :now
            ORDER BY due_at LIMIT greatest(:of_one_org - coalesce(busy.calls, 0), 0)
        ) AS found
        ORDER BY found.place, found.due_at LIMIT :limit
    ), taken AS (
        UPDATE call SET attempts = attempts + 1, due_at = :until, leased_by = :by
        WHERE id IN (
            SELECT id FROM call WHERE id IN (SELECT id FROM due) AND due_at <= :now FOR UPDATE SKIP LOCKED
        )
        RETURNING id, org, kind, request, attempts,
                  EXISTS (SELECT FROM workflow_policy AS policy
                          WHERE policy.org = call.org AND NOT policy.enabled) AS off
    ), counted AS (
        UPDATE step SET attempts = step.attempts + 1
        FROM taken WHERE step.state = 'waiting' AND step.command_id = taken.id AND NOT taken.off
    )
    SELECT id, org, kind, request, attempts, off FROM taken
""")

_AGAIN = text("""
    WITH again AS (
        UPDATE call SET due_at = new.due_at, leased_by = NULL
        FROM unnest(CAST(:ids AS uuid[]), CAST(:attempts AS integer[]), CAST(:due AS timestamptz[]),
                    CAST(:errors AS text[])) AS new (id, attempts, due_at, error)
        WHERE call.id = new.id AND call.attempts = new.attempts
        RETURNING call.id, new.error
    )
    UPDATE step SET error = CAST(again.error AS json)
    FROM again WHERE step.state = 'waiting' AND step.command_id = again.id
""")


async def insert(connection: AsyncConnection, calls: Sequence[tuple[Run, Call]], now: datetime) -> None:
    """New calls, due at once."""
    if not calls:
        return
    await connection.execute(
        _INSERT,
        {
            "ids": [call.id for _, call in calls],
            "run_ids": [run.id for run, _ in calls],
            "orgs": [run.org for run, _ in calls],
            "kinds": [call.kind for _, call in calls],
            "requests": [json.dumps(call.request) for _, call in calls],
            "now": now,
        },
    )


async def take(
    connection: AsyncConnection,
    now: datetime,
    *,
    by: str,
    lease: timedelta,
    limit: int,
    of_one_org: int,
    busy: Mapping[str, int],
) -> list[OutsideCall]:
    """At most `limit` calls that are due, leased to `by`, and so that no org has more than `of_one_org` with those that
    are `busy` already. Each counts as an attempt, on its step too unless the org's workflows are switched off."""
    rows = await connection.execute(
        _TAKE,
        {
            "now": now,
            "until": now + lease,
            "by": by,
            "limit": limit,
            "of_one_org": of_one_org,
            "busy_orgs": list(busy),
            "busy": list(busy.values()),
        },
    )
    return [OutsideCall(row.id, row.org, row.kind, row.request, row.attempts, row.off) for row in rows]


async def put_off(connection: AsyncConnection, calls: Sequence[tuple[OutsideCall, Again]], now: datetime) -> None:
    """Has calls made again later, unless somebody has taken them since; their steps show why."""
    if not calls:
        return
    failures = [{"code": again.failure.code, "message": again.failure.message} for _, again in calls]
    due = [now + timedelta(seconds=again.in_s) for _, again in calls]
    await connection.execute(
        _AGAIN,
        {
            "ids": [call.id for call, _ in calls],
            "attempts": [call.attempt for call, _ in calls],
            "due": due,
            "errors": [json.dumps(failure) for failure in failures],
        },
    )
    await due_rows.announce(connection, due, now)


async def runs_of(connection: AsyncConnection, ids: Sequence[UUID]) -> list[UUID]:
    """The runs that have asked for these calls."""
    found = await connection.scalars(
        text("SELECT run_id FROM call WHERE id = ANY (CAST(:ids AS uuid[]))"), {"ids": list(ids)}
    )
    return list(found)


async def drop(connection: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Calls that have their outcome, or whose outcome matters to nobody any more."""
    if ids:
        await connection.execute(text("DELETE FROM call WHERE id = ANY (CAST(:ids AS uuid[]))"), {"ids": list(ids)})


async def give_back(connection: AsyncConnection, by: str, now: datetime) -> int:
    """Makes due at once what `by` had taken and did not come to an end with; returns how many."""
    done = await connection.execute(
        text("UPDATE call SET due_at = :now, leased_by = NULL WHERE leased_by = :by"), {"by": by, "now": now}
    )
    return done.rowcount
