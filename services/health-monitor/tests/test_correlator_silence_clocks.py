"""Silences where the wall's clock and the shards' are apart."""

from uuid import uuid4

import pytest
from correlator_facts import T0
from correlator_world import CorrelatorWorld
from silenced_world import DAY, fire, held, opened
from sqlalchemy import text

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.times import from_ms
from fettle_health_monitor.adapters.correlator.silence_register import Selection
from fettle_health_monitor.correlator.silences import Wanted
from fettle_health_monitor.domain.correlator.silences import Schedule


@pytest.mark.rule("HM-274", "HM-126")
@pytest.mark.parametrize("ahead_ms", [0, 1_500, 3_600_000])
async def test_a_removal_by_a_wall_that_is_behind_misses_nobody_who_was_held_back(
    environment: dict[str, str], ahead_ms: int
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        world.wall = from_ms(T0 + 1)
        id = await world.silence(Schedule(T0, 7_200))
        at = T0 + 2 + ahead_ms
        await fire(world, at)
        await world.tick(at + 1_000)
        assert await held(world) == {id: 1}
        world.wall = from_ms(T0 + 2)
        assert await world.unsilence(id)
        await world.tick(at + 2_000)
        await world.tick(at + 3_000)
        assert len(await opened(world)) == 1
        (silence,) = await world.rows("SELECT removed_at, ends_at, due_at FROM silence")
        assert tuple(silence) == (at + 1, at + 1, None)


@pytest.mark.rule("HM-276")
async def test_a_shard_that_stands_still_moves_nobodys_silence_but_its_own(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        for number in range(6):
            await world.feed(world.profile(f"device/d{number}", space="oslo"))
        now = T0 + 3 * DAY
        world.wall = from_ms(now + 10_000)
        await world.tick(now, 0)
        nightly = Schedule(T0 - 1_000, 60, "FREQ=DAILY;COUNT=9", "UTC")
        for number in range(6):
            await world.silence(nightly, f"device/d{number}")
        async with unit_of_work(world.database) as work:
            await work.connection.execute(text("UPDATE subject SET shard = 1 WHERE subject < 'device/d3'"))
            wanted = Wanted(nightly, None, "ann@acme.test")
            await world.silences.select(work, uuid4(), "acme", Selection(space="oslo"), wanted)
        made = await world.rows("SELECT selection IS NULL AS alone, shard, from_at FROM silence")
        assert {(row.alone, row.shard) for row in made} == {(one, shard) for one in (True, False) for shard in (0, 1)}
        assert {(row.shard, row.from_at) for row in made} == {(0, now - 1_000), (1, T0 - 1_000)}
