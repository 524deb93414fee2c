"""Engines are killed while orgs come and go: each org is given its workflows once, of the gone nothing stays."""

import asyncio
import os
import random
from collections.abc import AsyncIterator

import pytest
from engine_api import NOTE
from engine_orgs import ALERT, CHECK, NIGHTLY, spoken, told
from engine_outside import EngineProcess, Outside, engine_process, outside_of
from engine_world import World, event, world_of
from sqlalchemy import text

from fettle_chassis.told_orgs import ToldOrg
from fettle_contracts.cloudevents import to_binary
from fettle_contracts.topics import ORGS
from fettle_devstack.ports import free_port

COUNT, RUNS, KILLS = 60, 40, 3
NAMES = [f"org-{number}" for number in range(COUNT)]
GONE = NAMES[::2]


@pytest.fixture
async def world(environment: dict[str, str]) -> AsyncIterator[World]:
    async with world_of(environment) as found:
        yield found


async def say(world: World, outside: Outside, *statements: ToldOrg) -> None:
    for one in statements:
        headers, value = to_binary(spoken(world, one))
        await outside.put(ORGS, one.org.org.encode(), value, headers)
    await outside.flush()


async def count(world: World, query: str) -> int:
    async with world.database.reading() as connection:
        return int(await connection.scalar(text(query), {"gone": GONE}))


async def reaches(world: World, query: str, wanted: range, within_s: float = 60) -> None:
    """Waits until the count is in the range; looks often enough to meet it half-way."""
    async with asyncio.timeout(within_s):
        while True:
            if await count(world, query) in wanted:
                return
            await asyncio.sleep(0.01)


async def killed_on_the_way(world: World, process: EngineProcess, query: str, moments: list[range]) -> None:
    """Kills the engine as the count comes into each of the ranges, and starts it again."""
    for moment in moments:
        await reaches(world, query, moment)
        await process.kill()
        await process.start()
        await process.ready()


LEFT = "SELECT count(*) FROM run WHERE org = ANY (:gone)"
SAVED = "SELECT count(*) FROM workflow WHERE saved_by = 'fettle'"


@pytest.mark.rule("WF-120", "WF-122")
async def test_orgs_come_and_go_under_engines_that_are_killed(world: World, environment: dict[str, str]) -> None:
    seed = int(os.environ.get("SEED", random.randrange(10_000)))
    print(f"SEED={seed}")
    chance = random.Random(seed)
    second = {**environment, "FETTLE_WORKFLOWS_PORT": str(free_port())}
    async with outside_of(world.settings) as outside, engine_process(environment) as one, engine_process(second):
        await say(world, outside, *map(told, NAMES), *map(told, chance.sample(NAMES, 20)))
        marks = sorted(chance.sample(range(1, COUNT), KILLS))
        await killed_on_the_way(world, one, SAVED, [range(mark, 2 * COUNT + 1) for mark in marks])
        await reaches(world, SAVED, range(2 * COUNT, 2 * COUNT + 1))
        await world.delete(ALERT, org=NAMES[1])
        for org in GONE:
            await world.save(NOTE, org=org)
            await world.save(NIGHTLY, org=org)
            await world.happen(*(event(org=org, number=number) for number in range(1, RUNS + 1)))
        await say(world, outside, *(told(org, deleted=True, minutes=1) for org in GONE), *map(told, NAMES))
        total = len(GONE) * RUNS
        left = sorted((chance.randrange(1, total) for _ in range(KILLS)), reverse=True)
        await killed_on_the_way(world, one, LEFT, [range(most + 1) for most in left])
        for table in ("run", "workflow", "workflow_version", "schedule"):
            await reaches(world, f"SELECT count(*) FROM {table} WHERE org = ANY (:gone)", range(1))
    assert await count(world, "SELECT count(*) FROM org WHERE deleted AND org = ANY (:gone)") == len(GONE)
    async with world.database.reading() as connection:
        rows = await connection.execute(text("SELECT org, name, version FROM workflow ORDER BY org, name"))
        kept = [tuple(row) for row in rows]
    living = sorted(set(NAMES) - set(GONE))
    assert kept == [(org, name, 1) for org in living for name in (ALERT, CHECK) if (org, name) != (NAMES[1], ALERT)]
