"""What one verdict ends counts for those that are decided with it, as it does for those that are decided after it. On a
real database."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
from correlator_facts import T0, change
from correlator_world import CorrelatorWorld
from rollup_facts import (
    UNREACHABLE,
    behind,
    devices,
    fails,
    fires,
    heard,
    opened,
    opens,
    pending,
    recovers,
    said,
    tick_on,
)

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.identity import SubjectRef
from fettle_health_monitor.domain.correlator.registration import Registration

AT = T0 + 100_000
HUE = "integration/hue-1"
APART = pytest.mark.parametrize("apart", [True, False], ids=["the clocks come between", "the clocks come behind"])


@pytest_asyncio.fixture
async def world(environment: Mapping[str, str]) -> AsyncIterator[CorrelatorWorld]:
    async with CorrelatorWorld.open(environment) as world:
        yield world


async def hue_recovers_while_one_is_down(world: CorrelatorWorld) -> None:
    """At ten seconds; the device has its whole time from there."""
    await behind(world, "device/d1")
    await world.feed(*fails(HUE, AT, condition=UNREACHABLE))
    await world.tick(AT + 500)
    await opened(world, UNREACHABLE)
    await world.feed(*fails("device/d1", AT + 1_000))
    await world.tick(AT + 1_500)
    await world.feed(*recovers(HUE, AT + 10_000, condition=UNREACHABLE))
    await world.tick(AT + 10_100)
    await said(world)


@pytest.mark.rule("HM-63", "HM-144")
@APART
@pytest.mark.parametrize("how", ["flaps", "has no debounce"])
async def test_who_recovers_in_its_fresh_time_and_fails_at_once_gets_its_ticket(
    world: CorrelatorWorld, how: str, apart: bool
) -> None:
    await hue_recovers_while_one_is_down(world)
    await world.feed(heard("device/d1", AT + 10_500))
    await world.feed(change("device/d1", "pending_resolve", "healthy", at=AT + 12_500, since=AT + 10_500))
    if apart:
        await world.tick(AT + 12_600)
    again: dict[str, Any] = {"at": AT + 12_800, "since": AT + 12_800}
    if how == "flaps":
        await world.feed(change("device/d1", "healthy", "flapping", reason="flipped_too_often", **again))
    else:
        await world.feed(change("device/d1", "healthy", "pending_open", **again))
        await world.feed(change("device/d1", "pending_open", "firing", **again))
    await tick_on(world, AT + 13_000)
    assert await opens(world) == ["open device/d1"]
    assert not await world.rows("SELECT 1 FROM verdict")


@pytest.mark.rule("HM-141")
@APART
async def test_a_ticket_that_has_just_been_resolved_is_not_merged(world: CorrelatorWorld, apart: bool) -> None:
    """d1 is well again, and pending for less than a second in which d2 fires as one of five."""
    await behind(world, *devices(9))
    await world.feed(*fails("device/d1", AT))
    await world.tick(AT + 500)
    await world.feed(heard("device/d1", AT + 8_000))
    await world.feed(*(pending(one, AT + 8_500) for one in devices(4, 2)))
    await world.tick(AT + 9_500)
    await world.feed(change("device/d1", "pending_resolve", "healthy", at=AT + 10_000, since=AT + 8_000))
    if apart:
        await world.tick(AT + 10_050)
    await world.feed(pending("device/d1", AT + 10_200), fires("device/d2", AT + 10_500))
    await world.feed(change("device/d1", "pending_open", "healthy", at=AT + 11_000, since=AT + 11_000))
    await tick_on(world, AT + 12_000)
    down = await world.rows("SELECT subject FROM rollup_member WHERE recovered_at IS NULL ORDER BY subject")
    assert "device/d1" not in [row.subject for row in down]
    assert not [line for line in await said(world) if line.startswith("merged")]


@pytest.mark.rule("HM-144", "HM-303")
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside another's"])
async def test_a_fresh_time_lasts_where_its_device_is_behind_no_integration_any_more(
    world: CorrelatorWorld, beside: bool
) -> None:
    """Three seconds and two, from the recovery at ten."""

    async def enter(**entered: Any) -> None:
        async with unit_of_work(world.database) as work:
            entries = {SubjectRef.parse("device/d1"): Registration(**entered)}
            await world.registry.enter(work, "acme", entries, by="ann")

    await behind(world, "device/d2", integration="hue-2")
    await enter(integration="hue-1")
    (row,) = await world.rows("SELECT shard FROM subject WHERE subject = 'device/d1'")
    await world.feed(*fails(HUE, AT, condition=UNREACHABLE))
    await world.tick(AT + 500)
    await opened(world, UNREACHABLE)
    await world.feed(pending("device/d1", AT + 9_000, shard=row.shard))
    await world.feed(*recovers(HUE, AT + 10_000, condition=UNREACHABLE))
    await world.tick(AT + 10_100)
    await said(world)
    await enter()
    await world.feed(fires("device/d1", AT + 11_000, shard=row.shard))
    if beside:
        await world.feed(*fails("device/d2", AT + 11_100))
    await world.tick(AT + 14_900)
    assert "open device/d1" not in await said(world)
    await world.tick(AT + 15_100)
    assert "open device/d1" in await said(world)
