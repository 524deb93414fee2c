"""How late do schedules start their runs: 10,000 spread over a minute, and 1,000 at one moment?

Each is a workflow of its own with one action. The engine is one real process, and knows none of the documents when it
starts. Lateness of the spread ones is from the due moment to what the run has on record as its start; the ones at one
moment are late by the time until the last of their runs can be read.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from bench.report import Figure, report
from bench.servers import own_servers
from fettle_chassis.database import Database
from fettle_chassis.logs import configure_logging
from fettle_workflow_engine.settings import WorkflowSettings

DOCUMENT = """\
workflow: {}
enabled: true
nodes:
  due: {trigger: schedule, every: 366d}
  told: {after: [due], action: ticket.comment, with: {ticket: 7, text: {template: "{{ event.scheduled_at }}"}}}
"""
PUT = (
    """
    INSERT INTO workflow (org, name, version, enabled, title, description, triggers, document, saved_at, saved_by)
    SELECT 'acme', $1 || n, 1, true, '', '', '{schedule}', replace($2, '{}', $1 || n), now(), 'bench'
    FROM generate_series(1, $3) AS n
    """,
    """
    INSERT INTO workflow_version (org, name, version, document, saved_at, saved_by)
    SELECT 'acme', $1 || n, 1, replace($2, '{}', $1 || n), now(), 'bench' FROM generate_series(1, $3) AS n
    """,
)
SCHEDULE = """
    INSERT INTO schedule
    SELECT 'acme', $1 || n, 'due', 366 * 86400, NULL, 'UTC', 'run_once', $2::timestamptz + n * $3::interval / $4::int
    FROM generate_series(1, $4::int) AS n
"""


@contextmanager
def engine(environment: Mapping[str, str], folder: Path) -> Iterator[None]:
    """The engine as it runs in operation."""
    log = (folder / "engine.log").open("wb")
    command = [sys.executable, "-m", "fettle_workflow_engine"]
    process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


async def put(connection: asyncpg.Connection, kind: str, count: int, first: datetime, over: timedelta) -> None:
    """So many workflows, due from `first` on, evenly over a length of time."""
    for statement in PUT:
        await connection.execute(statement, kind, DOCUMENT, count)
    await connection.execute(SCHEDULE, kind, first, over, count)


async def started(connection: asyncpg.Connection, kind: str, count: int, within_s: float) -> datetime:
    """When the last of so many runs could be read."""
    async with asyncio.timeout(within_s):
        while True:
            there = await connection.fetchval("SELECT count(*) FROM run WHERE workflow LIKE $1", f"{kind}%")
            if there >= count:
                assert there == count, "a moment has started two runs"
                return datetime.now(UTC)
            await asyncio.sleep(0.05)


async def measure(environment: Mapping[str, str], plan: argparse.Namespace) -> list[Figure]:
    database = Database(WorkflowSettings.load(environment).database_dsn("workflows"))
    connection = await database.session()
    spread, burst = [], []
    for repeat in range(plan.repeats):
        begin = datetime.now(UTC) + timedelta(seconds=10)
        await put(connection, f"spread{repeat}-", plan.spread, begin, timedelta(minutes=1))
        await started(connection, f"spread{repeat}-", plan.spread, 180)
        late = await connection.fetch(
            "SELECT extract(epoch FROM started_at - (event->>'scheduled_at')::timestamptz)::float FROM run"
            " WHERE workflow LIKE $1",
            f"spread{repeat}-%",
        )
        spread.append(max(row[0] for row in late))
        due = datetime.now(UTC) + timedelta(seconds=5)
        await put(connection, f"burst{repeat}-", plan.burst, due, timedelta(0))
        burst.append((await started(connection, f"burst{repeat}-", plan.burst, 60) - due).total_seconds())
    await connection.close()
    return [
        Figure(f"{plan.spread} over a minute, the latest", "s", spread, better="lower", bound="<= 1"),
        Figure(f"{plan.burst} at one moment, the last", "s", burst, better="lower", bound="<= 3"),
    ]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--spread", type=int, default=10_000)
    options.add_argument("--burst", type=int, default=1_000)
    options.add_argument("--repeats", type=int, default=3)
    plan = options.parse_args()
    configure_logging("bench", stream=sys.stderr)
    with own_servers(4) as environment, tempfile.TemporaryDirectory() as folder:
        asyncio.run(prepare(environment))
        with engine(environment, Path(folder)):
            found = asyncio.run(measure(environment, plan))
    report("Lateness of schedules", found, "schedules")
    return 0 if found[0].worst <= 1 and found[1].worst <= 3 else 1


async def prepare(environment: Mapping[str, str]) -> None:
    database = Database(WorkflowSettings.load(environment).database_dsn("workflows"))
    await database.ensure_exists()
    await database.migrate("fettle_workflow_engine")
    await database.close()


if __name__ == "__main__":
    raise SystemExit(main())
