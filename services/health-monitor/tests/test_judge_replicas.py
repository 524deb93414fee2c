"""Judges that come and go while many heartbeats arrive: what they say together is what one that nobody disturbs says
about the same records."""

import asyncio
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from confluent_kafka import Producer
from judge_log import policy
from judge_world import World

from fettle_chassis.kafka import build_consumer
from fettle_chassis.signing import Verifier
from fettle_contracts.partitions import partition_for
from fettle_contracts.topics import HEARTBEATS
from fettle_devstack.isolation import discard, isolated
from fettle_devstack.ports import free_port
from fettle_devstack.servers import Servers
from fettle_health_monitor.adapters.judge.control_records import SignedReader
from fettle_health_monitor.domain.control import Hello
from fettle_health_monitor.domain.judge.checkpoint import begin
from fettle_health_monitor.domain.judge.shard import Shard
from fettle_health_monitor.domain.judgements import Change, Clock, Judgement

PARTITIONS = 4
WITHIN_S = 120.0
SUBJECTS = 10_000
STOPS_AFTER = 5
"""Every hundredth device is heard in so many rounds and then falls silent."""
POLICY = policy("acme", timeout_s=4, open_debounce_s=1, resolve_debounce_s=1)


@pytest.fixture
def settings(servers: Servers) -> Iterator[dict[str, str]]:
    found = isolated(servers, PARTITIONS)
    yield found
    discard(servers, found)


class Load:
    """Heartbeats in rounds, each of all devices in turn, until it is told to end; in each round some report that they
    are offline, every fifth of those for eight rounds on end. So many `a_second`, or as many as the broker takes."""

    def __init__(self, bootstrap: str, topic: str, a_second: int | None) -> None:
        self._topic, self._a_second, self._ended = topic, a_second, False
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "linger.ms": 20,
                "batch.size": 262_144,
                "queue.buffering.max.messages": 200_000,
            }
        )
        self.rounds = 0
        self.sent = 0

    def run(self) -> None:
        """Blocks until `end`, and until the broker has all of it."""
        keys = [f"acme/device/thermostat-{device:06d}".encode() for device in range(SUBJECTS)]
        places = [partition_for(key, PARTITIONS) for key in keys]
        said = [
            json.dumps({"status": status, "integration": "hue-1", "interval_s": 60, "space": "oslo/hq/3"}).encode()
            for status in ("ok", "offline")
        ]
        begun = time.monotonic()
        while not self._ended:
            for device, key in enumerate(keys):
                if self._a_second and device % 100 == 0:
                    time.sleep(max(0.0, begun + self.sent / self._a_second - time.monotonic()))
                if device % 100 == 0 and self.rounds >= STOPS_AFTER:
                    continue
                bad = (device + self.rounds) % 200 < (8 if device % 5 == 0 else 1)
                self._send(key, said[bad], places[device])
            self.rounds += 1
        self._producer.flush()

    def _send(self, key: bytes, value: bytes, partition: int) -> None:
        self.sent += 1
        while True:
            try:
                self._producer.produce(self._topic, value, key, partition)
                return
            except BufferError:
                self._producer.poll(0.05)

    def end(self) -> None:
        self._ended = True


class Judges:
    """Processes by their addresses, and whose shards are whose, as their clocks say."""

    def __init__(self, world: World, environment: Mapping[str, str], log: Path) -> None:
        self._world, self._environment, self._log = world, environment, log
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.owners: dict[int, list[str]] = {shard: [] for shard in range(PARTITIONS)}
        self._looked_at = 0

    def come(self) -> str:
        port = str(free_port())
        with self._log.open("ab") as log:
            self.running[f"http://127.0.0.1:{port}"] = subprocess.Popen(
                [sys.executable, "-m", "fettle_health_monitor", "judge"],
                env={**os.environ, **self._environment, "FETTLE_JUDGE_PORT": port},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return f"http://127.0.0.1:{port}"

    async def go(self, which: str, how: signal.Signals = signal.SIGTERM) -> None:
        process = self.running.pop(which)
        process.send_signal(how)
        await asyncio.to_thread(process.wait, 40)

    async def own(self, *whom: str) -> None:
        """Returns when each of these has a shard and all shards are theirs. Looks now and then: at every message it
        would be too often."""
        async with asyncio.timeout(WITHIN_S):
            while self._now() != set(whom):  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    def _now(self) -> set[str]:
        for one in self._world.judgements[self._looked_at :]:
            if isinstance(one, Clock) and self.owners[one.shard][-1:] != [one.address]:
                self.owners[one.shard].append(one.address)
            self._looked_at += 1
        return {owners[-1] for owners in self.owners.values() if owners}


@asynccontextmanager
async def judges(world: World, environment: Mapping[str, str], log: Path) -> AsyncIterator[Judges]:
    """Two of them, each with shards of its own."""
    found = Judges(world, environment, log)
    try:
        found.come()
        found.come()
        await found.own(*found.running)
        yield found
    finally:
        for process in found.running.values():
            process.terminate()
        for process in found.running.values():
            await asyncio.to_thread(process.wait, 40)


@pytest.mark.rule("HM-46", "HM-27")
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("comings", "a_second"),
    [
        pytest.param(1, 20_000, id="in short"),
        pytest.param(4, None, id="as fast as the machine takes them", marks=pytest.mark.campaign),
    ],
)
async def test_judges_that_come_and_go_under_load_invent_and_lose_nothing(
    settings: dict[str, str], tmp_path: Path, comings: int, a_second: int | None
) -> None:
    seed = int(os.environ.get("FETTLE_TEST_SEED") or secrets.randbits(32))
    print(f"FETTLE_TEST_SEED={seed}")
    async with World(settings, POLICY).open() as world:
        async with judges(world, settings, tmp_path / "judges.log") as judging:
            load = Load(world.settings.kafka_bootstrap_servers, world.settings.topic(HEARTBEATS), a_second)
            begun, sending = time.monotonic(), asyncio.create_task(asyncio.to_thread(load.run))
            try:
                await come_and_go(judging, random.Random(seed), comings)
            finally:
                load.end()
                await sending
            took = time.monotonic() - begun
            ends = await end_offsets(world)
            await all_said(world, ends)
        assert {one.generation for one in world.judgements} == {1}
        for shard in range(PARTITIONS):
            place = said_up_to(world.judgements, shard)
            alone = {one.place: one for one in await judged_alone(world, shard) if one.place[0] <= place}
            together = world.judgements_of(shard)
            assert {one.place: one for one in together if not isinstance(one, Clock) and one.place[0] <= place} == alone
    changes = [one for one in world.judgements if isinstance(one, Change)]
    assert {one.to_state for one in changes} >= {"healthy", "pending_open", "firing", "pending_resolve"}
    once = {one.id: one for one in changes}
    assert all(once[one.id] == one for one in changes)
    moves = sum(len(owners) - 1 for owners in judging.owners.values())
    assert moves >= 2 * comings
    print(f"{load.sent / took:.0f} heartbeats/s; {len(once)} changes, said {len(changes)} times; {moves} moves")


async def come_and_go(judging: Judges, dice: random.Random, comings: int) -> None:
    """A third judge comes and has its share, and one of the three goes, asked to or killed: the others have all."""
    for turn in range(comings):
        judging.come()
        await judging.own(*judging.running)
        await asyncio.sleep(dice.uniform(0, 1))
        await judging.go(dice.choice(list(judging.running)), signal.SIGTERM if turn % 2 else signal.SIGKILL)
        await judging.own(*judging.running)


async def all_said(world: World, ends: Mapping[int, int]) -> None:
    """Looks now and then: at every message it would be a look at all of them."""
    async with asyncio.timeout(WITHIN_S):
        while any(said_up_to(world.judgements, shard) < end - 1 for shard, end in ends.items()):  # noqa: ASYNC110
            await asyncio.sleep(0.2)


def said_up_to(judgements: list[Judgement], shard: int) -> int:
    return max((one.offset for one in judgements if isinstance(one, Clock) and one.shard == shard), default=-1)


async def end_offsets(world: World) -> dict[int, int]:
    consumer = build_consumer(world.settings, client_id="ends")
    await consumer.start()
    where = [TopicPartition(world.settings.topic(HEARTBEATS), partition) for partition in range(PARTITIONS)]
    ends = await consumer.end_offsets(where)
    await consumer.stop()
    return {place.partition: end for place, end in ends.items()}


async def judged_alone(world: World, partition: int) -> list[Judgement]:
    """All that the shard says about its log as it stands now, from the hello on."""
    topic = world.settings.topic(HEARTBEATS)
    where = TopicPartition(topic, partition)
    read = SignedReader(Verifier(world.settings.signing_keys), topic, partition)
    consumer = build_consumer(world.settings, client_id="alone", auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([where])
    end = (await consumer.end_offsets([where]))[where]
    shard: Shard | None = None
    said: list[Judgement] = []
    while await consumer.position(where) < end:
        for records in (await consumer.getmany(timeout_ms=1000)).values():
            if shard is None:
                greeting = next(
                    statement.statement for record in records if record.headers and (statement := read(record))
                )
                assert isinstance(greeting, Hello)
                shard = begin(partition, PARTITIONS, 1, greeting.nonce)
            said += shard.fold(records, read).judgements
    await consumer.stop()
    return said
