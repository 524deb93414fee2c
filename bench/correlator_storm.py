"""What does a storm cost the correlator, and is it still exactly one ticket an integration?

20,000 of an org's 100,000 devices, behind 40 integrations, fall silent within ten seconds and fire a debounce later.
All that twelve shards would say of it is written to `health.judgements` as fast as the broker takes it, and a
correlator reads it. Measured is how many changes of state it takes in a second, from the first record of the storm to
the last command that follows. Beside it, in the same run: how fast a bare client reads the same records; how long after
the first has fired the last command follows when everything comes at its own pace; and the same on an org that has just
these 20,000 devices, whose heartbeats are lost then.
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
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
from aiokafka import AIOKafkaProducer, TopicPartition
from sqlalchemy import text
from tests.verdict_books import check_books

from bench.lateness import everything, tell_org
from bench.report import Figure, report
from bench.servers import own_servers
from fettle_chassis.database import Database
from fettle_chassis.kafka import build_consumer, build_producer
from fettle_chassis.logs import configure_logging
from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.partitions import partition_for
from fettle_contracts.topics import COMMANDS, JUDGEMENTS
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
WELL = 80_000
"""The org's other devices, which nothing happens to: their rows are there from the beginning."""
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
                deadline=None if after == "healthy" else since,
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

    def storm(self, begins: int, *, fires: bool | None = None) -> Iterator[Judgement]:
        """In the order of instants, with clocks each second as the judges would write them; only what falls silent, or
        only what fires, if that is said."""
        silent = [(begins + number * SILENT_WITHIN_MS // DEVICES, number) for number in range(DEVICES)]
        moments = [(at, number, False) for at, number in silent] if fires is not True else []
        if fires is not False:
            moments += [(at + DEBOUNCE_MS, number, True) for at, number in silent]
        moments.sort()
        shown = moments[0][0]
        for at, number, is_firing in moments:
            while at >= shown + 1_000:
                shown += 1_000
                yield from self.clocks(shown)
            if is_firing:
                yield self.change(number, "pending_open", "firing", at, at - DEBOUNCE_MS)
            else:
                yield self.change(number, "healthy", "pending_open", at, at)
        yield from self.clocks(moments[-1][0] + 1_000)
        if fires is not False:
            yield from self.clocks(moments[-1][0] + 6_000)


async def write(
    settings: HealthSettings, producer: AIOKafkaProducer, org: str, judgements: Iterator[Judgement]
) -> None:
    """Clocks go to every partition, all else to the org's."""
    topic = settings.topic(JUDGEMENTS)
    for judgement in judgements:
        for partition in range(SHARDS) if isinstance(judgement, Clock) else (home(org),):
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


_WELL = text("""
    INSERT INTO subject (org, subject, shard, generation, state, since_at, changed_at, policy_version,
                         heard_integration)
    SELECT :org, 'device/well' || number, number % 12, 1, 'healthy', :at, :at, 2, 'cloud-' || number % 200
    FROM generate_series(1, CAST(:well AS integer)) AS number
""")


async def pad(settings: HealthSettings, org: str, at: int) -> None:
    """Gives the org devices that are well."""
    database = Database(settings.database_dsn("health"))
    try:
        async with unit_of_work(database) as work:
            await work.connection.execute(_WELL, {"org": org, "at": at, "well": WELL})
    finally:
        await database.close()


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
        place = TopicPartition(settings.topic(JUDGEMENTS), home(org))
        consumer.assign([place])
        consumer.seek(place, first)
        end = (await consumer.end_offsets([place]))[place]
        begun, read = time.perf_counter(), 0
        while await consumer.position(place) < end:
            read += sum(map(len, (await consumer.getmany(timeout_ms=500)).values()))
        return read / (time.perf_counter() - begun)
    finally:
        await consumer.stop()


@dataclass
class Found:
    """Seconds: of storms that come as a backlog, from the first that fires where they come at their pace, and the same
    where all of an org's heartbeats are lost; and what a bare client reads a second of the first."""

    took: list[float] = field(default_factory=list)
    paced: list[float] = field(default_factory=list)
    lost: list[float] = field(default_factory=list)
    bares: list[float] = field(default_factory=list)


async def measure(environment: Mapping[str, str], repeats: int) -> Found:
    settings = HealthSettings.load(environment)
    producer = build_producer(settings, client_id="bench")
    await producer.start()
    found, offsets, begins = Found(), [count() for _ in range(SHARDS)], count(int(time.time() * 1000), 1_000_000)
    try:
        async with asyncio.timeout(60), httpx2.AsyncClient(timeout=5.0) as client:
            while not await _answers(client, settings):  # noqa: ASYNC110 - another process's doing
                await asyncio.sleep(0.1)
        for number in range(repeats):
            bench = Bench(settings, producer, Shards(f"part-{number}", next(begins), offsets))
            first = await bench.introduce(padded=True)
            found.took.append(await bench.until(await bench.storm(), MANY))
            found.bares.append(await bare(settings, bench.shards.org, first))
            bench = Bench(settings, producer, Shards(f"paced-{number}", next(begins), offsets))
            await bench.introduce(padded=True)
            found.paced.append(await bench.until(await bench.paced(), MANY))
            bench = Bench(settings, producer, Shards(f"all-{number}", next(begins), offsets))
            await bench.introduce(padded=False)
            found.lost.append(await bench.until(await bench.paced(), ONE))
        await check_books(settings.database_dsn("health"))
    finally:
        await producer.stop()
    return found


MANY, ONE = Counter({"multiple_devices_offline": INTEGRATIONS}), Counter({"heartbeats_lost": 1})


@dataclass
class Bench:
    """One org and its storm."""

    settings: HealthSettings
    producer: AIOKafkaProducer
    shards: Shards

    async def introduce(self, *, padded: bool) -> int:
        """Makes the org and its healthy devices known. Answers where its storm will begin."""
        org = self.shards.org
        await tell_org(self.settings, self.producer, org, {"enabled": True, "publish_tickets": True})
        if padded:
            await pad(self.settings, org, self.shards.at)
        await self.write(self.shards.in_force())
        await self.write(self.shards.fleet())
        await _settled(self.settings, org)
        return await _end(self.settings, TopicPartition(self.settings.topic(JUDGEMENTS), home(org)))

    async def write(self, judgements: Iterator[Judgement]) -> None:
        await write(self.settings, self.producer, self.shards.org, judgements)

    async def storm(self) -> float:
        """As a backlog. Answers when it began."""
        begun = time.perf_counter()
        await self.write(self.shards.storm(self.shards.at + 400_000))
        return begun

    async def paced(self) -> float:
        """Everybody is silent; then they fire, as fast as they would. Answers when the first did."""
        begins = self.shards.at + 400_000
        await self.write(self.shards.storm(begins, fires=False))
        await _settled(self.settings, self.shards.org)
        begun = time.perf_counter()
        for number, judgement in enumerate(self.shards.storm(begins, fires=True)):
            if number % 100 == 0 and isinstance(judgement, Change):
                ahead = (judgement.at - begins - DEBOUNCE_MS) / 1000 - (time.perf_counter() - begun)
                await asyncio.sleep(max(0.0, ahead))
            await self.write(iter([judgement])) if isinstance(judgement, Clock) else await self._send(judgement)
        await self.producer.flush()
        return begun

    async def _send(self, judgement: Judgement) -> None:
        org = self.shards.org
        topic = self.settings.topic(JUDGEMENTS)
        await self.producer.send(topic, encode(judgement), key=org.encode(), partition=home(org))

    async def until(self, begun: float, wanted: Counter[str]) -> float:
        """Seconds until just these tickets are asked for, and everybody who joins one is listed."""
        opened, listed = Counter[str](), 0
        while opened != wanted or (wanted is MANY and listed < DEVICES):
            await asyncio.sleep(0.25)
            opened, listed = await asked(self.settings, self.shards.org)
            if opened - wanted:
                raise AssertionError(f"asked for {dict(opened)}")
        seconds = time.perf_counter() - begun
        await _settled(self.settings, self.shards.org)
        opened, listed = await asked(self.settings, self.shards.org)
        if opened != wanted:
            raise AssertionError(f"asked for {dict(opened)}, {listed} on lists")
        return seconds


def home(org: str) -> int:
    """The partition of `health.judgements` that all about an org comes by."""
    return partition_for(org.encode(), SHARDS)


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
        place = TopicPartition(settings.topic(JUDGEMENTS), home(org))
        end = (await consumer.end_offsets([place]))[place]
        async with asyncio.timeout(120):
            while (await consumer.committed(place) or 0) < end:  # noqa: ASYNC110 - another process's doing
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
    with (
        own_servers(SHARDS) as environment,
        tempfile.TemporaryDirectory() as folder,
        correlator(environment, Path(folder)),
    ):
        found = asyncio.run(measure(environment, plan.repeats))
    details = {"devices": DEVICES, "integrations": INTEGRATIONS, "shards": SHARDS}
    rates = [2 * DEVICES / seconds for seconds in found.took]
    shares = [rate / read for rate, read in zip(rates, found.bares, strict=True)]

    def seconds(name: str, values: list[float]) -> Figure:
        return Figure(name, "s", values, better="lower", bound="<= 15", details=details)

    figures = [
        Figure("changes taken in and decided", "1/s", rates, bound=">= 3000", details=details),
        Figure("of what a bare client reads", "", shares, details=details),
        Figure(
            "a backlog, from the first record to the last command", "s", found.took, better="lower", details=details
        ),
        seconds("at its pace, from the first that fires to the last command", found.paced),
        seconds("all lost, from the first that fires to the one ticket", found.lost),
    ]
    report("A storm: 20,000 of 100,000 devices, exactly 40 tickets; of 20,000 exactly one", figures, "correlator_storm")
    return 0 if min(rates) >= 3_000 and max(*found.paced, *found.lost) <= 15 else 1


if __name__ == "__main__":
    raise SystemExit(main())
