"""Who is left over from a shared ticket while its own shard is told already that the org is switched off. On a real
database."""

from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio
from correlator_facts import BRISK, T0, next_place
from correlator_world import CorrelatorWorld
from rollup_facts import MANY, UNREACHABLE, behind, devices, fails, opened, recovers, resolved_by_somebody, said

from fettle_health_monitor.domain.correlator.silences import Schedule
from fettle_health_monitor.domain.judgements import InForce

AT = T0 + 10_000
ON = AT + 100_000
OFF_FIRST = 1
"""The shard that is switched off before the other."""


@pytest_asyncio.fixture
async def world(environment: Mapping[str, str]) -> AsyncIterator[CorrelatorWorld]:
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, *devices(5))
        yield world


async def says(world: CorrelatorWorld, shard: int, version: int, at: int, *, on: bool) -> None:
    await world.feed(
        InForce(shard=shard, generation=1, place=next_place(), org="acme", version=version, enabled=on, at=at)
    )


async def on_again(world: CorrelatorWorld, off: int) -> None:
    """The other shard hears of it too, and then the org is switched on everywhere."""
    await says(world, 0, off, AT + 25_000, on=False)
    for at in (AT + 26_000, AT + 60_000, ON - 1_000):
        await world.tick(at)
    assert await said(world) == []
    await world.in_force((await world.put(BRISK)).version.version, at=ON)


@pytest.mark.rule("HM-336", "HM-145", "HM-285")
@pytest.mark.parametrize("well", [False, True], ids=["down", "well again"])
async def test_few_that_are_left_are_judged_afresh_when_their_org_is_on_again(
    world: CorrelatorWorld, well: bool
) -> None:
    """Timeout 3 s and open debounce 2 s."""
    await world.feed(*(each for one in devices(3) for each in fails(one, AT)))
    await world.feed(*(each for one in devices(2, 4) for each in fails(one, AT, shard=OFF_FIRST)))
    await world.tick(AT + 1_000)
    await opened(world)
    await said(world)
    off = (await world.put(BRISK.model_copy(update={"enabled": False}))).version.version
    await says(world, OFF_FIRST, off, AT + 15_000, on=False)
    await world.feed(*(each for one in devices(2) for each in recovers(one, AT + 20_000)))
    await world.tick(AT + 23_000)
    after = f" after integration/hue-1:{MANY}"
    assert [line for line in await said(world) if not line.startswith("list")] == [
        f"recovered integration/hue-1:{MANY}",
        f"open device/d3{after}",
    ]
    await on_again(world, off)
    if well:
        await world.feed(*recovers("device/d4", ON + 3_000, shard=OFF_FIRST, policy_version=off + 1))
    await world.tick(ON + 4_999)
    early = await said(world)
    assert [line for line in early if line.startswith("open")] == []
    await world.tick(ON + 5_001)
    assert await said(world) == (["open device/d5"] if well else ["open device/d4", "open device/d5"])


@pytest.mark.rule("HM-336", "HM-146")
async def test_so_are_those_left_over_from_a_ticket_of_their_integrations_own(world: CorrelatorWorld) -> None:
    """Somebody resolves it early, and a silence keeps it closed."""
    gateway = "integration/hue-1"
    await world.feed(*fails(gateway, AT, condition=UNREACHABLE))
    await world.tick(AT + 500)
    await opened(world, UNREACHABLE)
    for one, shard in (("device/d1", 0), ("device/d2", OFF_FIRST)):
        await world.feed(*fails(one, AT + 3_000, shard=shard))
    await world.tick(AT + 4_000)
    off = (await world.put(BRISK.model_copy(update={"enabled": False}))).version.version
    await says(world, OFF_FIRST, off, AT + 15_000, on=False)
    await resolved_by_somebody(world, AT + 20_000, UNREACHABLE)
    await world.silence(Schedule(AT + 20_500, 3_600), gateway)
    await said(world)
    await world.tick(AT + 22_500)
    assert await said(world) == [f"open device/d1 after {gateway}:{UNREACHABLE}"]
    await on_again(world, off)
    await world.tick(ON + 4_999)
    assert await said(world) == []
    await world.tick(ON + 5_001)
    assert await said(world) == ["open device/d2"]
