"""How late is the monitor when 20,000 timers are due in one second?

A fleet without integrations reports for the last time within a second. Three seconds later everybody's silence is too
long, and two seconds after that everybody fires: 20,000 changes each, and 20,000 tickets of their own. Lateness is
broker time minus the instant at which the rule became true: of the change, as the judge writes it, and of the open
command. Judge and correlator are real processes over twelve shards.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka import Producer
from tests.verdict_books import check_books

from bench.lateness import PARTITIONS, begin, everything, percentile, processes, ready
from bench.report import Figure, report
from bench.servers import own_servers
from fettle_chassis.kafka import build_producer
from fettle_chassis.logs import configure_logging
from fettle_contracts.partitions import partition_for
from fettle_contracts.times import parse_time, to_ms
from fettle_contracts.topics import COMMANDS, HEARTBEATS, JUDGEMENTS
from fettle_health_monitor.domain.judgements import Change, decode
from fettle_health_monitor.settings import HealthSettings

REPORTS = 4
WITHIN_S = 120


def beat(settings: HealthSettings, org: str, devices: int) -> float:
    """Everybody reports some times, the last time as fast as can be. Blocks; answers how long that took, in seconds."""
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap_servers, "linger.ms": 5})
    keys = [f"{org}/device/{number}".encode() for number in range(devices)]
    places = [partition_for(key, PARTITIONS) for key in keys]
    took = 0.0
    for _ in range(REPORTS):
        time.sleep(max(0.0, 1 - took))
        begun = time.perf_counter()
        for key, place in zip(keys, places, strict=True):
            producer.produce(settings.topic(HEARTBEATS), b"", key, place)
        producer.flush()
        took = time.perf_counter() - begun
    return took


async def lateness(settings: HealthSettings, org: str, devices: int) -> tuple[list[int], list[int]]:
    """Of all changes by timer, and of all commands, in ms, when everybody has a ticket asked for."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            changes, commands = [], []
            async with everything(settings, COMMANDS) as records:
                for record in records:
                    if record.key == org.encode():
                        commands.append(record.timestamp - to_ms(parse_time(json.loads(record.value)["at"])))
            if len(commands) >= devices:
                break
            await asyncio.sleep(1)
    async with everything(settings, JUDGEMENTS) as records:
        for record in records:
            if record.key == org.encode():
                said = decode(record.value)
                if isinstance(said, Change) and said.to_state in ("pending_open", "firing"):
                    changes.append(record.timestamp - said.at)
    if len(commands) != devices or len(changes) != 2 * devices:
        raise AssertionError(f"{len(changes)} changes and {len(commands)} commands of {devices} devices")
    return changes, commands


async def measure(environment: Mapping[str, str], plan: argparse.Namespace) -> list[Figure]:
    settings = HealthSettings.load(environment)
    await ready(settings)
    producer = build_producer(settings, client_id="bench")
    await producer.start()
    late_changes, late_commands, within = [], [], []
    try:
        for number in range(plan.repeats):
            org = f"burst-{number}"
            await begin(settings, producer, org)
            within.append(await asyncio.to_thread(beat, settings, org, plan.devices))
            changes, commands = await lateness(settings, org, plan.devices)
            late_changes.append(percentile(changes, 0.99))
            late_commands.append(percentile(commands, 0.99))
        await check_books(settings.database_dsn("health"))
    finally:
        await producer.stop()
    details = {"devices": plan.devices, "partitions": PARTITIONS}
    return [
        Figure("the last reports came within", "s", within, better="lower", details=details),
        Figure("change, p99", "s", late_changes, better="lower", bound="<= 1.5", details=details),
        Figure("open command, p99", "s", late_commands, better="lower", bound="<= 15", details=details),
    ]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--devices", type=int, default=20_000)
    options.add_argument("--repeats", type=int, default=3)
    plan = options.parse_args()
    configure_logging("bench", stream=sys.stderr)
    with (
        own_servers(PARTITIONS) as environment,
        tempfile.TemporaryDirectory() as folder,
        processes(environment, Path(folder)),
    ):
        found = asyncio.run(measure(environment, plan))
    report("Lateness with all timers due in one second", found, "timer_burst")
    bounds = {"change, p99": 1.5, "open command, p99": 15.0}
    return 0 if all(figure.worst <= bounds.get(figure.name, figure.worst) for figure in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
