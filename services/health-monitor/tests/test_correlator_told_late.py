"""A shard that is behind by more than is waited for tells late that an integration had recovered: what has been decided
meanwhile about the devices behind it. On a real database."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
from correlator_facts import T0, change
from correlator_world import CorrelatorWorld
from rollup_facts import UNREACHABLE, behind, fails, opened, recovers, said, tick_on

from fettle_contracts.identity import HeartbeatKey
from fettle_health_monitor.domain.correlator.silences import Schedule

AT = T0 + 100_000
HUE, CREDENTIALS = "integration/hue-1", "integration_credentials_invalid"
HUE_2 = "integration/hue-2"
"""Its shard is the second of two, by its key."""
DEVICE = "device/d5"
"""Its shard is the first of two, by its key."""


@pytest_asyncio.fixture
async def world(environment: Mapping[str, str]) -> AsyncIterator[CorrelatorWorld]:
    async with CorrelatorWorld.open(environment) as world:
        yield world


async def share_its_own(world: CorrelatorWorld) -> None:
    """The integration, of shard 1, has a ticket, and the device is behind it."""
    await behind(world, DEVICE)
    await world.feed(*fails(HUE, AT, condition=UNREACHABLE, shard=1))
    await world.tick(AT + 500)
    await opened(world, UNREACHABLE)


async def ticks(world: CorrelatorWorld, first: int, last: int, *, late: bool) -> None:
    """Every four seconds from `AT` + `first` to before `last`; `late`: without shard 1."""
    for after in range(first, last, 4_000):
        await (world.tick(AT + after, 0) if late else world.tick(AT + after))


@pytest.mark.rule("HM-126", "HM-144")
@pytest.mark.parametrize("late", [True, False])
async def test_who_joined_behind_a_recovery_that_is_told_late_gets_its_ticket(
    world: CorrelatorWorld, late: bool
) -> None:
    assert world.controls.shard_of(HeartbeatKey.parse(f"acme/{DEVICE}")) == 0
    await share_its_own(world)
    await world.silence(Schedule(AT + 1_000, 30), DEVICE)
    await world.feed(*fails(DEVICE, AT + 4_000))
    await world.tick(AT + 5_000)
    if not late:
        await world.feed(*recovers(HUE, AT + 10_000, condition=UNREACHABLE, shard=1))
        await world.tick(AT + 11_000)
    await ticks(world, 12_000, 100_000, late=late)
    lines = await said(world)
    if late:
        assert lines[-1] == f"list {HUE}:{UNREACHABLE}: +1 -0", lines
        await world.feed(*recovers(HUE, AT + 10_000, condition=UNREACHABLE, shard=1))
    await tick_on(world, AT + 100_000)
    assert f"open {DEVICE}" in lines + await said(world), await world.outcomes()


@pytest.mark.rule("HM-236", "HM-144")
@pytest.mark.parametrize("late", [True, False])
async def test_no_ticket_stays_open_about_who_recovered_before_that_was_told(
    world: CorrelatorWorld, late: bool
) -> None:
    """The device recovers, and that is decided, while the integration's shard stands still; then that shard tells that
    the integration had recovered long before."""
    await share_its_own(world)
    await world.feed(*fails(DEVICE, AT + 4_000))
    await world.tick(AT + 5_000)
    if not late:
        await world.feed(*recovers(HUE, AT + 10_000, condition=UNREACHABLE, shard=1))
        await world.tick(AT + 11_000)
    await ticks(world, 12_000, 30_000, late=late)
    await world.feed(*recovers(DEVICE, AT + 30_000))
    await ticks(world, 31_000, 120_000, late=late)
    lines = await said(world)
    if late:
        await world.feed(*recovers(HUE, AT + 10_000, condition=UNREACHABLE, shard=1))
    await tick_on(world, AT + 120_000)
    lines += await said(world)
    asked = [line for line in lines if line.endswith(DEVICE) or line.startswith(f"recovered {DEVICE}")]
    assert asked in ([], [f"open {DEVICE}", f"recovered {DEVICE}:device_offline"]), (asked, await world.outcomes())


@pytest.mark.rule("HM-236", "HM-144")
@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("shared", ["own", "anew"])
async def test_who_fails_behind_a_recovery_that_is_told_late_has_a_ticket(
    world: CorrelatorWorld, late: bool, shared: str
) -> None:
    """The device was well when the integration recovered. It fires while the integration's shard stands still, and so
    joins the integration's ticket; then that shard tells of the recovery from before. `anew`: and that the integration
    has failed again since, before the device did."""
    await share_its_own(world)
    ends = recovers(HUE, AT + 10_000, condition=UNREACHABLE, shard=1)
    if shared == "anew":
        ends += fails(HUE, AT + 20_000, condition=UNREACHABLE, shard=1)
    if not late:
        await world.feed(*ends)
        await world.tick(AT + 21_000)
    await ticks(world, 22_000, 30_000, late=late)
    await world.feed(*fails(DEVICE, AT + 34_000))
    await ticks(world, 35_000, 120_000, late=late)
    if late:
        await world.feed(*ends)
    await tick_on(world, AT + 120_000)
    lines = await said(world)
    listed = await world.rows("SELECT parent FROM rollup_member")
    asked = [line for line in lines if line.startswith(f"open {DEVICE}")]
    assert len(asked) + len(listed) == 1, (lines, await world.outcomes())


@pytest.mark.rule("HM-60", "HM-144")
@pytest.mark.parametrize("behind_ms", [4_000, 7_000])
async def test_seven_seconds_behind_are_enough(world: CorrelatorWorld, behind_ms: int) -> None:
    """As a judge that is killed or a rebalance brings about."""
    await share_its_own(world)
    await world.tick(AT + 29_500)
    await world.feed(*fails(DEVICE, AT + 32_000))
    for at in range(AT + 30_000, AT + 32_000 + behind_ms, 500):
        await world.tick(at, 0)
    await world.feed(*recovers(HUE, AT + 29_900, condition=UNREACHABLE, shard=1))
    await tick_on(world, AT + 40_000)
    lines = await said(world)
    listed = await world.rows("SELECT parent FROM rollup_member")
    asked = [line for line in lines if line.startswith(f"open {DEVICE}")]
    assert len(asked) + len(listed) == 1, (lines, await world.outcomes())


@pytest.mark.rule("HM-126")
async def test_a_silence_whose_end_is_told_behind_what_it_fires_for_by_now_brings_no_ticket_for_before(
    world: CorrelatorWorld,
) -> None:
    """The integration's shard stands still, and tells of its new condition before it shows a clock behind the end."""
    await world.silence(Schedule(AT + 1_000, 30), HUE_2)
    await world.feed(*fails(HUE_2, AT + 2_000, condition=UNREACHABLE, shard=1))
    await world.tick(AT + 2_500)
    await ticks(world, 4_000, 56_000, late=True)
    changed: dict[str, Any] = {"condition": CREDENTIALS, "reason": "condition_changed", "shard": 1}
    await world.feed(change(HUE_2, "firing", "firing", at=AT + 45_000, **changed))
    await tick_on(world, AT + 57_000)
    opening = [each.body["dedup_key"] for each in await world.commands() if each.verb == "open"]
    assert opening == [f"{HUE_2}:{CREDENTIALS}"]
