"""The engine as the process that it is, on servers of its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from bench.servers import own_servers
from bench.tickets.processes import wait_ready
from fettle_workflow_engine.settings import WorkflowSettings

PARTITIONS = 4
_TABLES = (
    *("run", "step", "call", "inbox", "outbox", "workflow_minute", "ticket_seen", "workflow", "workflow_version"),
    "schedule",
)


@contextmanager
def installation() -> Iterator[dict[str, str]]:
    """The settings of an installation whose engine has run once, so that its tables and topics are there."""
    with own_servers(PARTITIONS) as environment:
        with engine(environment):
            pass
        yield environment


@contextmanager
def engine(environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A ready engine; whatever happens it does not outlive the block. What it says goes to a file that is shown when
    it has stopped by itself."""
    with tempfile.NamedTemporaryFile() as log:
        process = launch(environment, log.fileno())
        try:
            wait_ready(ready_address(environment))
            yield process
        finally:
            if process.poll() is not None and process.returncode > 0:
                print(Path(log.name).read_text()[-4000:], file=sys.stderr)
            process.terminate()
            process.wait(30)


def launch(environment: Mapping[str, str], log: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """An engine that starts."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FETTLE_")}
    command = [sys.executable, "-m", "fettle_workflow_engine"]
    return subprocess.Popen(command, env={**inherited, **environment}, stdout=log, stderr=log)


def ready_address(environment: Mapping[str, str]) -> str:
    return f"http://127.0.0.1:{environment['FETTLE_WORKFLOWS_PORT']}/readyz"


def processor_s(pid: int) -> float:
    """Processor time that a process has taken."""
    stat = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


async def emptied(settings: WorkflowSettings) -> None:
    """Nothing is left of workflows and runs."""
    connection = await asyncpg.connect(settings.database_dsn("workflows"))
    try:
        await connection.execute(f"TRUNCATE {', '.join(_TABLES)}")
    finally:
        await connection.close()


async def all_done(settings: WorkflowSettings, runs: int, within_s: float = 180.0) -> tuple[float, float]:
    """Waits until so many runs are done and none is under way; answers with when the first began and when that was
    seen, in seconds since 1970. Raises AssertionError if any ended otherwise."""
    connection = await asyncpg.connect(settings.database_dsn("workflows"))
    until = time.monotonic() + within_s
    try:
        there = False
        while True:
            there = there or await connection.fetchval("SELECT count(*) FROM run") >= runs
            if there and not await connection.fetchval("SELECT EXISTS (SELECT FROM run WHERE state = 'running')"):
                break
            if time.monotonic() > until:
                states = await connection.fetch("SELECT state, count(*) FROM run GROUP BY state")
                raise RuntimeError(f"not all of {runs} runs have ended: {states}")
            await asyncio.sleep(0.02 if there else 0.2)
        seen = time.time()
        rows = await connection.fetch("SELECT state, count(*) FROM run GROUP BY state")
        assert [tuple(row) for row in rows] == [("done", runs)], rows
        first = await connection.fetchval("SELECT min(extract(epoch FROM started_at))::float FROM run")
    finally:
        await connection.close()
    return first, seen
