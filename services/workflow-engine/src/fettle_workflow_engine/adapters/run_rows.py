"""Runs and their steps in Postgres, many per statement."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.copying import copy_rows
from fettle_workflow_engine.adapters.json_text import json_text
from fettle_workflow_engine.adapters.ticket_sightings import TicketKey
from fettle_workflow_engine.domain.run import Cause, Failure, Run, RunState, Step, StepState, Watch

_RUN_COLUMNS = (
    *("id", "org", "workflow", "version", "state", "trigger", "event", "event_id", "depth", "traceparent"),
    *("started_at", "timeout_at", "ended_at", "error", "rerun_of"),
)
_STEP_COLUMNS = (
    *("run_id", "place", "node", "state", "input", "output", "error", "command_id", "attempts"),
    *("started_at", "ended_at", "wake_at", "ticket", "watches"),
)

_PUT_RUNS = text("""
    UPDATE run SET state = new.state, timeout_at = new.timeout_at, ended_at = new.ended_at,
                   error = CAST(new.error AS json), depth = new.depth
    FROM unnest(CAST(:id AS uuid[]), CAST(:state AS text[]), CAST(:timeout_at AS timestamptz[]),
                CAST(:ended_at AS timestamptz[]), CAST(:error AS text[]), CAST(:depth AS integer[]))
         AS new (id, state, timeout_at, ended_at, error, depth)
    WHERE run.id = new.id
""")

_PUT_STEPS = text("""
    INSERT INTO step (run_id, place, node, state, input, output, error, command_id, attempts, started_at, ended_at,
                      wake_at, ticket, watches)
    SELECT run_id, place, node, state, CAST(input AS json), CAST(output AS json), CAST(error AS json), command_id,
           attempts, started_at, ended_at, wake_at, ticket, CAST(watches AS json)
    FROM unnest(CAST(:run_id AS uuid[]), CAST(:place AS integer[]), CAST(:node AS text[]), CAST(:state AS text[]),
                CAST(:input AS text[]), CAST(:output AS text[]), CAST(:error AS text[]), CAST(:command_id AS uuid[]),
                CAST(:attempts AS integer[]), CAST(:started_at AS timestamptz[]), CAST(:ended_at AS timestamptz[]),
                CAST(:wake_at AS timestamptz[]), CAST(:ticket AS uuid[]), CAST(:watches AS text[]))
         AS new (run_id, place, node, state, input, output, error, command_id, attempts, started_at, ended_at,
                 wake_at, ticket, watches)
    ON CONFLICT (run_id, node) DO UPDATE SET
        state = excluded.state, input = excluded.input, output = excluded.output, error = excluded.error,
        command_id = excluded.command_id, attempts = excluded.attempts, started_at = excluded.started_at,
        ended_at = excluded.ended_at, wake_at = excluded.wake_at, ticket = excluded.ticket, watches = excluded.watches
""")

_UNREACHED = text("""
    DELETE FROM step USING unnest(CAST(:run_ids AS uuid[]), CAST(:nodes AS text[])) AS gone (run_id, node)
    WHERE step.run_id = gone.run_id AND step.node = gone.node
""")

_RUN = ", ".join(_RUN_COLUMNS)

_WAITING_FOR = text(f"""
    SELECT {_RUN} FROM run
    WHERE state = 'running' AND id IN (
        SELECT run_id FROM step WHERE state = 'waiting' AND command_id = ANY (CAST(:command_ids AS uuid[]))
    )
    ORDER BY id FOR UPDATE
""")  # noqa: S608 - constant columns

_DUE_IDS = """
        (SELECT run_id FROM step WHERE state = 'waiting' AND wake_at <= :now ORDER BY wake_at LIMIT :limit)
        UNION ALL
        (SELECT id FROM run WHERE state = 'running' AND timeout_at <= :now ORDER BY timeout_at LIMIT :limit)
"""

_DUE = text(f"""
    SELECT {_RUN} FROM run WHERE state = 'running' AND id = ANY (ARRAY({_DUE_IDS}))
    ORDER BY id FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - constant columns

_SOME = text(f"""
    SELECT {_RUN} FROM run WHERE state = 'running' AND id = ANY (CAST(:ids AS uuid[]))
    ORDER BY id FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - constant columns

_SET_ASIDE = text("""
    WITH failed AS (
        UPDATE run SET state = 'failed', error = CAST(:error AS json), ended_at = :now
        WHERE state = 'running' AND id = ANY (CAST(:ids AS uuid[])) RETURNING id
    ), cut_short AS (
        UPDATE step SET state = 'failed', error = CAST(:unsure AS json), ended_at = :now, watches = NULL, ticket = NULL
        FROM failed WHERE step.run_id = failed.id AND step.state = 'waiting'
    ), dropped AS (
        DELETE FROM call USING failed WHERE call.run_id = failed.id
    )
    SELECT id FROM failed
""")

_WATCHING = text(f"""
    SELECT {_RUN} FROM run
    WHERE state = 'running' AND id IN (
        SELECT step.run_id FROM step
        JOIN run AS waits ON waits.id = step.run_id
        JOIN unnest(CAST(:orgs AS text[]), CAST(:tickets AS uuid[])) AS changed (org, ticket)
            ON changed.ticket = step.ticket AND changed.org = waits.org
        WHERE step.state = 'waiting' AND step.ticket IS NOT NULL
    )
    ORDER BY id FOR UPDATE
""")  # noqa: S608 - constant columns

_ONE = text(f"SELECT {_RUN} FROM run WHERE org = :org AND id = :id FOR UPDATE")  # noqa: S608 - constant columns

_COUNT_RETRY = text("UPDATE run SET retried = retried + 1 WHERE id = :id RETURNING retried")

_STEPS = text("""
    SELECT run_id, node, state, input, output, error, command_id, attempts, started_at, ended_at, wake_at, ticket,
           watches
    FROM step WHERE run_id = ANY (CAST(:ids AS uuid[])) ORDER BY run_id, place
""")


async def insert(connection: AsyncConnection, runs: Sequence[Run]) -> None:
    """New runs with the steps that they have taken. The transaction must have begun by a statement before."""
    if not runs:
        return
    await copy_rows(connection, "run", _RUN_COLUMNS, map(_run_row, runs))
    steps = (_step_row(run, place, step) for run in runs for place, step in enumerate(run.steps.values()))
    await copy_rows(connection, "step", _STEP_COLUMNS, steps)


async def known(connection: AsyncConnection, ids: Sequence[UUID]) -> set[UUID]:
    """Those of these runs that there are."""
    rows = await connection.execute(
        text("SELECT id FROM run WHERE id = ANY (CAST(:ids AS uuid[]))"), {"ids": list(ids)}
    )
    return set(rows.scalars())


async def update(connection: AsyncConnection, changes: Sequence[tuple[Run, Run]]) -> None:
    """Runs as they were and as they are now: writes the steps that changed, and how runs ended or go on."""
    gone = [(run.id, node) for before, run in changes for node in before.steps if node not in run.steps]
    if gone:
        values = {"run_ids": [run_id for run_id, _ in gone], "nodes": [node for _, node in gone]}
        await connection.execute(_UNREACHED, values)
    await _put_steps(
        connection,
        [
            (after, place, step)
            for before, after in changes
            for place, step in enumerate(after.steps.values())
            if before.steps.get(step.node) != step
        ],
    )
    runs = [
        {
            "id": run.id,
            "state": run.state,
            "timeout_at": run.timeout_at,
            "ended_at": run.ended_at,
            "error": _failure(run.error),
            "depth": run.cause.depth,
        }
        for before, run in changes
        if (before.state, before.timeout_at) != (run.state, run.timeout_at)
    ]
    if runs:
        await connection.execute(_PUT_RUNS, _arrays(runs))


async def waiting_for(connection: AsyncConnection, command_ids: Sequence[UUID]) -> list[Run]:
    """The runs that wait for these commands' results, locked until the transaction ends."""
    return await _with_steps(connection, await connection.execute(_WAITING_FOR, {"command_ids": list(command_ids)}))


async def due(connection: AsyncConnection, now: datetime, limit: int) -> list[Run]:
    """Runs whose wait is over and runs over their timeout, at most `limit` of each, locked; those that another process
    has in hand are passed over."""
    return await _with_steps(connection, await connection.execute(_DUE, {"now": now, "limit": limit}))


async def due_ids(connection: AsyncConnection, now: datetime, limit: int) -> list[UUID]:
    """Of the runs that `due` would take if no other process had any in hand."""
    return list(dict.fromkeys(await connection.scalars(text(_DUE_IDS), {"now": now, "limit": limit})))


async def some(connection: AsyncConnection, ids: Sequence[UUID]) -> list[Run]:
    """Those of these runs that go on, locked; those that another process has in hand are passed over."""
    return await _with_steps(connection, await connection.execute(_SOME, {"ids": list(ids)}))


async def set_aside(connection: AsyncConnection, ids: Sequence[UUID], failure: Failure, now: datetime) -> list[UUID]:
    """Ends runs as failed without reading them, with what they wait for: whatever it is that nobody can go on with.
    Answers with those that went on until now."""
    unsure = replace(failure, unsure=True)
    values = {"ids": list(ids), "error": _failure(failure), "unsure": _failure(unsure), "now": now}
    return list(await connection.scalars(_SET_ASIDE, values))


async def watching(connection: AsyncConnection, tickets: Iterable[TicketKey]) -> list[Run]:
    """The runs that wait for changes of these tickets, locked until the transaction ends."""
    wanted = sorted(tickets)
    values = {"orgs": [org for org, _ in wanted], "tickets": [ticket for _, ticket in wanted]}
    return await _with_steps(connection, await connection.execute(_WATCHING, values))


async def find(connection: AsyncConnection, org: str, run_id: UUID) -> Run | None:
    """One run of the org, locked until the transaction ends."""
    found = await _with_steps(connection, await connection.execute(_ONE, {"org": org, "id": run_id}))
    return found[0] if found else None


async def count_retry(connection: AsyncConnection, run_id: UUID) -> int:
    """How often the run has been retried, this time among them."""
    return int(await connection.scalar(_COUNT_RETRY, {"id": run_id}) or 0)


async def _with_steps(connection: AsyncConnection, rows: Any) -> list[Run]:
    found = list(rows)
    if not found:
        return []
    steps: dict[UUID, dict[str, Step]] = {row.id: {} for row in found}
    for row in await connection.execute(_STEPS, {"ids": list(steps)}):
        steps[row.run_id][row.node] = step_of(row)
    return [_run_of(row, steps[row.id]) for row in found]


def _run_of(row: Row[Any], steps: Mapping[str, Step]) -> Run:
    cause = Cause(row.trigger, row.event, row.event_id, row.depth, row.traceparent)
    return Run(
        row.id, row.org, row.workflow, row.version, cause, row.started_at, row.timeout_at, RunState(row.state), steps,
        _failure_of(row.error), row.ended_at, row.rerun_of,
    )  # fmt: skip


def step_of(row: Row[Any]) -> Step:
    """A step from a row of its columns."""
    return Step(
        node=row.node,
        state=StepState(row.state),
        started_at=row.started_at,
        ended_at=row.ended_at,
        input=row.input,
        output=row.output,
        error=_failure_of(row.error),
        command_id=row.command_id,
        attempts=row.attempts,
        wake_at=row.wake_at,
        watches=Watch(row.ticket, **row.watches) if row.ticket else None,
    )


async def _put_steps(connection: AsyncConnection, steps: Sequence[tuple[Run, int, Step]]) -> None:
    """Steps with their places, those that are new and those that have changed."""
    if steps:
        columns = zip(*(_step_row(*each) for each in steps), strict=True)
        await connection.execute(_PUT_STEPS, dict(zip(_STEP_COLUMNS, map(list, columns), strict=True)))


def _run_row(run: Run) -> tuple[Any, ...]:
    cause = run.cause
    named = (run.id, run.org, run.workflow, run.version, run.state)
    caused = (cause.trigger, json_text(cause.event), cause.event_id, cause.depth, cause.traceparent)
    return *named, *caused, run.started_at, run.timeout_at, run.ended_at, _failure(run.error), run.rerun_of


def _step_row(run: Run, place: int, step: Step) -> tuple[Any, ...]:
    named = (run.id, place, step.node, step.state, _json(step.input), _json(step.output), _failure(step.error))
    times = (step.started_at, step.ended_at, step.wake_at)
    watch = step.watches
    ticket, change = (watch.ticket, _json({"change": watch.change, "since": watch.since})) if watch else (None, None)
    return *named, step.command_id, step.attempts, *times, ticket, change


def _arrays(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Rows as one array per column, for `unnest`."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else json_text(value)


def _failure(failure: Failure | None) -> str | None:
    if failure is None:
        return None
    said = {"code": failure.code, "message": failure.message}
    return json_text({**said, "unsure": True} if failure.unsure else said)


def _failure_of(said: Mapping[str, Any] | None) -> Failure | None:
    return Failure(**said) if said else None
