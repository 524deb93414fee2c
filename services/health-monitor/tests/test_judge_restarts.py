"""A judge that is killed again and again says what one that is never stopped would have said."""

import asyncio
import os
import random
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping

import pytest
from aiokafka import TopicPartition
from judge_world import World

from fettle_chassis.kafka import build_consumer
from fettle_chassis.signing import Verifier
from fettle_contracts.topics import HEARTBEATS
from fettle_health_monitor.adapters.judge.control_records import SignedReader
from fettle_health_monitor.domain.judge.shard import HeartbeatRecord, Shard
from fettle_health_monitor.domain.judgements import Clock, Hello, Judgement

DEVICES = [f"acme/device/d{number}" for number in range(12)]


async def started(environment: Mapping[str, str]) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "fettle_health_monitor", "judge", env={**os.environ, **environment}
    )


async def report_until(world: World, dice: random.Random, enough: asyncio.Event) -> None:
    """Devices that report, pause for longer than their timeout, and sometimes say that they are offline."""
    while not enough.is_set():
        for key in dice.sample(DEVICES, 4):
            await world.beat(key, status=dice.choice(["ok", "ok", "offline"]), interval_s=1)
        await asyncio.sleep(dice.uniform(0.1, 1.5))


async def killed_and_started(world: World, environment: Mapping[str, str], dice: random.Random, kills: int) -> Process:
    """Each judge gets somewhere before it is killed, between two records like any other moment."""
    judge = await started(environment)
    await heard_from(world)
    for _ in range(kills):
        await asyncio.sleep(dice.uniform(0.2, 5.0))
        judge.kill()
        await judge.wait()
        judge = await started(environment)
        await heard_from(world)
    return judge


async def heard_from(world: World) -> None:
    already = len(world.judgements)
    await world.until(lambda seen: len(seen) > already)


async def written(world: World, partition: int) -> list[HeartbeatRecord]:
    where = TopicPartition(world.settings.topic(HEARTBEATS), partition)
    consumer = build_consumer(world.settings, client_id="replay")
    await consumer.start()
    try:
        consumer.assign([where])
        await consumer.seek_to_beginning(where)
        end = (await consumer.end_offsets([where]))[where]
        records: list[HeartbeatRecord] = []
        while len(records) < end:
            records += (await consumer.getmany(where, timeout_ms=1000)).get(where, [])
        return records
    finally:
        await consumer.stop()


def replayed(world: World, partition: int, nonce: str, records: list[HeartbeatRecord]) -> list[Judgement]:
    """What a shard says that reads the whole partition in one go."""
    shard = Shard(partition, world.partitions[HEARTBEATS], 1)
    shard.await_announcement(nonce)
    topic = world.settings.topic(HEARTBEATS)
    return shard.fold(records, SignedReader(Verifier(world.settings.signing_keys), topic, partition)).judgements


def said(world: World, shard: int, upto: int) -> list[Judgement]:
    """What the killed judges said, repeats once, clocks apart."""
    mine = (one for one in world.judgements_of(shard) if not isinstance(one, Clock) and one.place[0] <= upto)
    return sorted(mine, key=lambda one: (one.generation, one.place))


async def compare(environment: dict[str, str], seed: int, kills: int) -> None:
    dice = random.Random(seed)
    print(f"seed {seed}, {kills} kills")
    environment["FETTLE_CHECKPOINT_EVERY_S"] = "2"
    async with World(environment).open() as world:
        enough = asyncio.Event()
        reporting = asyncio.create_task(report_until(world, dice, enough))
        judge = await killed_and_started(world, environment, dice, kills)
        enough.set()
        await reporting
        logs = {partition: await written(world, partition) for partition in (0, 1)}
        ends = {partition: records[-1].offset for partition, records in logs.items()}
        await world.until(lambda seen: all(passed(seen, shard, end) for shard, end in ends.items()))
        judge.terminate()
        assert await judge.wait() == 0
    for partition, records in logs.items():
        nonces = [one.nonce for one in world.judgements_of(partition) if isinstance(one, Hello)]
        assert len(nonces) == 1
        expected = replayed(world, partition, nonces[0], records)
        assert len(expected) > 20
        assert said(world, partition, ends[partition]) == expected


def passed(judgements: list[Judgement], shard: int, offset: int) -> bool:
    return any(isinstance(one, Clock) and one.shard == shard and one.offset >= offset for one in judgements)


@pytest.mark.slow
@pytest.mark.rule("HM-27", "HM-48")
async def test_killed_judges_say_what_one_would_have_said(environment: dict[str, str]) -> None:
    await compare(environment, random.SystemRandom().randrange(2**32), kills=4)


@pytest.mark.campaign
@pytest.mark.timeout(1800)
@pytest.mark.rule("HM-27", "HM-48")
async def test_judges_killed_fifty_times_say_what_one_would_have_said(environment: dict[str, str]) -> None:
    await compare(environment, random.SystemRandom().randrange(2**32), kills=50)
