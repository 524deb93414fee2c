"""What does a storm cost the correlator, and is it still exactly one ticket an integration?

20,000 devices behind 40 integrations fall silent within ten seconds and fire a debounce later. What twelve shards would
say of it is written to `health.judgements` as fast as the broker takes it; a correlator process reads it. Measured is
how many changes of state it takes in a second, from the first record of the storm to the last command that follows.
Beside it, in the same run: how fast a bare client reads the same records.
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
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
from aiokafka import AIOKafkaProducer, TopicPartition

from bench.lateness import everything, tell_org
from bench.report import Figure, report
from fettle_chassis.kafka import build_consumer, build_producer
from fettle_chassis.logs import configure_logging
from fettle_contracts.partitions import partition_for
from fettle_contracts.topics import COMMANDS, JUDGEMENTS
from fettle_devstack.isolation import discard, isolated
from fettle_devstack.pytest_plugin import own_pair
from fettle_health_monitor.domain.judgements import (
    CLOCK_INDEX,
    Change,
    Clock,
    Evidence,
    InForce,
    Judgement,
    Profile,
    encode,
)
from fettle_health_monitor.settings import HealthSettings

SHARDS = 12
DEVICES, INTEGRATIONS = 20_000, 40
SILENT_WITHIN_MS, DEBOUNCE_MS = 10_000, 60_000
VERSION = 2


class Shards:
    """What the shards would write about one org; `offsets` go on from org to org, as places of a log do."""

    def __init__(self, org: str, began_at: int, offsets: list[count[int]]) -> None:
        self.org, self.at, self._offsets = org, began_at, offsets

    def _placed(self, shard: int) -> dict[str, Any]:
        return {"shard": shard, "generation": 1, "place": (next(self._offsets[shard]), 0)}

    def in_force(self) -> Iterator[Judgement]:
        for shard in range(SHARDS):
            yield InForce(**self._placed(shard), org=self.org, version=VERSION, enabled=True, at=self.at)

    def clocks(self, at: int) -> Iterator[Judgement]:
        for shard in range(SHARDS):
            offset = next(self._offsets[shard])
            yield Clock(
                shard=shard,
                generation=1,
                place=(offset, CLOCK_INDEX),
                at=at,
                clock=at,
                offset=offset,
                address="http://127.0.0.1:1",
            )

    def profile(self, number: int) -> Judgement:
        return Profile(
            **self._placed(number % SHARDS),
            org=self.org,
            subject=f"device/d{number}",
            name=f"Sensor {number}",
            integration=f"cloud-{number % INTEGRATIONS}",
            space=None,
            model=None,
            interval_s=None,
            at=self.at,
        )

    def change(self, number: int, before: str | None, after: str, at: int, since: int) -> Judgement:
        placed = self._placed(number % SHARDS)
        return Change(
            **placed,
            id=str(uuid4()),
            org=self.org,
            subject=f"device/d{number}",
            from_state=before,
            to_state=after,
            condition=None if after == "healthy" else "device_offline",
            at=at,
            since=since,
            reason="silent",
            policy_version=VERSION,
            flap_count=0,
            evidence=Evidence(
                last_heard=since - 180_000,
                deadline=since,
                partition=number % SHARDS,
                offset=placed["place"][0],
                status="ok",
                timeout_s=180.0,
                debounce_s=DEBOUNCE_MS / 1000,
            ),
        )

    def fleet(self) -> Iterator[Judgement]:
        for number in range(DEVICES):
            yield self.profile(number)
            yield self.change(number, None, "healthy", self.at, self.at)
        yield from self.clocks(self.at + 1_000)

    def storm(self, begins: int) -> Iterator[Judgement]:
        """In the order of instants, with clocks each second as the judges would write them."""
        silent = [(begins + number * SILENT_WITHIN_MS // DEVICES, number) for number in range(DEVICES)]
        moments = sorted(
            [
                *((at, number, False) for at, number in silent),
                *((at + DEBOUNCE_MS, number, True) for at, number in silent),
            ]
        )
        shown = begins
        for at, number, fires in moments:
            while at >= shown + 1_000:
                shown += 1_000
                yield from self.clocks(shown)
            if fires:
                yield self.change(number, "pending_open", "firing", at, at - DEBOUNCE_MS)
            else:
                yield self.change(number, "healthy", "pending_open", at, at)
        yield from self.clocks(moments[-1][0] + 6_000)


async def write(
    settings: HealthSettings, producer: AIOKafkaProducer, org: str, judgements: Iterator[Judgement]
) -> None:
    """Clocks go to every partition, all else to the org's."""
    topic, home = settings.topic(JUDGEMENTS), partition_for(org.encode(), SHARDS)
    for judgement in judgements:
        for partition in range(SHARDS) if isinstance(judgement, Clock) else (home,):
            await producer.send(topic, encode(judgement), key=org.encode(), partition=partition)
    await producer.flush()


@contextmanager
def correlator(environment: Mapping[str, str], folder: Path) -> Iterator[None]:
    with (folder / "correlator.log").open("wb") as log:
        command = [sys.executable, "-m", "fettle_health_monitor", "correlator"]
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


async def asked(settings: HealthSettings, org: str) -> tuple[Counter[str], int]:
    """How many tickets of which kind were asked for, and how many devices were put on lists."""
    opened: Counter[str] = Counter()
    listed = 0
    async with everything(settings, COMMANDS) as records:
        for record in records:
            body = json.loads(record.value)
            if record.key == org.encode():
                opened.update([body["kind"]] if "kind" in body else [])
                listed += len(body.get("add", ()))
    return opened, listed


async def bare(settings: HealthSettings, org: str, first: int) -> float:
    """Records a second that a client alone reads of the storm."""
    consumer = build_consumer(settings, client_id="bare")
    await consumer.start()
    try:
        home = TopicPartition(settings.topic(JUDGEMENTS), partition_for(org.encode(), SHARDS))
        consumer.assign([home])
        consumer.seek(home, first)
        end = (await consumer.end_offsets([home]))[home]
        begun, read = time.perf_counter(), 0
        while await consumer.position(home) < end:
            read += sum(map(len, (await consumer.getmany(timeout_ms=500)).values()))
        return read / (time.perf_counter() - begun)
    finally:
        await consumer.stop()


async def measure(environment: Mapping[str, str], repeats: int) -> tuple[list[float], list[float], list[float]]:
    settings = HealthSettings.load(environment)
    producer = build_producer(settings, client_id="bench")
    await producer.start()
    rates, bares, took = [], [], []
    offsets = [count() for _ in range(SHARDS)]
    try:
        async with asyncio.timeout(60), httpx2.AsyncClient(timeout=5.0) as client:
            while not await _answers(client, settings):  # noqa: ASYNC110 - another process's doing
                await asyncio.sleep(0.1)
        for number in range(repeats):
            org = f"storm-{number}"
            await tell_org(settings, producer, org, {"enabled": True, "publish_tickets": True})
            shards = Shards(org, int(time.time() * 1000) + number * 1_000_000, offsets)
            await write(settings, producer, org, shards.in_force())
            await write(settings, producer, org, shards.fleet())
            await _settled(settings, org)
            home = TopicPartition(settings.topic(JUDGEMENTS), partition_for(org.encode(), SHARDS))
            first = await _end(settings, home)
            begun = time.perf_counter()
            await write(settings, producer, org, shards.storm(shards.at + 400_000))
            opened, listed = Counter[str](), 0
            while listed < DEVICES:
                await asyncio.sleep(0.25)
                opened, listed = await asked(settings, org)
            seconds = time.perf_counter() - begun
            if opened != {"multiple_devices_offline": INTEGRATIONS} or listed != DEVICES:
                raise AssertionError(f"asked for {dict(opened)}, {listed} on lists")
            rates.append(2 * DEVICES / seconds)
            took.append(seconds)
            bares.append(await bare(settings, org, first))
    finally:
        await producer.stop()
    return rates, bares, took


async def _answers(client: httpx2.AsyncClient, settings: HealthSettings) -> bool:
    try:
        return (await client.get(f"http://127.0.0.1:{settings.health_port}/readyz")).status_code == 200
    except httpx2.HTTPError:
        return False


async def _settled(settings: HealthSettings, org: str) -> None:
    """Waits until the correlator has read all that there is."""
    consumer = build_consumer(settings, client_id="bench-place", group=settings.group("health-monitor.judgements"))
    await consumer.start()
    try:
        home = TopicPartition(settings.topic(JUDGEMENTS), partition_for(org.encode(), SHARDS))
        end = (await consumer.end_offsets([home]))[home]
        async with asyncio.timeout(120):
            while (await consumer.committed(home) or 0) < end:  # noqa: ASYNC110 - another process's doing
                await asyncio.sleep(0.1)
    finally:
        await consumer.stop()


async def _end(settings: HealthSettings, place: TopicPartition) -> int:
    consumer = build_consumer(settings, client_id="bench-end")
    await consumer.start()
    try:
        return int((await consumer.end_offsets([place]))[place])
    finally:
        await consumer.stop()


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--repeats", type=int, default=3)
    plan = options.parse_args()
    configure_logging("bench", stream=sys.stderr)
    with own_pair(Path(__file__).parent.parent, os.environ) as servers, tempfile.TemporaryDirectory() as folder:
        environment = isolated(servers, SHARDS)
        try:
            with correlator(environment, Path(folder)):
                rates, bares, took = asyncio.run(measure(environment, plan.repeats))
        finally:
            discard(servers, environment)
    details = {"devices": DEVICES, "integrations": INTEGRATIONS, "shards": SHARDS}
    shares = [rate / read for rate, read in zip(rates, bares, strict=True)]
    found = [
        Figure("changes taken in and decided", "1/s", rates, bound=">= 3000", details=details),
        Figure("of what a bare client reads", "", shares, details=details),
        Figure("from the first record to the last command", "s", took, better="lower", bound="<= 15", details=details),
    ]
    report("A storm: 20,000 devices behind 40 integrations, exactly 40 tickets", found, "correlator_storm")
    return 0 if min(rates) >= 3_000 else 1


if __name__ == "__main__":
    raise SystemExit(main())
