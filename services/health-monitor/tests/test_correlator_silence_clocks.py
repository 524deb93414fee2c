"""Silences where the wall's clock and the shards' are apart."""

import pytest
from correlator_facts import T0
from correlator_world import CorrelatorWorld
from silenced_world import fire, held, opened

from fettle_contracts.times import from_ms
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
