"""Schedules fired by engines that are killed, added and taken away, each by a clock of its own that jumps."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from engine_outside import EngineProcess, Outside, outside_of
from engine_world import World, world_of
from test_triggers_on_kafka import check_each_moment_ended_once, every_minute, put_due, quiet

from fettle_devstack.ports import free_port

FARTHEST_S = 1_500
"""So that the first and the last of all clocks are less than the hundred minutes apart of which an event names each."""


@pytest.fixture
async def world(environment: dict[str, str]) -> AsyncIterator[World]:
    async with world_of(environment) as found:
        yield found


@pytest.fixture
async def outside(world: World) -> AsyncIterator[Outside]:
    async with outside_of(world.settings) as found:
        yield found


class Replica:
    """An engine with a clock of its own."""

    def __init__(self, environment: dict[str, str], wrong_by: Path) -> None:
        script = str(Path(__file__).with_name("engine_by_a_clock.py"))
        port = {"FETTLE_WORKFLOWS_PORT": str(free_port())}
        self._wrong_by = wrong_by
        self.jump(0)
        self.process = EngineProcess({**environment, **port}, (script, str(wrong_by)))

    def jump(self, seconds: float) -> None:
        """From now on the clock is wrong by so much."""
        new = self._wrong_by.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self._wrong_by)


@pytest.mark.slow
@pytest.mark.rule("WF-56")
async def test_no_moment_is_lost_or_doubled_by_a_few_kills_a_new_replica_and_jumping_clocks(
    environment: dict[str, str], world: World, outside: Outside, tmp_path: Path
) -> None:
    await storm(environment, world, outside, tmp_path, kills=4)


@pytest.mark.campaign
@pytest.mark.timeout(2400)
@pytest.mark.rule("WF-56")
async def test_no_moment_is_lost_or_doubled_by_kills_new_replicas_and_jumping_clocks(
    environment: dict[str, str], world: World, outside: Outside, tmp_path: Path
) -> None:
    await storm(environment, world, outside, tmp_path, kills=100)


async def storm(environment: dict[str, str], world: World, outside: Outside, folder: Path, *, kills: int) -> None:
    """Between two kills clocks jump; one of three engines is there for half of the time only."""
    spread_s = min(60, 2 * kills)
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    triggers = await every_minute(world, flows=2, triggers=20)
    start = datetime.now(UTC) + timedelta(seconds=5)
    first = {name: (start + timedelta(seconds=chance.uniform(0, spread_s))).replace(microsecond=0) for name in triggers}
    await put_due(world, first)
    replicas = [Replica(environment, folder / f"clock-{number}") for number in range(3)]
    async with AsyncExitStack() as stack:
        for replica in replicas:
            stack.push_async_callback(replica.process.stop)
        for replica in replicas[:2]:
            await replica.process.start()
        for kill in range(kills):
            if kill % 4 == 1:
                await replicas[2].process.start()
            if kill % 4 == 3:
                await replicas[2].process.ready()
                assert await replicas[2].process.stop() == 0
            await asyncio.sleep(chance.uniform(0, 4))
            for replica in replicas:
                if chance.random() < 0.5:
                    replica.jump(chance.uniform(-FARTHEST_S, FARTHEST_S))
            killed = replicas[kill % 2].process
            await killed.kill()
            await killed.start()
        for replica in replicas:
            replica.jump(0)
        await asyncio.gather(*(replica.process.ready() for replica in replicas[:2]))
        await quiet(world)
        await check_each_moment_ended_once(world, outside, first)
