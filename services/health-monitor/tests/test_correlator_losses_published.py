"""Heartbeats are lost while nothing is published, and then something is. On a real database."""

from typing import Any

import pytest
from correlator_facts import BRISK
from correlator_world import CorrelatorWorld
from loss_facts import GONE, fires, fleet, heard, silent, states
from rollup_facts import said

QUIETLY: dict[str, Any] = {"policy_version": 2}


@pytest.mark.rule("HM-283")
@pytest.mark.parametrize("existing", [True, False], ids=["what exists", "only what comes"])
async def test_lost_heartbeats_get_their_ticket_with_what_exists(environment: dict[str, str], existing: bool) -> None:
    """Once, by whichever of two shards, and it is resolved like any other."""
    async with CorrelatorWorld.open(environment) as world:
        everybody = await lost_unpublished(world)
        await publish(world, GONE + 5_000, existing=existing)
        await world.tick(GONE + 6_000)
        assert await said(world) == (["open other/heartbeats"] if existing else [])
        await world.feed(*(heard(each, GONE + 10_000, policy_version=5) for each in everybody))
        await world.tick(GONE + 13_000)
        recovered = ["recovered other/heartbeats:heartbeats_lost"]
        assert [line for line in await said(world) if "heartbeats" in line] == (recovered if existing else [])


@pytest.mark.rule("HM-283")
@pytest.mark.parametrize("after", [1_000, 3_000], ids=["within the resolve debounce", "behind it"])
async def test_there_is_none_where_they_arrive_again(environment: dict[str, str], after: int) -> None:
    async with CorrelatorWorld.open(environment) as world:
        everybody = await lost_unpublished(world)
        await world.feed(*(heard(each, GONE + 3_000, **QUIETLY) for each in everybody))
        await world.tick(GONE + 3_000 + after)
        await publish(world, GONE + 3_000 + after)
        await world.tick(GONE + 3_000 + after + 100)
        assert await said(world) == (["open other/heartbeats"] if after < 2_000 else [])


async def lost_unpublished(world: CorrelatorWorld) -> list[str]:
    await world.in_force(2, at=GONE - 400_000)
    everybody = await fleet(world)
    await world.feed(*(silent(each, GONE - 2_000, **QUIETLY) for each in everybody))
    await world.feed(*(fires(each, GONE, **QUIETLY) for each in everybody))
    await world.tick(GONE + 1_000)
    assert (await states(world))["unknown"] == 12
    assert await said(world) == []
    return everybody


async def publish(world: CorrelatorWorld, at: int, *, existing: bool = True) -> None:
    decided = await world.put(BRISK.model_copy(update={"rollup_threshold": 6}), publish_existing=existing)
    await world.in_force(decided.version.version, at=at)
