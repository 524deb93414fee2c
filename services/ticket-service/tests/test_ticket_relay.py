"""Two relays beside many writers, and whichever publishes is killed in the middle of it, again and again."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from sqlalchemy import text
from tests.outside import Received, read_all
from ticket_desk import ANN, opening
from ticket_door import Door, asked, numbered
from ticket_relay import until_published

from fettle_chassis.topics import ensure_topics
from fettle_contracts.ticket_events import EntryType
from fettle_devstack.ports import free_port
from fettle_ticket_service.app import TOPICS
from fettle_ticket_service.domain.commands import Comment, Reopen, Resolve, Start
from fettle_ticket_service.settings import TicketSettings

ORGS = ("acme", "globex", "initech")
WRITERS_PER_ORG = 3
EVENTS = "ticket.events"
WITHIN_S = 60.0
MUCH = 30
"""Rows: some of them are on their way then."""
_DELETING = """pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'DELETE FROM outbox%'"""
TRIGGERS = {kind.value: kind.trigger_topic for kind in EntryType if kind.trigger_topic}


class Writers:
    """Transactions beside each other, several in each org, until they are told to stop."""

    def __init__(self, door: Door, dice: random.Random) -> None:
        self._door, self._dice = door, dice
        self._stopping = False

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            for org in ORGS * WRITERS_PER_ORG:
                group.create_task(self._write(org))
            try:
                yield
            finally:
                self._stopping = True

    async def _write(self, org: str) -> None:
        while not self._stopping:
            await self.batch(org)
            await asyncio.sleep(self._dice.uniform(0.2, 0.8))

    async def batch(self, org: str) -> None:
        """Some tickets, and some of what can happen to earlier ones, in one transaction."""
        dice = self._dice
        commands = [asked(opening(title=f"Noise {dice.random()}"), org=org) for _ in range(dice.randint(1, 6))]
        for _ in range(12):
            move = dice.choice([Start, Resolve, Reopen, Comment, Comment])
            said: dict[str, Any] = {"text": "Seen."} if move is Comment else {}
            commands.append(asked(move(actor=ANN, **said), org=org, ticket=numbered(dice.randint(1, 40))))
        await self._door.ask(*commands)


class Relay:
    """A relay as a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._active = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, environment: Mapping[str, str]) -> Relay:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("FETTLE_")}
        return cls(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "fettle_ticket_service", "relay"),
                env={**inherited, **environment, "FETTLE_TICKETS_RELAY_PORT": str(free_port())},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
        )

    async def publishes(self) -> Relay:
        """Itself, once it is the one that publishes."""
        await self._active.wait()
        return self

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            if b"relay.active" in line:
                self._active.set()


class Relays:
    """Two of them, of which one publishes; a killed one is started again."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._both: list[Relay] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Relays]:
        try:
            for _ in range(2):
                self._both.append(await Relay.start(self._environment))
            yield self
        finally:
            for relay in self._both:
                await relay.kill()

    async def active(self) -> Relay:
        """The one that publishes, once one does."""
        waiting = [asyncio.create_task(relay.publishes()) for relay in self._both]
        try:
            async with asyncio.timeout(WITHIN_S):
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        return done.pop().result()

    async def kill_active(self) -> None:
        relay = await self.active()
        await relay.kill()
        self._both.remove(relay)

    async def bring_back(self) -> None:
        self._both.append(await Relay.start(self._environment))


async def until(holds: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.05)


def end_of(settings: TicketSettings, topic: str) -> int:
    """How many records the topic has had."""
    name = settings.topic(topic)
    consumer = Consumer({"bootstrap.servers": settings.kafka_bootstrap_servers, "group.id": "looking"})
    try:
        partitions = consumer.list_topics(name, timeout=10).topics[name].partitions
        places = [TopicPartition(name, partition) for partition in partitions]
        return sum(consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)
    finally:
        consumer.close()


async def kill_many(door: Door, settings: TicketSettings, environment: dict[str, str], kills: int, seed: int) -> None:
    print(f"seed {seed}")
    dice = random.Random(seed)
    await door.add_orgs(*ORGS)
    await ensure_topics(settings, TOPICS)
    async with Relays(environment).running() as relays:
        async with Writers(door, dice).writing():
            for kill in range(kills):
                if kill % 2:
                    await _kill_behind_kafka(door, relays)
                else:
                    await relays.active()
                    begun = await asyncio.to_thread(end_of, settings, EVENTS)
                    await until(lambda begun=begun: _is_under_way(door, settings, begun))  # type: ignore[misc]
                    await asyncio.sleep(dice.uniform(0, 0.1))
                    await relays.kill_active()
                await relays.bring_back()
                print(f"kill {kill}: {await _waiting(door)} rows wait")
        await until_published(door)
    await check(door, settings, at_least_repeated=kills // 2)


async def _kill_behind_kafka(door: Door, relays: Relays) -> None:
    """Kills the one that publishes when Kafka has taken a chunk that it has not yet deleted: that one comes again.
    Whoever is so quick that kills meet it between two chunks only is held by a lock on their rows."""
    while True:
        async with door.database.engine.begin() as holding:
            if (await holding.execute(text("SELECT id FROM outbox FOR UPDATE SKIP LOCKED"))).all():
                await until(lambda: door.rows(f"SELECT pid FROM {_DELETING}"))
                await relays.kill_active()
                await door.rows(f"SELECT pg_terminate_backend(pid) FROM {_DELETING}")
                return
        await asyncio.sleep(0.05)


async def _waiting(door: Door) -> int:
    return int((await door.rows("SELECT count(*) FROM outbox"))[0][0])


async def _is_under_way(door: Door, settings: TicketSettings, begun: int) -> bool:
    """Whether more than `begun` is published, and much is still to be."""
    return await asyncio.to_thread(end_of, settings, EVENTS) > begun and await _waiting(door) > MUCH


async def check(door: Door, settings: TicketSettings, at_least_repeated: int) -> None:
    """All that happened is on the topics, in each ticket's order and under one id; what came twice came because of a
    kill."""

    def read(name: str) -> list[Received]:
        return read_all(settings.kafka_bootstrap_servers, settings.topic(name))

    entries = await door.rows("SELECT ticket_id, version, id, type FROM entry")
    happened = {(str(ticket), version): str(id) for ticket, version, id, _ in entries}
    seen: dict[str, int] = defaultdict(int)
    ids: dict[tuple[str, int], set[str]] = defaultdict(set)
    opened: dict[str, set[int]] = defaultdict(set)
    records = await asyncio.to_thread(read, EVENTS)
    for record in records:
        body = record.json()
        ticket, version = body["ticket"]["id"], body["entry"]["version"]
        assert version <= seen[ticket] + 1, f"{ticket}: version {version} came after {seen[ticket]}"
        seen[ticket] = max(seen[ticket], version)
        ids[ticket, version].add(record.id)
        opened[body["org"]].add(body["ticket"]["number"])
    assert ids == {place: {id} for place, id in happened.items()}
    for org in ORGS:
        assert sorted(opened[org]) == list(range(1, len(opened[org]) + 1))
    repeats = len(records) - len(happened)
    print(f"{len(happened)} events, {repeats} repeated")
    assert repeats >= at_least_repeated, "the kills have met no batch that was under way"
    for kind, topic in TRIGGERS.items():
        told = {record.id for record in await asyncio.to_thread(read, topic)}
        assert told == {str(id) for _, _, id, each in entries if each == kind}, topic


@pytest.mark.slow
@pytest.mark.rule("OP-22", "KF-40", "TS-26")
async def test_whichever_relay_is_killed_while_it_publishes_nothing_is_lost_or_out_of_order(
    door: Door, settings: TicketSettings, environment: dict[str, str]
) -> None:
    await kill_many(door, settings, environment, kills=5, seed=20)


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@pytest.mark.rule("OP-22", "KF-40", "TS-26")
async def test_relays_are_killed_for_long(door: Door, settings: TicketSettings, environment: dict[str, str]) -> None:
    await kill_many(door, settings, environment, kills=400, seed=random.SystemRandom().getrandbits(32))


@pytest.mark.rule("TS-26", "KF-40")
async def test_whoever_commits_beside_whom_an_orgs_rows_stand_in_the_order_of_its_chain(door: Door) -> None:
    await door.add_orgs(*ORGS)
    writers = Writers(door, random.Random(7))
    async with asyncio.TaskGroup() as group:
        for org in ORGS * 8:
            group.create_task(writers.batch(org))
    rows = await door.events()
    places = defaultdict[str, list[int]](list)
    versions = defaultdict[str, list[int]](list)
    for event in rows:
        places[event.data["org"]].append(event.data["chain"]["place"])
        versions[event.data["ticket"]["id"]].append(event.data["entry"]["version"])
    for org in ORGS:
        assert places[org] == list(range(1, len(places[org]) + 1))
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in versions.values())
    changes = Counter(one.data["org"] != other.data["org"] for one, other in pairwise(rows))
    assert changes[True] > len(ORGS), "nobody has written beside anybody else"
