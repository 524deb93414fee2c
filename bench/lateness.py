"""How late is the monitor when nothing is wrong with it?

Lateness is broker time of the transition, and of the open command, minus the instant at which its rule became true, as
the message itself says. Judge and correlator are real processes over twelve shards; a fleet behind 40 integrations
reports every second, some devices fall silent each second and come back later. Measured is the single ticket: the
org's rollup threshold is out of reach. Beside it stands how long a bare record takes to the broker in the same run:
nothing can be less late than that, and a transition needs at least two such ways, a command three.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
from aiokafka import AIOKafkaProducer, TopicPartition
from tests.verdict_books import check_books

from bench.report import Figure, report
from bench.servers import own_servers
from fettle_chassis.kafka import build_consumer, build_producer
from fettle_chassis.logs import configure_logging
from fettle_chassis.signing import Signer
from fettle_chassis.tokens import Caller, Role, issue
from fettle_contracts.cloudevents import CloudEvent, to_binary
from fettle_contracts.orgs import ORG, Org
from fettle_contracts.times import parse_time, to_ms
from fettle_contracts.topics import COMMANDS, HEARTBEATS, ORGS, TRANSITIONS
from fettle_health_monitor.settings import HealthSettings

PARTITIONS = 12
INTEGRATIONS = 40
SINGLE = {"enabled": True, "publish_tickets": True, "rollup_threshold": 100_000}
"""However many fail behind an integration, each has a ticket of its own."""
POLICY = {**SINGLE, "timeout_s": 3, "open_debounce_s": 2, "resolve_debounce_s": 2}
SLICES = 20
"""The fleet reports in so many parts a second."""
AWAY_S = 10
BY_TIMER = ("silent", "debounce_passed")
"""Why a transition came about at an instant that nobody sent a record for."""


@dataclass
class Run:
    """One org's fleet, and what came of it: lateness in ms."""

    org: str
    until: int = 0
    """Broker time up to which the fleet reported: then everything falls silent at once, which is another question."""
    transitions: list[int] = field(default_factory=list)
    commands: list[int] = field(default_factory=list)
    probes: list[float] = field(default_factory=list)


# The processes


@contextmanager
def processes(environment: Mapping[str, str], folder: Path) -> Iterator[None]:
    """Judge and correlator, as they run in operation."""
    running = []
    try:
        for role in ("judge", "correlator"):
            log = (folder / f"{role}.log").open("wb")
            command = [sys.executable, "-m", "fettle_health_monitor", role]
            running.append(subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log))
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(30)


async def ready(settings: HealthSettings) -> None:
    """Waits until both answer that they are ready."""
    async with asyncio.timeout(60), httpx2.AsyncClient(timeout=5.0) as client:
        for port in (settings.judge_port, settings.health_port):
            while True:
                try:
                    if (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200:
                        break
                except httpx2.HTTPError:
                    pass
                await asyncio.sleep(0.1)


async def begin(
    settings: HealthSettings, producer: AIOKafkaProducer, org: str, policy: Mapping[str, Any] = POLICY
) -> None:
    """A new org under this policy, in force in every shard."""
    await tell_org(settings, producer, org, policy)
    address = _policy_of(settings, org)
    async with asyncio.timeout(60), _admin(settings, org) as client:
        while not await _in_force(client, address):  # noqa: ASYNC110 - another process's doing
            await asyncio.sleep(0.1)


async def tell_org(settings: HealthSettings, producer: AIOKafkaProducer, org: str, policy: Mapping[str, Any]) -> None:
    """A new org whose second policy is this one."""
    now = datetime.now(UTC)
    word = Org(org=org, name=org, created_at=now).to_json()
    event = CloudEvent(id=org, source="fettle/console", type=ORG, time=now, data=word, key=org)
    headers, value = to_binary(Signer(settings.signing_keys).sign_event(event))
    await producer.send_and_wait(settings.topic(ORGS), value, key=org.encode(), headers=headers)
    async with asyncio.timeout(60), _admin(settings, org) as client:
        while (await client.get(_policy_of(settings, org))).status_code != 200:  # noqa: ASYNC110 - another process's doing
            await asyncio.sleep(0.1)
    await put_policy(settings, org, policy)


async def put_policy(settings: HealthSettings, org: str, policy: Mapping[str, Any]) -> None:
    """In place of the org's policy."""
    async with _admin(settings, org) as client:
        (await client.put(_policy_of(settings, org), json=policy, timeout=10.0)).raise_for_status()


def _admin(settings: HealthSettings, org: str) -> httpx2.AsyncClient:
    token = issue(settings.signing_keys, Caller(org, Role.ADMIN, "bench"), datetime.now(UTC), ttl_s=600)
    return httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"})


def _policy_of(settings: HealthSettings, org: str) -> str:
    return f"http://127.0.0.1:{settings.health_port}/api/v1/orgs/{org}/health-policy"


async def _in_force(client: httpx2.AsyncClient, address: str) -> bool:
    return all(shard["version"] == 2 for shard in (await client.get(address)).json()["in_force"])


# The fleet


def integration(number: int) -> bytes:
    """The id of what a device reports through."""
    return b"cloud-%d" % (number % INTEGRATIONS)


async def live(settings: HealthSettings, producer: AIOKafkaProducer, run: Run, plan: argparse.Namespace) -> int:
    """Lets the fleet report for the time that was asked for; answers how many devices fell silent for good measure."""
    topic, silent = settings.topic(HEARTBEATS), 0
    keys = [f"{run.org}/device/{number}".encode() for number in range(plan.devices)]
    values = [
        b'{"status":"ok","interval_s":1,"integration":"%s"}' % integration(number) for number in range(plan.devices)
    ]
    back_at = [0.0] * plan.devices
    begun = time.monotonic()
    next_victim, tick = 0, 0
    while (now := time.monotonic() - begun) < plan.seconds + 10:
        due = int((now - 5) * plan.silent_per_s) if 5 < now < plan.seconds else silent
        while silent < min(due, plan.devices):
            back_at[next_victim] = now + AWAY_S
            next_victim, silent = next_victim + 1, silent + 1
        for number in range(tick % SLICES, plan.devices, SLICES):
            if back_at[number] <= now:
                await producer.send(topic, values[number], key=keys[number])
        sent = time.perf_counter()
        await producer.send_and_wait(topic, b"", key=keys[-1])
        run.probes.append((time.perf_counter() - sent) * 1000)
        tick += 1
        await asyncio.sleep(max(0.0, begun + tick / SLICES - time.monotonic()))
    last = await producer.send_and_wait(topic, b"", key=keys[-1])
    run.until = last.timestamp
    return silent


# What came of it


@asynccontextmanager
async def everything(settings: HealthSettings, *names: str) -> AsyncIterator[Any]:
    """Every record of the topics up to now."""
    consumer = build_consumer(settings, client_id="bench")
    await consumer.start()
    try:
        places = [TopicPartition(settings.topic(name), part) for name in names for part in range(PARTITIONS)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        found = []
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += records
        yield found
    finally:
        await consumer.stop()


async def take(settings: HealthSettings, run: Run, expected: int) -> None:
    """Reads what the run's org brought, once every silence has its command."""
    async with asyncio.timeout(30):
        while len(run.commands) < expected:
            run.transitions.clear()
            run.commands.clear()
            async with everything(settings, TRANSITIONS, COMMANDS) as records:
                for record in records:
                    if record.key == run.org.encode():
                        note(settings, run, record)
            await asyncio.sleep(0.2)


def note(settings: HealthSettings, run: Run, record: Any) -> None:
    body = json.loads(record.value)
    at = to_ms(parse_time(body["at"]))
    late = record.timestamp - at
    if at > run.until:
        return
    if record.topic == settings.topic(TRANSITIONS):
        if body["evidence"]["reason"] in BY_TIMER:
            run.transitions.append(late)
    elif "title" in body:
        run.commands.append(late)


async def measure(environment: Mapping[str, str], plan: argparse.Namespace) -> list[Run]:
    settings = HealthSettings.load(environment)
    await ready(settings)
    producer = build_producer(settings, client_id="bench")
    await producer.start()
    runs = []
    try:
        for number in range(plan.repeats):
            run = Run(f"bench-{number}")
            await begin(settings, producer, run.org)
            silent = await live(settings, producer, run, plan)
            await take(settings, run, silent)
            runs.append(run)
        await check_books(settings.database_dsn("health"))
    finally:
        await producer.stop()
    return runs


def percentile(values: list[Any], share: float) -> float:
    """In seconds."""
    ordered = sorted(values)
    return float(ordered[min(len(ordered) - 1, int(len(ordered) * share))]) / 1000


def figures(runs: list[Run], plan: argparse.Namespace) -> list[Figure]:
    details = {
        "devices": plan.devices,
        "silent_per_s": plan.silent_per_s,
        "integrations": INTEGRATIONS,
        "partitions": PARTITIONS,
        "transitions": sum(len(run.transitions) for run in runs),
        "commands": sum(len(run.commands) for run in runs),
    }
    found = []
    for name, series, bound in (
        ("bare record to the broker", [run.probes for run in runs], None),
        ("transition", [run.transitions for run in runs], 1),
        ("open command", [run.commands for run in runs], 2),
    ):
        for share, label in ((0.5, "p50"), (0.99, "p99")):
            values = [percentile(list(each), share) for each in series]
            said = f"<= {bound}" if bound and label == "p99" else ""
            found.append(Figure(f"{name}, {label}", "s", values, better="lower", bound=said, details=details))
    return found


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--devices", type=int, default=2_000)
    options.add_argument("--silent-per-s", type=int, default=10)
    options.add_argument("--seconds", type=int, default=45)
    options.add_argument("--repeats", type=int, default=3)
    plan = options.parse_args()
    configure_logging("bench", stream=sys.stderr)
    with (
        own_servers(PARTITIONS) as environment,
        tempfile.TemporaryDirectory() as folder,
        processes(environment, Path(folder)),
    ):
        found = figures(asyncio.run(measure(environment, plan)), plan)
    report("Lateness: broker time minus the instant at which the rule became true", found, "lateness")
    bounds = {"transition, p99": 1.0, "open command, p99": 2.0}
    return 0 if all(figure.worst <= bounds.get(figure.name, figure.worst) for figure in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
