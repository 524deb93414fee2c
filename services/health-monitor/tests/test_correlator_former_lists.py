"""Devices that move from one shared ticket's list to another's. On a real database."""

import pytest
from correlator_facts import BRISK, T0, change
from correlator_world import CorrelatorWorld
from rollup_facts import MANY, UNREACHABLE, behind, fails, opened, recovers, said, together

from fettle_health_monitor.adapters.correlator import former_members
from fettle_health_monitor.domain.correlator.rollups import Parent
from fettle_health_monitor.domain.judgements import Change

AT = T0 + 10_000
LIST, OTHER = f"list integration/hue-1:{MANY}", f"list integration/hue-2:{UNREACHABLE}"


def flaps(subject: str, at: int) -> Change:
    """It calls for a ticket once more."""
    return change(subject, "firing", "flapping", at=at, since=at, reason="changed_too_often")


async def two_tickets(world: CorrelatorWorld) -> None:
    """Six devices share one behind hue-1, so that five are left when one goes, and hue-2 has its own."""
    await together(world, AT)
    await opened(world)
    await world.feed(*fails("device/d6", AT + 4_000))
    await world.feed(*fails("integration/hue-2", AT + 5_000, condition=UNREACHABLE))
    await world.tick(AT + 6_000)
    await opened(world, UNREACHABLE, "integration/hue-2")
    await said(world)


@pytest.mark.rule("HM-239")
async def test_who_joins_another_ticket_while_it_is_down_is_ticked_on_both_lists(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await two_tickets(world)
        await behind(world, "device/d1", integration="hue-2")
        await world.feed(flaps("device/d1", AT + 10_000))
        await world.tick(AT + 11_000)
        assert await said(world) == [f"{OTHER}: +1 -0"]
        await world.feed(change("device/d1", "flapping", "healthy", at=AT + 20_000, since=AT + 18_000))
        await world.tick(AT + 21_000)
        assert sorted(await said(world)) == [f"{LIST}: +0 -1", f"{OTHER}: +0 -1"]
        assert await world.rows("SELECT * FROM former_member") == []


@pytest.mark.rule("HM-239")
async def test_who_had_recovered_before_it_joins_another_is_ticked_there_alone(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await two_tickets(world)
        await world.feed(*recovers("device/d1", AT + 10_000))
        await world.tick(AT + 10_500)
        await behind(world, "device/d1", integration="hue-2")
        await world.feed(*fails("device/d1", AT + 14_000))
        await world.tick(AT + 15_000)
        await said(world)
        await world.feed(*recovers("device/d1", AT + 20_000))
        await world.tick(AT + 21_000)
        assert [line for line in await said(world) if line.startswith("list")] == [f"{OTHER}: +0 -1"]


@pytest.mark.rule("HM-239")
async def test_who_recovers_and_is_back_on_its_list_in_one_batch_is_down_there(environment: dict[str, str]) -> None:
    """It is ticked only where it has been since."""
    async with CorrelatorWorld.open(environment) as world:
        await two_tickets(world)
        await behind(world, "device/d1", integration="hue-2")
        await world.feed(flaps("device/d1", AT + 10_000))
        await world.tick(AT + 11_000)
        await said(world)
        await behind(world, "device/d1")
        well = change("device/d1", "flapping", "healthy", at=AT + 12_000, since=AT + 10_000)
        await world.feed(well, *fails("device/d1", AT + 12_900))
        await world.tick(AT + 13_000)
        assert sorted(await said(world)) == [f"{LIST}: +1 -0", f"{OTHER}: +0 -1"]


@pytest.mark.rule("HM-239")
async def test_so_is_one_that_joins_by_the_verdict_of_its_new_integration(environment: dict[str, str]) -> None:
    """It got a ticket of its own meanwhile, when what fires already was asked for, and that is merged."""
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, "device/d1")
        await world.feed(*fails("integration/hue-1", AT, condition=UNREACHABLE), *fails("device/d1", AT + 3_000))
        await world.tick(AT + 4_000)
        await behind(world, "device/d1", integration="hue-2")
        await world.put(BRISK, publish_existing=True)
        await world.in_force(4, at=AT + 5_000)
        await world.tick(AT + 6_000)
        await said(world)
        async with world.database.engine.begin() as connection:  # it was on that list long ago
            await former_members.add(connection, [(("acme", "device/d1"), Parent("integration/hue-2", UNREACHABLE))])
        await world.feed(*fails("integration/hue-2", AT + 8_000, condition=UNREACHABLE))
        await world.tick(AT + 9_000)
        assert [row.parent for row in await world.rows("SELECT parent FROM former_member")] == ["integration/hue-1"]
        assert f"list integration/hue-2:{UNREACHABLE}: +1 -0" in await said(world)
        await world.feed(*recovers("device/d1", AT + 20_000))
        await world.tick(AT + 21_000)
        ticked = [line for line in await said(world) if line.startswith("list")]
        assert sorted(ticked) == [f"list integration/hue-{number}:{UNREACHABLE}: +0 -1" for number in (1, 2)]
