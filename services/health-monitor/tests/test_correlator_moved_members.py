"""Devices on the list of a ticket that move behind another integration. On a real database."""

import pytest
from correlator_facts import T0, change
from correlator_world import CorrelatorWorld
from rollup_facts import MANY, UNREACHABLE, behind, fails, opened, recovers, said, together

from fettle_contracts.ticket_events import EntryType

AT = T0 + 10_000


@pytest.mark.rule("HM-280")
@pytest.mark.parametrize("end", ["recovers", "is_removed"])
async def test_a_member_that_has_moved_is_judged_afresh_like_the_others(environment: dict[str, str], end: str) -> None:
    """Timeout 3 s and open debounce 2 s. It counts behind its new integration then, whose own ticket it joins."""
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, "device/d1", "device/d2")
        await world.feed(*fails("integration/hue-1", AT, condition=UNREACHABLE))
        await world.feed(*fails("device/d1", AT + 3_000), *fails("device/d2", AT + 3_000))
        await world.tick(AT + 4_000)
        await behind(world, "device/d1", integration="hue-2")
        await the_integration(world, end, at=AT + 20_000)
        await world.tick(AT + 20_500)
        await said(world)
        await world.tick(AT + 24_999)
        assert await said(world) == []
        await world.tick(AT + 25_000)
        assert sorted(await said(world)) == ["open device/d1", "open device/d2"]


@pytest.mark.rule("HM-280")
async def test_it_joins_its_new_integrations_ticket(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, "device/d1")
        await world.feed(*fails("integration/hue-1", AT, condition=UNREACHABLE), *fails("device/d1", AT + 3_000))
        await behind(world, "device/d1", integration="hue-2")
        await world.feed(*fails("integration/hue-2", AT + 6_000, condition=UNREACHABLE))
        await the_integration(world, "recovers", at=AT + 20_000)
        await world.tick(AT + 20_500)
        await said(world)
        await world.tick(AT + 25_000)
        assert await said(world) == [f"list integration/hue-2:{UNREACHABLE}: +1 -0"]


@pytest.mark.rule("HM-280")
async def test_so_is_one_whose_list_was_taken_over_and_nobody_who_has_recovered(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await behind(world, "device/d1", "device/d2", integration="hue-2")
        await world.feed(*fails("integration/hue-1", AT + 5_000, condition=UNREACHABLE))
        await world.tick(AT + 6_000)
        await opened(world, UNREACHABLE)
        hue_1 = "integration/hue-1"
        await world.happen(
            EntryType.RESOLVED, state="resolved", at=AT + 5_000, subject=hue_1, condition=MANY, version=2
        )
        await world.feed(*(each for one in range(2, 6) for each in recovers(f"device/d{one}", AT + 9_000)))
        await the_integration(world, "recovers", at=AT + 20_000)
        await world.tick(AT + 20_500)
        await said(world)
        await world.tick(AT + 25_000)
        assert await said(world) == ["open device/d1"]


@pytest.mark.rule("HM-305")
async def test_one_that_is_left_over_from_many_names_their_ticket_as_its_parent(environment: dict[str, str]) -> None:
    """Four of the five on the list of the one about many recover."""
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await behind(world, "device/d1", integration="hue-2")
        await world.feed(*(each for one in range(2, 6) for each in recovers(f"device/d{one}", AT + 9_000)))
        await world.tick(AT + 9_500)
        await said(world)
        await world.tick(AT + 20_000)
        assert await said(world) == [
            f"recovered integration/hue-1:{MANY}",
            f"open device/d1 after integration/hue-1:{MANY}",
        ]


async def the_integration(world: CorrelatorWorld, end: str, at: int) -> None:
    if end == "recovers":
        await world.feed(*recovers("integration/hue-1", at, condition=UNREACHABLE))
        return
    await world.feed(change("integration/hue-1", "firing", None, at=at, condition=UNREACHABLE))
