"""Devices that are silenced and have a ticket, of their own or with others. On a real database."""

from uuid import UUID

import pytest
from correlator_facts import T0
from correlator_world import CorrelatorWorld
from rollup_facts import (
    MANY,
    UNREACHABLE,
    behind,
    devices,
    fails,
    opened,
    recovers,
    resolved_by_somebody,
    said,
    together,
)
from test_correlator_refusals import not_taken_over

from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.domain.correlator.silences import Schedule

AT = T0 + 10_000
RECOVERED = f"recovered integration/hue-1:{MANY}"
DAY_S = 86_400


@pytest.mark.rule("HM-281")
@pytest.mark.parametrize("length_s", [60, 7], ids=["silenced", "no longer silenced"])
async def test_a_silenced_devices_ticket_stays_its_own(environment: dict[str, str], length_s: int) -> None:
    """The integration fires 8 s after the silence began."""
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, "device/d1", "device/d2")
        for subject in ("device/d1", "device/d2"):
            await world.feed(*fails(subject, AT))
            await world.tick(AT + 500)
            (asked,) = await world.commands()
            await world.happen(EntryType.OPENED, subject=subject, answering=UUID(asked.event.id))
            await world.clear()
        await world.silence(Schedule(AT + 2_000, length_s), "device/d1")
        await world.feed(*fails("integration/hue-1", AT + 10_000, condition=UNREACHABLE))
        await world.tick(AT + 10_500)
        merged = ["device/d2"] if length_s > 7 else ["device/d1", "device/d2"]
        own = f"integration/hue-1:{UNREACHABLE}"
        assert sorted(await said(world)) == sorted(
            [
                "open integration/hue-1",
                *(f"merged {one}:device_offline -> {own}" for one in merged),
                f"list {own}: +{len(merged)} -0",
            ]
        )


@pytest.mark.rule("HM-281")
@pytest.mark.parametrize("silenced", [True, False])
async def test_who_is_silenced_after_it_joined_does_not_count_any_more(
    environment: dict[str, str], silenced: bool
) -> None:
    """Six have joined, five are many. One is silenced, another recovers: four are left."""
    async with CorrelatorWorld.open(environment) as world:
        await six_share_a_ticket(world)
        if silenced:
            await world.silence(Schedule(AT + 8_000, DAY_S), "device/d1")
        await world.feed(*recovers("device/d6", AT + 20_000))
        await world.tick(AT + 21_999)
        assert RECOVERED not in await said(world)
        await world.tick(AT + 22_000)
        assert (RECOVERED in await said(world)) is silenced


@pytest.mark.rule("HM-281")
async def test_it_counts_again_when_its_silence_has_ended(environment: dict[str, str]) -> None:
    """Before the resolve debounce is over."""
    async with CorrelatorWorld.open(environment) as world:
        await six_share_a_ticket(world)
        await world.silence(Schedule(AT + 8_000, 13), "device/d1")
        await world.feed(*recovers("device/d6", AT + 20_000))
        await world.tick(AT + 20_500)
        await world.tick(AT + 21_500)
        await world.tick(AT + 60_000)
        assert RECOVERED not in await said(world)


@pytest.mark.rule("HM-281")
@pytest.mark.parametrize("silenced", [True, False])
async def test_an_early_resolve_is_none_where_few_count(environment: dict[str, str], silenced: bool) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await six_share_a_ticket(world)
        for subject in devices(2) if silenced else ():
            await world.silence(Schedule(AT + 8_000, DAY_S), subject)
        await world.tick(AT + 20_000)
        await resolved_by_somebody(world, AT + 20_000)
        assert await said(world) == ([] if silenced else ["comment"])


@pytest.mark.rule("HM-281")
async def test_the_beginning_of_a_silence_ends_no_ticket(environment: dict[str, str]) -> None:
    """Five are on the list, which is many; four are left that are not silenced, and nobody looks."""
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await said(world)
        await world.silence(Schedule(AT + 8_000, 60), "device/d1")
        await world.tick(AT + 60_000)
        assert await said(world) == []


@pytest.mark.rule("HM-248", "HM-281")
@pytest.mark.parametrize("silenced", [True, False])
async def test_a_silenced_one_does_not_count_where_a_merge_was_refused(
    environment: dict[str, str], silenced: bool
) -> None:
    """Five are on the list, which is many, one of them silenced by then: few, and the resolve debounce later it ends.
    The refusal is known at 11 s."""
    async with CorrelatorWorld.open(environment) as world:
        if silenced:
            await world.silence(Schedule(AT + 8_000, DAY_S), "device/d1")
        await not_taken_over(world)
        await world.tick(AT + 12_999)
        assert RECOVERED not in await said(world)
        await world.tick(AT + 13_000)
        assert (RECOVERED in await said(world)) is silenced


async def six_share_a_ticket(world: CorrelatorWorld) -> None:
    await together(world, AT)
    await opened(world)
    await world.feed(*fails("device/d6", AT + 5_000))
    await world.tick(AT + 6_000)
    await said(world)
