"""What does the engine cost when nothing is due: 100,000 runs that wait, and 10,000 schedules?

A third of the runs wait for a day to pass (half of these for a ticket as well), a third for a call that is to be made
tomorrow, a third for the result of a command. Counted over a minute: the queries that Postgres was asked, from what it
says itself, and the processor time of the engine and of the server's processes that serve it. What touches no table, as
the pings of leases do (1.2 a second), it does not tell of; the test of WF-80 counts those too, beside as many runs and
schedules, and comes to 1.9. Exit status 1 when a repeat came to more than 2 queries a second or 2 % of a core.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from bench.report import Figure, report
from bench.tickets.traffic import ORGS
from bench.workflows import events
from bench.workflows.documents import BUDGET, save
from bench.workflows.processes import engine, installation, processor_s
from fettle_chassis.logs import configure_logging
from fettle_workflow_engine.settings import WorkflowSettings

_DOCUMENT = f"""\
workflow: patient
enabled: true
budget_per_hour: {BUDGET}
nodes:
  opened: {{trigger: ticket.opened}}
  rest:
    after: [opened]
    action: wait
    with: {{for: 1d, until_ticket: {{ticket: {{ref: event.ticket}}, change: any}}}}
  asked: {{after: [rest], action: http.request, with: {{url: "https://example.com/"}}}}
  noted: {{after: [asked], action: ticket.comment, with: {{ticket: {{ref: event.ticket.id}}, text: Seen.}}}}
"""
_RUNS = """
    INSERT INTO run (id, org, workflow, version, state, trigger, event, event_id, depth, started_at, timeout_at)
    SELECT gen_random_uuid(), ($1::text[])[1 + n % cardinality($1::text[])], 'patient', 1, 'running', 'ticket.opened',
           $2::text::json, n, 1, now(), now() + interval '3 days'
    FROM generate_series(1, $3::int) AS n
"""
_STEPS = """
    INSERT INTO step (run_id, place, node, state, command_id, attempts, started_at, wake_at, ticket, watches)
    SELECT id, 1, (ARRAY['rest', 'asked', 'noted'])[1 + n % 3], 'waiting', gen_random_uuid(), 1, now(),
           CASE WHEN n % 3 = 0 THEN $1::timestamptz END, CASE WHEN n % 6 = 0 THEN gen_random_uuid() END,
           CASE WHEN n % 6 = 0 THEN '{"change": "any", "since": 1}'::json END
    FROM (SELECT id, event_id::int AS n FROM run) AS waits
"""
_CALLS = """
    INSERT INTO call (id, run_id, org, kind, request, attempts, due_at)
    SELECT step.command_id, run.id, run.org, 'http.request', '{"url": "https://example.com/"}', 1, $1
    FROM step JOIN run ON run.id = step.run_id WHERE step.node = 'asked'
"""
_SCHEDULES = """
    INSERT INTO schedule SELECT 'acme', 'w' || n, 'due', 86400, NULL, 'UTC', 'skip', $1::timestamptz
    FROM generate_series(1, $2::int) AS n
"""
_TRANSACTIONS = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
_SERVING = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND client_addr IS NOT NULL AND pid <> pg_backend_pid()
"""


async def fill(settings: WorkflowSettings, plan: argparse.Namespace) -> None:
    await save(settings, ((org, _DOCUMENT) for org in ORGS))
    connection, tomorrow = await _connect(settings), datetime.now(UTC) + timedelta(days=1)
    happened = json.dumps(json.loads(next(iter(events.opened(1, ORGS))).value))
    await connection.execute(_RUNS, list(ORGS), happened, plan.runs)
    await connection.execute(_STEPS, tomorrow)
    await connection.execute(_CALLS, tomorrow)
    await connection.execute(_SCHEDULES, tomorrow, plan.schedules)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


async def rest(settings: WorkflowSettings, engine_pid: int, seconds: int) -> tuple[float, float, float]:
    """Queries a second, and percent of a core that the engine and the server took, over that time."""
    connection = await _connect(settings)
    try:
        await asyncio.sleep(20)  # the start is over, and every session has said what it did in it
        before = await _taken(connection, engine_pid)
        begun = time.monotonic()
        await asyncio.sleep(seconds)
        after, took = await _taken(connection, engine_pid), time.monotonic() - begun
    finally:
        await connection.close()
    asked, ours, theirs = (now - then for now, then in zip(after, before, strict=True))
    return (asked - _OWN) / took, ours / took * 100, theirs / took * 100


_OWN = 2
"""Transactions of one reading that the next one finds counted."""


async def _taken(connection: asyncpg.Connection[Any], engine_pid: int) -> tuple[float, float, float]:
    """So far: transactions, and seconds of processor of the engine and of the server."""
    await asyncio.sleep(1.5)  # a session says what it has done a second later
    transactions = await connection.fetchval(_TRANSACTIONS)
    serving = await connection.fetch(_SERVING)
    return transactions, processor_s(engine_pid), sum(processor_s(row["pid"]) for row in serving)


async def _connect(settings: WorkflowSettings) -> asyncpg.Connection[Any]:
    return await asyncpg.connect(settings.database_dsn("workflows"), timeout=30, command_timeout=300)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=3)
    plan = parser.parse_args()
    found: list[tuple[float, float, float]] = []
    configure_logging("bench", stream=io.StringIO())  # fifty saves are no news
    with installation() as environment:
        settings = WorkflowSettings.load(environment)
        asyncio.run(fill(settings, plan))
        for repeat in range(plan.repeats):
            with engine(environment) as process:
                found.append(asyncio.run(rest(settings, process.pid, plan.seconds)))
            asked, ours, theirs = found[-1]
            print(f"repeat {repeat + 1}: {asked:.2f} queries/s, {ours:.2f} % here, {theirs:.2f} % there", flush=True)
    queries, ours_all, theirs_all = ([one[place] for one in found] for place in range(3))
    both = [mine + other for mine, other in zip(ours_all, theirs_all, strict=True)]
    details = {"runs": plan.runs, "schedules": plan.schedules, "seconds": plan.seconds}
    figures = [
        Figure("queries", "1/s", queries, better="lower", bound="≤ 2", details=details),
        Figure("processor, engine and server", "% of a core", both, better="lower", bound="≤ 2", details=details),
        Figure("processor, engine", "% of a core", ours_all, better="lower", details=details),
    ]
    report("What it costs when nothing is due", figures, "workflow_idle")
    return 0 if figures[0].worst <= 2 and figures[1].worst <= 2 else 1


if __name__ == "__main__":
    raise SystemExit(main())
