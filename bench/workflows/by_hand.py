"""What the same runs cost when nothing decides: the rows that the engine left, put down again in batched SQL by hand.

One connection, asyncpg, each table by one statement over `unnest`, into the engine's own tables. As the engine must: a
transaction per 200 events, with the inbox, runs that wait for their command, their steps, the count for the budget and
the command's outbox row; and another per 200 results, which ends steps and runs.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from bench.unnest import arrays, columns, insert, update
from bench.workflows.responder import Given
from fettle_chassis.outbox import headers_to_text

BATCH = 200
_RUN = columns(
    "id uuid, org text, workflow text, version integer, state text, trigger text, event json, event_id text,"
    " depth integer, traceparent text, started_at timestamptz, timeout_at timestamptz, ended_at timestamptz,"
    " error json, rerun_of uuid"
)
_STEP = columns(
    "run_id uuid, place integer, node text, state text, input json, output json, error json, command_id uuid,"
    " attempts integer, started_at timestamptz, ended_at timestamptz, wake_at timestamptz, ticket uuid, watches json"
)
_MINUTE = columns("org text, workflow text, minute timestamptz, runs integer")

_INBOX = insert("inbox", columns("subscription text, source text, id text"))
_RUNS, _STEPS = insert("run", _RUN), insert("step", _STEP)
_COMMANDS = insert("outbox", columns("topics text, key bytea, headers text, value bytea"))
_SPENT = (
    insert("workflow_minute AS known", _MINUTE)
    + " ON CONFLICT (org, workflow, minute) DO UPDATE SET runs = known.runs + excluded.runs"
)
_END_RUNS = update("run", columns("id uuid, state text, ended_at timestamptz"))
_END_STEPS = update("step", columns("run_id uuid, node text, state text, ended_at timestamptz, output json"), keys=2)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """What two transactions write: as runs begin, and as they end."""

    inbox: Sequence[Sequence[Any]]
    runs: Sequence[Sequence[Any]]
    steps: Sequence[Sequence[Any]]
    spent: Sequence[Sequence[Any]]
    outbox: Sequence[Sequence[Any]]
    ended_runs: Sequence[Sequence[Any]]
    ended_steps: Sequence[Sequence[Any]]


async def left(dsn: str, commands: Mapping[str, Given]) -> list[Batch]:
    """The rows of all runs, each of which has ended with the result of its one command."""
    connection = await asyncpg.connect(dsn)
    try:
        runs = await connection.fetch("SELECT * FROM run ORDER BY started_at, id")
        steps: dict[Any, list[Row]] = {run["id"]: [] for run in runs}
        for step in await connection.fetch("SELECT * FROM step ORDER BY run_id, place"):
            steps[step["run_id"]].append(step)
    finally:
        await connection.close()
    parts = [runs[start : start + BATCH] for start in range(0, len(runs), BATCH)]
    return [_batch(part, [steps[run["id"]] for run in part], commands) for part in parts]


async def runs_per_second(dsn: str, batches: Sequence[Batch]) -> float:
    """How many runs' rows are committed in a second, to the last one's end."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("TRUNCATE run, step, call, inbox, outbox, workflow_minute")
        began = time.perf_counter()
        for batch in batches:
            await _write(connection, batch)
        return sum(len(batch.runs) for batch in batches) / (time.perf_counter() - began)
    finally:
        await connection.close()


async def _write(connection: asyncpg.Connection[Any], batch: Batch) -> None:
    async with connection.transaction():
        await connection.execute(_INBOX, *arrays(batch.inbox))
        await connection.execute(_RUNS, *arrays(batch.runs))
        await connection.execute(_STEPS, *arrays(batch.steps))
        await connection.execute(_SPENT, *arrays(batch.spent))
        await connection.execute(_COMMANDS, *arrays(batch.outbox))
    async with connection.transaction():
        await connection.execute(_END_STEPS, *arrays(batch.ended_steps))
        await connection.execute(_END_RUNS, *arrays(batch.ended_runs))


def _batch(runs: Sequence[Row], steps: Sequence[Sequence[Row]], commands: Mapping[str, Given]) -> Batch:
    lasts = [of_run[-1] for of_run in steps]
    asked = [commands[str(last["command_id"])] for last in lasts]
    minutes = Counter((run["org"], run["workflow"], run["started_at"].replace(second=0, microsecond=0)) for run in runs)
    waiting = {"state": "waiting", "output": None, "ended_at": None}
    return Batch(
        inbox=[("workflow-engine.triggers", "fettle/ticket-service", run["event_id"]) for run in runs],
        runs=[_values(run, _RUN, {"state": "running", "ended_at": None}) for run in runs],
        steps=[
            _values(step, _STEP, waiting if step is of_run[-1] else {}) for of_run in steps for step in of_run
        ],
        spent=[(*key, count) for key, count in sorted(minutes.items())],
        outbox=[("ticket.commands", one.key, headers_to_text(one.headers), one.value) for one in asked],
        ended_runs=[(run["id"], run["state"], run["ended_at"]) for run in runs],
        ended_steps=[(step["run_id"], step["node"], step["state"], step["ended_at"], step["output"]) for step in lasts],
    )  # fmt: skip


def _values(row: Row, columns: Mapping[str, str], other: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(other[name] if name in other else row[name] for name in columns)
