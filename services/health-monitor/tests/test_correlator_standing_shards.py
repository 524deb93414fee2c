"""What shared tickets and the one about lost heartbeats wait for while a shard stands still. On a real database."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from correlator_facts import BRISK, T0, next_place
from correlator_world import CorrelatorWorld
from loss_facts import GONE, fleet, heard, silent, states
from loss_facts import fires as falls
from rollup_facts import (
    MANY,
    UNREACHABLE,
    behind,
    devices,
    fails,
    fires,
    opened,
    pending,
    recovers,
    resolved_by_somebody,
    said,
)

from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.adapters.correlator import progress
from fettle_health_monitor.domain.correlator.clocks import ShardClock
from fettle_health_monitor.domain.correlator.fresh_times import NOT_RUNNING
from fettle_health_monitor.domain.correlator.watches import Watch, WatchKind
from fettle_health_monitor.domain.judgements import InForce

AT = T0 + 100_000
HUE = "integration/hue-1"
LISTED = f"list integration/hue-1:{MANY}: "


@pytest_asyncio.fixture
async def world(environment: Mapping[str, str]) -> AsyncIterator[CorrelatorWorld]:
    """Shard 1 has shown its last clock at T0."""
    async with CorrelatorWorld.open(environment) as world:
        yield world


async def fail_together(world: CorrelatorWorld) -> None:
    """Five devices of shard 0 fire, and only that one goes on."""
    await behind(world, *devices(9))
    await world.feed(*(pending(each, AT - 2_000) for each in devices(5)))
    await world.feed(*(fires(each, AT) for each in devices(5)))
    await world.tick(AT + 1_000, 0)


async def many_are_down(world: CorrelatorWorld) -> None:
    """Five devices share a ticket."""
    await fail_together(world)
    await opened(world)
    assert await said(world) == ["open many integration/hue-1", f"{LISTED}+5 -0"]


async def ticks(world: CorrelatorWorld, first: int, last: int, shards: Sequence[int] = (0,)) -> None:
    for at in range(first, last, 5_000):
        await world.tick(at, *shards)
    await world.tick(last, *shards)


@pytest.mark.rule("HM-334", "HM-146")
async def test_who_waits_for_an_early_resolve_does_not_wait_for_a_shard_that_stands_still(
    world: CorrelatorWorld,
) -> None:
    await many_are_down(world)
    await resolved_by_somebody(world, AT + 10_000)
    await world.feed(*fails("device/d6", AT + 11_000))
    await world.tick(AT + 11_900, 0)
    assert await said(world) == ["comment"]
    await world.tick(AT + 12_001, 0)
    assert await said(world) == ["open many integration/hue-1", f"{LISTED}+5 -0", f"{LISTED}+1 -0"]


@pytest.mark.rule("HM-334", "HM-247")
async def test_a_refused_ticket_about_many_is_asked_for_again_without_it(world: CorrelatorWorld) -> None:
    await fail_together(world)
    asked, _ = await world.commands()
    await world.answer(asked, "rejected")
    await said(world)
    await ticks(world, AT + 5_000, AT + 63_000)
    assert await said(world) == ["open many integration/hue-1", f"{LISTED}+5 -0"]


@pytest.mark.rule("HM-334", "HM-248", "HM-145")
async def test_one_that_was_not_taken_over_ends_without_it(world: CorrelatorWorld) -> None:
    await many_are_down(world)
    await world.feed(*fails("integration/hue-1", AT + 10_000, condition=UNREACHABLE))
    await world.feed(*recovers("device/d1", AT + 12_000))
    await world.tick(AT + 13_000, 0)
    merges = next(one for one in await world.commands() if one.body.get("resolution") == "merged")
    await world.answer(merges, "rejected", code="parent_invalid")
    await said(world)
    await world.tick(AT + 30_000, 0)
    assert f"recovered integration/hue-1:{MANY}" in await said(world)


@pytest.mark.rule("HM-146", "HM-43")
async def test_of_shards_that_have_judged_as_far_the_first_counts_in_whatever_order_they_said_so(
    world: CorrelatorWorld,
) -> None:
    for shard in (1, 0):
        await world.feed(world.clock(shard, AT), partition=1)
    async with world.database.reading() as connection:
        slowest = await progress.slowest_moving(connection, 1)
    assert slowest is not None
    assert slowest.shard == 0


@pytest.mark.rule("HM-335", "HM-146")
async def test_what_runs_by_a_shard_that_comes_to_stand_still_goes_on_by_another(world: CorrelatorWorld) -> None:
    """Shard 1 has judged a little less far than the other when somebody resolves the ticket, and no further."""
    await fail_together(world)
    await world.tick(AT + 500, 1)
    await opened(world)
    await said(world)
    await resolved_by_somebody(world, AT + 2_000)
    assert [row.shard for row in await world.rows("SELECT shard FROM watch WHERE kind = 'early_resolve'")] == [1]
    await ticks(world, AT + 5_000, AT + 59_000)
    assert await said(world) == ["comment"]
    await ticks(world, AT + 61_000, AT + 66_000)
    assert "open many integration/hue-1" in await said(world)
    await world.tick(AT + 67_000)
    assert await said(world) == []


@pytest.mark.rule("HM-335", "HM-145")
@pytest.mark.parametrize("switched", [(False, True), (True, False), (True, True)], ids=["off then on", "off", "on"])
def test_it_goes_by_the_policy_of_the_shard_by_whose_clock_it_goes_on(switched: tuple[bool, bool]) -> None:
    """`switched`: whether the org is on where it stood, and where it goes on."""
    here, there = switched
    few = Watch.begin(
        WatchKind.FEW_LEFT,
        cause=UUID(int=1),
        org="acme",
        subject="integration/hue-1",
        condition=MANY,
        shard=ShardClock(1, 7, AT, 5_000),
        since_at=AT,
        lasting_ms=2_000,
        runs=here,
    )
    now = few.moved_to(ShardClock(0, 1, AT + 60_000, 900_000), 2_000, runs=there)
    assert (now.shard, now.generation) == (0, 1 if there else NOT_RUNNING)
    if here:
        assert (now.start_at, now.start_clock) == (AT, 840_000)
        assert now.due_clock == 900_000
    else:
        assert (now.start_at, now.start_clock, now.due_clock) == (AT + 60_000, 900_000, 902_000)


@pytest.mark.rule("HM-334", "HM-61")
@pytest.mark.parametrize("stands", ["before", "then"])
async def test_the_ticket_about_lost_heartbeats_ends_without_a_shard_that_stands_still(
    world: CorrelatorWorld, stands: str
) -> None:
    """One of twelve is that shard's; it has come to stand still before the others are back, or just as they are."""
    everybody = await fleet(world)
    lost, shard_of = everybody[1:], {each: int(each != everybody[0]) for each in everybody}
    await world.feed(*(silent(each, GONE - 2_000, shard=shard) for each, shard in shard_of.items()))
    await world.feed(*(falls(each, GONE, shard=shard) for each, shard in shard_of.items()))
    await world.tick(GONE + 1_000)
    await opened(world, "heartbeats_lost", "other/heartbeats")
    assert await said(world) == ["open other/heartbeats"]
    back = GONE + (80_000 if stands == "before" else 10_000)
    await ticks(world, GONE + 5_000, back - 1_000, [1])
    await world.feed(*(heard(each, back, shard=1) for each in lost))
    await ticks(world, back + 1_000, GONE + 130_000, [1])
    assert await states(world) == {"unknown": 1, "healthy": 11}
    assert await said(world) == ["recovered other/heartbeats:heartbeats_lost"]


async def judges_by(world: CorrelatorWorld, shard: int, version: int, at: int) -> None:
    place = next_place()
    await world.feed(InForce(shard=shard, generation=1, place=place, org="acme", version=version, enabled=True, at=at))


@pytest.mark.rule("HM-283", "HM-334")
async def test_publishing_asks_for_it_without_a_shard_that_stands_still_and_once(world: CorrelatorWorld) -> None:
    """It moves again later, and then judges by that policy as well."""
    await world.in_force(2, at=GONE - 400_000)
    everybody = await fleet(world)
    quietly = {"policy_version": 2, "shard": 1}
    await world.feed(*(silent(each, GONE - 2_000, **quietly) for each in everybody))
    await world.feed(*(falls(each, GONE, **quietly) for each in everybody))
    await world.tick(GONE + 1_000)
    await ticks(world, GONE + 5_000, GONE + 30_000, [1])
    decided = await world.put(BRISK.model_copy(update={"rollup_threshold": 6}), publish_existing=True)
    version = decided.version.version
    await judges_by(world, 1, version, GONE + 30_500)
    await ticks(world, GONE + 31_000, GONE + 90_000, [1])
    assert await said(world) == ["open other/heartbeats"]
    await judges_by(world, 0, version, GONE + 91_000)
    await world.tick(GONE + 92_000)
    assert await said(world) == []
    assert (await world.outcomes()).count(("publishing_began", "opened")) == 1


async def share_its_own(world: CorrelatorWorld) -> None:
    """The integration, of shard 1, has a ticket, and a device of shard 0 is on its list."""
    await behind(world, "device/d1", "device/d2")
    await world.feed(*fails(HUE, AT, condition=UNREACHABLE, shard=1))
    await world.tick(AT + 500)
    await opened(world, UNREACHABLE)
    await world.feed(*fails("device/d1", AT + 1_000))
    await world.tick(AT + 1_500)
    assert await said(world) == [f"open {HUE}", f"list {HUE}:{UNREACHABLE}: +1 -0"]


@pytest.mark.rule("HM-335", "HM-146")
async def test_who_waits_for_an_integrations_own_ticket_does_not_wait_for_a_shard_that_comes_to_stand_still(
    world: CorrelatorWorld,
) -> None:
    await share_its_own(world)
    await resolved_by_somebody(world, AT + 1_600, UNREACHABLE)
    await world.feed(*fails("device/d2", AT + 2_000))
    await ticks(world, AT + 3_000, AT + 61_000)
    assert await said(world) == ["comment"]
    await ticks(world, AT + 62_000, AT + 66_000)
    assert set(await said(world)) == {f"open {HUE}", f"list {HUE}:{UNREACHABLE}: +1 -0"}
    listed = await world.rows("SELECT subject FROM rollup_member WHERE recovered_at IS NULL ORDER BY subject")
    assert [row.subject for row in listed] == ["device/d1", "device/d2"]
    own: dict[str, Any] = {"subject": HUE, "condition": UNREACHABLE}
    await world.happen(EntryType.REOPENED, actor=ActorType.HEALTH_MONITOR, at=AT + 66_000, version=3, **own)
    await world.feed(*recovers(HUE, AT + 70_000, condition=UNREACHABLE, shard=1))
    await world.tick(AT + 71_000)
    assert f"recovered {HUE}" in " ".join(await said(world))


@pytest.mark.rule("HM-335", "HM-146")
async def test_nor_does_a_list_that_nobody_looks_at(world: CorrelatorWorld) -> None:
    """The integration is well, somebody had reopened its ticket, and its shard shows no clock behind the resolve."""
    own: dict[str, Any] = {"subject": HUE, "condition": UNREACHABLE}
    await behind(world, "device/d1")
    await world.feed(*fails(HUE, AT, condition=UNREACHABLE, shard=1))
    await world.tick(AT + 500)
    await opened(world, UNREACHABLE)
    await world.feed(*recovers(HUE, AT + 10_000, condition=UNREACHABLE, shard=1))
    await world.tick(AT + 11_000)
    (asked,) = [each for each in await world.commands() if each.verb == "resolve"]
    await world.happen(EntryType.RESOLVED, state="resolved", version=2, answering=UUID(asked.event.id), **own)
    own["actor"] = ActorType.USER
    await world.happen(EntryType.REOPENED, at=AT + 12_000, version=3, **own)
    await world.feed(*fails("device/d1", AT + 20_000))
    await world.tick(AT + 20_500)
    assert (await said(world))[-1] == f"list {HUE}:{UNREACHABLE}: +1 -0"
    await world.happen(EntryType.RESOLVED, state="resolved", at=AT + 30_000, version=4, **own)
    await ticks(world, AT + 31_000, AT + 80_000)
    assert await said(world) == []
    await ticks(world, AT + 81_000, AT + 90_000)
    assert f"open device/d1 after {HUE}:{UNREACHABLE}" in await said(world)
