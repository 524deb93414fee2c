"""A judge that is killed after it was told again what is in force, behind lost log, and before its first checkpoint."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from judge_bugs import judging
from judge_log import policy
from judge_world import World

from fettle_chassis.kafka import build_admin
from fettle_contracts.topics import HEARTBEATS
from fettle_health_monitor.domain.judgements import Hello, InForce, Judgement

DEVICE = "acme/device/x1"
SUBJECT = "device/x1"


@asynccontextmanager
async def killed(environment: dict[str, str]) -> AsyncIterator[None]:
    """A judge that saves nothing after its start, and is killed in the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "fettle_health_monitor",
        "judge",
        env={**os.environ, **environment, "FETTLE_CHECKPOINT_EVERY_S": "600"},
    )
    try:
        yield
    finally:
        process.kill()
        await process.wait()


def told(judgements: list[Judgement]) -> bool:
    return {one.shard for one in judgements if isinstance(one, InForce)} == {0, 1}


async def delete_records(world: World) -> None:
    topic = world.settings.topic(HEARTBEATS)
    everything = {TopicPartition(topic, partition): RecordsToDelete(before_offset=-1) for partition in (0, 1)}
    admin = build_admin(world.settings)
    await admin.start()
    await admin.delete_records(everything)
    await admin.close()


@pytest.mark.slow
@pytest.mark.rule("HM-327")
async def test_who_is_killed_behind_lost_log_leaves_nothing_that_its_next_owner_does_not_know(
    environment: dict[str, str],
) -> None:
    """What the first has said of the device the second says again, and knows what has become of it since."""
    async with World(environment, policy()).open() as world:
        async with world.judge():
            await world.until(judging)
            await world.beat(DEVICE)
            await world.reaches(SUBJECT, "healthy")
        await world.beat(DEVICE)
        await delete_records(world)
        world.judgements.clear()
        async with killed(environment):
            await world.until(told)
            await world.beat(DEVICE, status="offline")
            await world.reaches(SUBJECT, "pending_open")
        async with world.judge():
            await world.beat(DEVICE)
            await world.reaches(SUBJECT, "healthy")

    assert [(one.from_state, one.to_state) for one in world.changes(SUBJECT)] == [
        ("healthy", "pending_open"),
        ("pending_open", "healthy"),
    ]
    assert {one.generation for one in world.judgements} == {1}
    assert len({(one.shard, one.nonce) for one in world.judgements if isinstance(one, Hello)}) == 2
