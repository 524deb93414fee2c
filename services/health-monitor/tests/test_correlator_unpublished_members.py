"""Devices that fired while nothing was published, and their integration's end since. On a real database."""

import pytest
from correlator_facts import BRISK, QUIET, T0, change
from correlator_world import CorrelatorWorld
from rollup_facts import UNREACHABLE, behind, fails, heard, recovers, said

AT = T0 + 20_000
ONE, OTHER, INTEGRATION = "device/d1", "device/d2", "integration/hue-1"


async def fires_unpublished(world: CorrelatorWorld, *, existing: bool = False) -> None:
    """The device fires while publishing is off; then that is switched on."""
    await behind(world, ONE, OTHER)
    await world.put(QUIET)
    await world.in_force(4, at=T0 + 500)
    await world.feed(*fails(ONE, T0 + 5_000, policy_version=4))
    await world.tick(T0 + 6_000)
    await world.put(BRISK, publish_existing=existing)
    await world.in_force(5, at=T0 + 7_000)
    await world.tick(T0 + 8_000)


async def integration_comes_and_goes(world: CorrelatorWorld) -> None:
    """Another device fails behind it meanwhile and stays dead."""
    await world.feed(*fails(INTEGRATION, AT, condition=UNREACHABLE, policy_version=5))
    await world.feed(*fails(OTHER, AT + 3_000, policy_version=5))
    await world.feed(*recovers(INTEGRATION, AT + 20_000, condition=UNREACHABLE, policy_version=5))
    await world.tick(AT + 21_000)
    await world.clear()
    await world.tick(AT + 60_000)


@pytest.mark.rule("HM-289")
async def test_an_integrations_end_opens_nothing_for_what_fired_before_publishing_began(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fires_unpublished(world)
        await integration_comes_and_goes(world)
        assert await said(world) == [f"open {OTHER}"]


@pytest.mark.rule("HM-289")
async def test_nor_where_it_recovered_and_flapped_at_one_instant(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, ONE, OTHER)
        await world.put(QUIET)
        await world.in_force(4, at=T0 + 500)
        await world.feed(
            *fails(ONE, T0 + 5_000, policy_version=4),
            heard(ONE, T0 + 5_500, policy_version=4),
            change(ONE, "pending_resolve", "healthy", at=T0 + 6_000, policy_version=4),
            change(ONE, "healthy", "flapping", at=T0 + 6_000, policy_version=4),
        )
        await world.tick(T0 + 6_500)
        await world.put(BRISK)
        await world.in_force(5, at=T0 + 7_000)
        await world.tick(T0 + 8_000)
        await integration_comes_and_goes(world)
        assert await said(world) == [f"open {OTHER}"]


@pytest.mark.rule("HM-289")
async def test_nor_where_it_was_just_heard_again_and_fails_on(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fires_unpublished(world)
        await world.feed(heard(ONE, AT + 19_000))
        await integration_comes_and_goes(world)
        await world.clear()
        await world.feed(change(ONE, "pending_resolve", "firing", at=AT + 61_000, policy_version=5))
        await world.tick(AT + 90_000)
        assert await said(world) == []


@pytest.mark.rule("HM-289")
async def test_once_it_has_been_well_it_is_like_any_other(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fires_unpublished(world)
        await world.feed(*recovers(ONE, T0 + 12_000, policy_version=5))
        await world.tick(T0 + 13_000)
        await world.feed(*fails(ONE, AT + 2_000, policy_version=5))
        await integration_comes_and_goes(world)
        assert sorted(await said(world)) == [f"open {ONE}", f"open {OTHER}"]


@pytest.mark.rule("HM-289")
async def test_so_is_who_has_failed_anew_and_is_not_decided_about_yet(environment: dict[str, str]) -> None:
    """It is about to fire when its integration is well."""
    async with CorrelatorWorld.open(environment) as world:
        await fires_unpublished(world)
        await world.feed(*recovers(ONE, T0 + 12_000, policy_version=5))
        await world.tick(T0 + 13_000)
        await world.feed(*fails(ONE, AT + 21_000, policy_version=5))
        await integration_comes_and_goes(world)
        assert sorted(await said(world)) == [f"open {ONE}", f"open {OTHER}"]


@pytest.mark.rule("HM-67", "HM-289")
async def test_where_tickets_for_what_exists_were_asked_for_it_has_its_own(environment: dict[str, str]) -> None:
    """It goes on in its integration's, and is judged afresh behind that."""
    async with CorrelatorWorld.open(environment) as world:
        await fires_unpublished(world, existing=True)
        assert await said(world) == [f"open {ONE}"]
        await integration_comes_and_goes(world)
        assert sorted(await said(world)) == [f"open {ONE}", f"open {OTHER}"]
