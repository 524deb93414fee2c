"""What does a storm cost the correlator, and is it still exactly one ticket an integration?

20,000 of an org's 100,000 devices, behind 40 integrations, fall silent within ten seconds and fire a debounce later.
All that twelve shards would say of it is written to `health.judgements` as fast as the broker takes it, and a
correlator reads it. Measured is how many changes of state it takes in a second, from the first record of the storm to
the last command that follows. Beside it, in the same run: how fast a bare client reads the same records; how long after
the first has fired, when everything comes at its own pace, the last of the 40 tickets is `opened` in `ticket.events`,
by the broker's time; and the same on an org that has just these 20,000 devices, whose heartbeats are lost then. The
ticket service and its relay are real processes beside the correlator. Every storm begins when correlator and ticket
service have nothing left to do, with the org's fleet and with the storm before.
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

import httpx2
from aiokafka import AIOKafkaProducer, TopicPartition
from sqlalchemy import text
from tests.verdict_books import check_books

from bench.correlator.caught_up import correlator_caught_up, tickets_caught_up
from bench.correlator.shards import DEBOUNCE_MS, DEVICES, INTEGRATIONS, SHARDS, Shards, home, write
from bench.lateness import everything, tell_org
from bench.report import Figure, report
from bench.servers import own_servers
from bench.tickets.processes import running
from fettle_chassis.database import Database
from fettle_chassis.kafka import build_consumer, build_producer
from fettle_chassis.logs import configure_logging
from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.ticket_events import EntryType
from fettle_contracts.topics import COMMANDS, EVENTS, JUDGEMENTS
from fettle_health_monitor.domain.judgements import Change, Clock, Judgement, encode
from fettle_health_monitor.settings import HealthSettings

WELL = 80_000
"""The org's other devices, which nothing happens to: their rows are there from the beginning."""


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


@dataclass
class Asked:
    """How many tickets of which kind were asked for, how many devices were put on lists, and the broker time of the
    last that was, in milliseconds."""

    kinds: Counter[str] = field(default_factory=Counter)
    listed: int = 0
    last: int = 0


async def asked(settings: HealthSettings, org: str) -> Asked:
    found = Asked()
    async with everything(settings, COMMANDS) as records:
        for record in records:
            body = json.loads(record.value)
            if record.key == org.encode():
                found.kinds.update([body["kind"]] if "kind" in body else [])
                found.listed += len(body.get("add", ()))
                found.last = max(found.last, record.timestamp)
    return found


async def opened(settings: HealthSettings, org: str) -> tuple[Counter[str], int]:
    """How many tickets of which kind there are, and the broker time at which the last was opened, in milliseconds."""
    kinds, last = Counter[str](), 0
    async with everything(settings, EVENTS) as records:
        for record in records:
            body = json.loads(record.value)
            if body["org"] == org and body["entry"]["type"] == EntryType.OPENED:
                kinds[body["ticket"]["kind"]] += 1
                last = max(last, record.timestamp)
    return kinds, last


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
    """Seconds: of storms that come as a backlog, until the last command; where they come at their pace, from the first
    that fires until the last ticket is opened, and until everybody is on a list; the first of these where all of an
    org's heartbeats are lost; and what a bare client reads a second of the first storm."""

    took: list[float] = field(default_factory=list)
    paced: list[float] = field(default_factory=list)
    listed: list[float] = field(default_factory=list)
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
            begun = await bench.storm()
            found.took.append((await bench.asked_for(MANY)).last / 1000 - begun)
            found.bares.append(await bare(settings, bench.shards.org, first))
            bench = Bench(settings, producer, Shards(f"paced-{number}", next(begins), offsets))
            await bench.introduce(padded=True)
            begun = await bench.paced()
            found.paced.append(await bench.opened(MANY) - begun)
            found.listed.append((await bench.asked_for(MANY)).last / 1000 - begun)
            bench = Bench(settings, producer, Shards(f"all-{number}", next(begins), offsets))
            await bench.introduce(padded=False)
            begun = await bench.paced()
            found.lost.append(await bench.opened(ONE) - begun)
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
        await self._caught_up()
        return await _end(self.settings, TopicPartition(self.settings.topic(JUDGEMENTS), home(org)))

    async def write(self, judgements: Iterator[Judgement]) -> None:
        await write(self.settings, self.producer, self.shards.org, judgements)

    async def storm(self) -> float:
        """As a backlog. Answers when it began, in seconds since 1970."""
        begun = time.time()
        await self.write(self.shards.storm(self.shards.at + 400_000))
        return begun

    async def paced(self) -> float:
        """Everybody is silent; then they fire, as fast as they would. Answers when the first did, in seconds since
        1970."""
        begins = self.shards.at + 400_000
        await self.write(self.shards.storm(begins, fires=False))
        await self._caught_up()
        begun = time.time()
        for number, judgement in enumerate(self.shards.storm(begins, fires=True)):
            if number % 100 == 0 and isinstance(judgement, Change):
                ahead = (judgement.at - begins - DEBOUNCE_MS) / 1000 - (time.time() - begun)
                await asyncio.sleep(max(0.0, ahead))
            await self.write(iter([judgement])) if isinstance(judgement, Clock) else await self._send(judgement)
        await self.producer.flush()
        return begun

    async def _caught_up(self) -> None:
        await correlator_caught_up(self.settings, SHARDS)
        await tickets_caught_up(self.settings, SHARDS)

    async def _send(self, judgement: Judgement) -> None:
        org = self.shards.org
        topic = self.settings.topic(JUDGEMENTS)
        await self.producer.send(topic, encode(judgement), key=org.encode(), partition=home(org))

    async def asked_for(self, wanted: Counter[str]) -> Asked:
        """Waits until just these tickets are asked for, and everybody who joins one is listed."""
        found = Asked()
        while found.kinds != wanted or (wanted is MANY and found.listed < DEVICES):
            await asyncio.sleep(0.25)
            found = await asked(self.settings, self.shards.org)
            if found.kinds - wanted:
                raise AssertionError(f"asked for {dict(found.kinds)}")
        await correlator_caught_up(self.settings, SHARDS)
        if (after := await asked(self.settings, self.shards.org)).kinds != wanted:
            raise AssertionError(f"asked for {found}, and later for {after}")
        return found

    async def opened(self, wanted: Counter[str]) -> float:
        """When the last of just these tickets was opened, in seconds since 1970."""
        await self.asked_for(wanted)
        kinds, last = Counter[str](), 0
        while kinds != wanted:
            await asyncio.sleep(0.25)
            kinds, last = await opened(self.settings, self.shards.org)
            if kinds - wanted:
                raise AssertionError(f"opened {dict(kinds)}")
        return last / 1000


async def _answers(client: httpx2.AsyncClient, settings: HealthSettings) -> bool:
    try:
        return (await client.get(f"http://127.0.0.1:{settings.health_port}/readyz")).status_code == 200
    except httpx2.HTTPError:
        return False


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
        running(environment),
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
        seconds("at its pace, from the first that fires to the last ticket", found.paced),
        Figure("until the last device is on its list", "s", found.listed, better="lower", details=details),
        seconds("all lost, from the first that fires to the one ticket", found.lost),
    ]
    report("A storm: 20,000 of 100,000 devices, exactly 40 tickets; of 20,000 exactly one", figures, "correlator_storm")
    return 0 if min(rates) >= 3_000 and max(*found.paced, *found.lost) <= 15 else 1


if __name__ == "__main__":
    raise SystemExit(main())
