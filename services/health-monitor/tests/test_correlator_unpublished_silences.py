"""Silences of subjects that fired while nothing was published, and their ends since. On a real database."""

import pytest
from correlator_facts import BRISK, QUIET, T0, change
from correlator_world import CorrelatorWorld
from silenced_world import FIRING, HEALTHY, RESOLVING, fire, held, move, opened

from fettle_health_monitor.domain.correlator.silences import Schedule


async def fires_unpublished(world: CorrelatorWorld, *, existing: bool = False) -> None:
    """It fires while publishing is off; then that is switched on."""
    await world.put(QUIET)
    await world.in_force(4, at=T0 + 500)
    await world.feed(change(from_state=HEALTHY, to_state=FIRING, at=T0 + 1_000, policy_version=4))
    await world.put(BRISK, publish_existing=existing)
    await world.in_force(5, at=T0 + 2_000)


@pytest.mark.rule("HM-67", "HM-318")
@pytest.mark.parametrize("at_once", [False, True], ids=["one by one", "at once"])
@pytest.mark.parametrize("removed", [False, True])
async def test_the_end_of_a_silence_that_held_nothing_back_opens_nothing(
    environment: dict[str, str], at_once: bool, removed: bool
) -> None:
    """Nor does that of another one behind it, or under it."""
    async with CorrelatorWorld.open(environment) as world:
        await fires_unpublished(world)
        if not at_once:
            await world.tick(T0 + 3_000)
        first = await world.silence(Schedule(T0 + 4_000, 10))
        await world.silence(Schedule(T0 + 4_000, 20))
        if removed:
            await world.unsilence(first)
        await world.tick(T0 + 40_000)
        again = await world.silence(Schedule(T0 + 41_000, 10))
        await world.tick(T0 + 60_000)
        assert await opened(world) == []
        assert {outcome for _, outcome in await world.outcomes()} == {"unpublished"}
        assert again not in await held(world)
        (last,) = await world.rows("SELECT reason FROM outcome ORDER BY at DESC LIMIT 1")
        assert last.reason == "nothing was published when it fired, and it has not been well since"


@pytest.mark.rule("HM-318")
async def test_once_it_has_been_well_it_is_like_any_other(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fires_unpublished(world)
        await world.silence(Schedule(T0 + 4_000, 10))
        await move(world, FIRING, RESOLVING, HEALTHY, at=T0 + 6_000)
        await fire(world, T0 + 8_000)
        await world.tick(T0 + 40_000)
        assert len(await opened(world)) == 1
        assert (await world.outcomes())[-1] == ("silence_ended", "opened")


@pytest.mark.rule("HM-318")
async def test_so_it_is_where_the_silence_held_back_what_was_asked_for(environment: dict[str, str]) -> None:
    """Publishing was switched on for what exists while it was silenced."""
    async with CorrelatorWorld.open(environment) as world:
        await world.silence(Schedule(T0, 10))
        await fires_unpublished(world, existing=True)
        await world.tick(T0 + 40_000)
        assert await world.outcomes() == [
            ("firing", "unpublished"),
            ("publishing_began", "silenced"),
            ("silence_ended", "opened"),
        ]


@pytest.mark.rule("HM-318")
async def test_what_a_silence_held_back_while_it_was_published_comes_at_its_end(environment: dict[str, str]) -> None:
    """Though publishing was off for a while since."""
    async with CorrelatorWorld.open(environment) as world:
        await world.silence(Schedule(T0, 10))
        await fire(world, T0 + 1_000)
        await world.tick(T0 + 2_000)
        await world.put(QUIET)
        await world.in_force(4, at=T0 + 3_000)
        await world.put(BRISK)
        await world.in_force(5, at=T0 + 4_000)
        await world.tick(T0 + 40_000)
        assert await world.outcomes() == [("firing", "silenced"), ("silence_ended", "opened")]
