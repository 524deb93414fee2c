"""How many lines a second does a registry import take, new ones and such as stand there already?

A file of devices is posted to the correlator's API, as a process of its own with its relay, from the first byte sent to
the summary; Kafka takes the registrations meanwhile. Beside it, in the same run: the same rows written by one plain
`INSERT` a line over one connection, in transactions of the same size, to the same server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import httpx2

from bench.correlator_storm import correlator
from bench.lateness import tell_org
from bench.report import Figure, report
from bench.servers import own_servers
from fettle_chassis.kafka import build_producer
from fettle_chassis.logs import configure_logging
from fettle_chassis.tokens import Caller, Role, issue
from fettle_health_monitor.settings import HealthSettings

SHARDS = 12
LINES_PER_TRANSACTION = 500
BY_HAND = """
    INSERT INTO by_hand (org, subject, name, integration, space, model, interval_s) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


def body(lines: int) -> bytes:
    rows = (f"device,d{number},Sensor {number},cloud-{number % 40},oslo/hq/3,T100,30\n" for number in range(lines))
    return ("type,id,name,integration,space,model,interval_s\n" + "".join(rows)).encode()


async def imported(settings: HealthSettings, org: str, content: bytes, expected: str, lines: int) -> float:
    """Lines a second; AssertionError unless each of them came to what is expected."""
    token = issue(settings.signing_keys, Caller(org, Role.OPERATOR, "bench"), datetime.now(UTC), ttl_s=600)
    headers = {"Authorization": f"Bearer {token}", "content-type": "text/csv"}
    address = f"http://127.0.0.1:{settings.health_port}/api/v1/orgs/{org}/subjects/import"
    async with httpx2.AsyncClient(timeout=120.0) as client:
        begun = time.perf_counter()
        answer = await client.post(address, content=content, headers=headers)
        seconds = time.perf_counter() - begun
    answer.raise_for_status()
    summary = json.loads(answer.text.splitlines()[-1])["summary"]
    if summary[expected] != lines:
        raise AssertionError(f"{summary} is not {lines} {expected}")
    return lines / seconds


async def by_hand(settings: HealthSettings, org: str, lines: int) -> float:
    connection = await asyncpg.connect(settings.database_dsn("health"))
    try:
        await connection.execute("""
            CREATE TABLE IF NOT EXISTS by_hand (org text, subject text, name text, integration text, space text,
                                                model text, interval_s double precision, PRIMARY KEY (org, subject))
        """)
        begun = time.perf_counter()
        for start in range(0, lines, LINES_PER_TRANSACTION):
            async with connection.transaction():
                for number in range(start, min(start + LINES_PER_TRANSACTION, lines)):
                    subject, integration = f"device/d{number}", f"cloud-{number % 40}"
                    row = (org, subject, f"Sensor {number}", integration, "oslo/hq/3", "T100", 30.0)
                    await connection.execute(BY_HAND, *row)
        return lines / (time.perf_counter() - begun)
    finally:
        await connection.close()


async def measure(environment: Mapping[str, str], lines: int, repeats: int) -> dict[str, list[float]]:
    settings = HealthSettings.load(environment)
    producer = build_producer(settings, client_id="bench")
    await producer.start()
    found: dict[str, list[float]] = {"added": [], "unchanged": [], "by hand": []}
    content = body(lines)
    try:
        async with asyncio.timeout(60), httpx2.AsyncClient(timeout=5.0) as client:
            while not await _answers(client, settings):  # noqa: ASYNC110 - another process's doing
                await asyncio.sleep(0.1)
        for number in range(repeats):
            org = f"import-{number}"
            await tell_org(settings, producer, org, {"enabled": True, "timeout_s": 60})
            for expected in ("added", "unchanged"):
                found[expected].append(await imported(settings, org, content, expected, lines))
            found["by hand"].append(await by_hand(settings, org, lines))
    finally:
        await producer.stop()
    return found


async def _answers(client: httpx2.AsyncClient, settings: HealthSettings) -> bool:
    try:
        return (await client.get(f"http://127.0.0.1:{settings.health_port}/readyz")).status_code == 200
    except httpx2.HTTPError:
        return False


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lines", type=int, default=50_000)
    options.add_argument("--repeats", type=int, default=3)
    plan = options.parse_args()
    configure_logging("bench", stream=sys.stderr)
    with (
        own_servers(SHARDS) as environment,
        tempfile.TemporaryDirectory() as folder,
        correlator(environment, Path(folder)),
    ):
        rates = asyncio.run(measure(environment, plan.lines, plan.repeats))
    details = {"lines": plan.lines, "shards": SHARDS}
    shares = [rate / plain for rate, plain in zip(rates["added"], rates["by hand"], strict=True)]
    found = [
        Figure("lines added", "1/s", rates["added"], bound=">= 2000", details=details),
        Figure("lines that stand there already", "1/s", rates["unchanged"], bound=">= 2000", details=details),
        Figure("plain INSERTs", "1/s", rates["by hand"], details=details),
        Figure("of plain INSERTs", "", shares, details=details),
    ]
    report(f"A registry import of {plan.lines} lines", found, "registry_import")
    return 0 if min(rates["added"] + rates["unchanged"]) >= 2_000 else 1


if __name__ == "__main__":
    raise SystemExit(main())
