"""Tickets that devices share where an org has no resolve debounce: what follows from a recovery follows at once. On a
real database."""

import asyncio
from typing import Any

import pytest
from correlator_facts import BRISK, T0, change
from correlator_world import CorrelatorWorld
from rollup_facts import MANY, fires, opened, pending, recovers, said, together

from fettle_contracts.health_policy import Match, Override

AT = T0 + 10_000
GATEWAY = "integration/hue-1"
LIST = f"list {GATEWAY}:{MANY}"
PENDING = "pending_open"


async def without_debounce(world: CorrelatorWorld, *, override: bool = False) -> None:
    """Who has failed for ten seconds counts no more for who fires then. The `override` is for all behind hue-1."""
    said: dict[str, Any] = {"resolve_debounce_s": 0}
    if override:
        said = {"overrides": (Override(match=Match(integration="hue-1"), resolve_debounce_s=0),)}
    decided = await world.put(BRISK.model_copy(update={**said, "rollup_window_s": 10}))
    await world.in_force(decided.version.version, at=T0)


@pytest.mark.rule("HM-297", "HM-145", "HM-227")
@pytest.mark.parametrize("override", [False, True])
@pytest.mark.parametrize("batches", [1, 2])
async def test_who_fires_just_behind_the_recovery_that_made_them_few_finds_no_list(
    environment: dict[str, str], batches: int, override: bool
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await without_debounce(world, override=override)
        await together(world, AT)
        await opened(world)
        await said(world)
        at = AT + 20_000
        await world.feed(*recovers("device/d1", at))
        if batches == 2:
            await world.feed(pending("device/d6", at + 100, policy_version=4))
            await world.tick(at + 300)
            await world.feed(fires("device/d6", at + 600, policy_version=4))
        else:
            await world.feed(
                *(pending("device/d6", at + 100, policy_version=4), fires("device/d6", at + 600, policy_version=4))
            )
        await world.tick(at + 2_000)
        lines = await said(world)
        assert f"recovered {GATEWAY}:{MANY}" in lines
        assert "open device/d6" in lines


@pytest.mark.rule("HM-297", "HM-145")
@pytest.mark.parametrize("fires_then", [False, True])
async def test_as_many_with_who_is_about_to_fire_they_are_looked_at_again_after_a_second(
    environment: dict[str, str], fires_then: bool
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await without_debounce(world)
        await together(world, AT)
        await opened(world)
        await said(world)
        at = AT + 20_000
        await world.feed(pending("device/d6", at - 1_000), *recovers("device/d1", at))
        async with asyncio.timeout(60):
            await world.tick(at + 500)
        assert await said(world) == [f"{LIST}: +0 -1"]
        then = fires("device/d6", at + 600) if fires_then else change("device/d6", PENDING, "healthy", at=at + 600)
        await world.feed(then)
        await world.tick(at + 999)
        assert await said(world) == ([f"{LIST}: +1 -0"] if fires_then else [])
        await world.tick(at + 1_000)
        assert (f"recovered {GATEWAY}:{MANY}" in await said(world)) is not fires_then
