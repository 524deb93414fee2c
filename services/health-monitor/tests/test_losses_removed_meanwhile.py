"""Who is removed while its shard, whose log has begun anew, does not know it, and heartbeats are lost or may be. On a
real database."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from correlator_facts import change
from correlator_world import CorrelatorWorld
from loss_facts import GONE, evidence, fall_silent, fires, fleet, heard, interval, silent, state_of
from rollup_facts import said
from test_correlator_losses_anew import begins_anew, is_heard, tick

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.identity import HeartbeatKey
from fettle_health_monitor.domain.judgements import Change


@pytest_asyncio.fixture
async def world(environment: Mapping[str, str]) -> AsyncIterator[CorrelatorWorld]:
    async with CorrelatorWorld.open(environment) as world:
        yield world


async def remove(world: CorrelatorWorld, *subjects: str) -> None:
    for each in subjects:
        async with unit_of_work(world.database) as work:
            assert await world.registry.remove(work, HeartbeatKey.parse(f"acme/{each}"))


@pytest.mark.rule("HM-154", "HM-157", "HM-322")
async def test_those_who_are_removed_before_a_new_log_is_told_of_them_are_unknown_no_more(
    world: CorrelatorWorld,
) -> None:
    everybody = await fleet(world)
    await fall_silent(world, everybody)
    assert await said(world) == ["open other/heartbeats"]
    gone, stay = everybody[:4], everybody[4:]
    await world.feed(*(world.clock(shard, GONE + 2_000, generation=2, clock=0) for shard in range(2)))
    await remove(world, *gone)
    await begins_anew(world, stay, GONE + 3_000)
    await tick(world, GONE + 3_500, GONE + 2_000)
    await world.feed(*(is_heard(each, GONE + 4_000) for each in stay))
    for at in range(GONE + 5_000, GONE + 60_000, 5_000):
        await tick(world, at, GONE + 2_000)
    loss = await interval(world)
    unknown = await world.rows("SELECT subject FROM subject WHERE state = 'unknown'")
    assert loss.resumed_at is not None
    assert unknown == []
    assert loss.unknown == 0
    assert await world.rows("SELECT subject FROM unseen_subject") == []
    assert "recovered other/heartbeats:heartbeats_lost" in await said(world)


@pytest.mark.rule("HM-154", "HM-322")
async def test_who_fails_behind_that_gets_a_ticket(world: CorrelatorWorld) -> None:
    """All who were lost are removed so; another dies much later."""
    everybody = await fleet(world, 14)
    await fall_silent(world, everybody[:12])
    await said(world)
    await world.feed(*(world.clock(shard, GONE + 2_000, generation=2, clock=0) for shard in range(2)))
    await remove(world, *everybody[:12])
    await begins_anew(world, everybody[12:], GONE + 3_000)
    await world.feed(*(is_heard(each, GONE + 4_000) for each in everybody[12:]))
    for at in range(GONE + 5_000, GONE + 60_000, 5_000):
        await tick(world, at, GONE + 2_000)
    await said(world)
    last = everybody[13]
    dies = (silent(last, GONE + 600_000), fires(last, GONE + 602_000))
    await world.feed(*(msgspec.structs.replace(each, generation=2) for each in dies))
    for at in range(GONE + 603_000, GONE + 640_000, 5_000):
        await tick(world, at, GONE + 2_000)
    assert await said(world) == [f"open {last}"]


@pytest.mark.rule("HM-322")
async def test_what_is_held_of_who_is_removed_opens_nothing(world: CorrelatorWorld) -> None:
    everybody = await fleet(world)
    await world.tick(GONE - 3_000)
    await world.feed(*(silent(each, GONE - 2_000) for each in everybody))
    await world.tick(GONE - 1_000)
    await world.feed(fires(everybody[0], GONE), world.clock(0, GONE + 500))  # shard 1 is behind
    assert await world.rows("SELECT 1 FROM held_judgement")
    await world.feed(world.clock(0, GONE + 900, generation=2, clock=0))
    await remove(world, everybody[0])
    # Most of the others are heard: it was no loss.
    await world.feed(*(is_heard_anew(each, GONE + 950) for each in everybody[1:]))
    for at in range(GONE + 1_000, GONE + 60_000, 5_000):
        await tick(world, at, GONE + 900)
    lines = await said(world)
    assert [line for line in lines if everybody[0] in line] == []
    assert await world.rows("SELECT subject, state FROM subject WHERE subject = :s", s=everybody[0]) == []


def is_heard_anew(subject: str, at: int) -> Change:
    one = change(subject, None, "healthy", at=at, generation=2, condition=None)
    return msgspec.structs.replace(one, evidence=heard(subject, at).evidence)


@pytest.mark.rule("HM-322", "HM-236")
async def test_what_is_held_of_who_was_frozen_and_is_removed_stops_nothing(world: CorrelatorWorld) -> None:
    everybody = await fleet(world, 13)
    first = everybody[12]
    await world.feed(silent(first, GONE - 402_000), fires(first, GONE - 400_000))
    await world.tick(GONE - 390_000)
    await world.feed(heard(first, GONE - 3_000))
    await fall_silent(world, everybody[:12])
    seen = evidence(GONE + 1_500, deadline=GONE + 1_500)
    await world.feed(
        change(first, "pending_resolve", "firing", at=GONE + 1_500, since=GONE + 1_500, reason="silent", evidence=seen),
        world.clock(0, GONE + 1_600),
    )
    await world.feed(world.clock(0, GONE + 2_000, generation=2, clock=0))
    await remove(world, first)
    for at in range(GONE + 3_000, GONE + 30_000, 5_000):
        await tick(world, at, GONE + 2_000)
    assert await world.rows("SELECT subject, state FROM subject WHERE subject = :s", s=first) == []


@pytest.mark.rule("HM-154", "HM-322", "HM-157")
async def test_few_that_are_left_unknown_by_that_end_the_ticket(world: CorrelatorWorld) -> None:
    """Ten of the twelve; nobody has been heard yet."""
    everybody = await fleet(world)
    await fall_silent(world, everybody)
    assert await said(world) == ["open other/heartbeats"]
    await world.feed(world.clock(0, GONE + 2_000, generation=2, clock=0), world.clock(1, GONE + 2_000))
    await remove(world, *everybody[:9])
    await tick(world, GONE + 20_000, GONE + 2_000)
    assert "recovered other/heartbeats:heartbeats_lost" not in await said(world)
    await remove(world, everybody[9])
    await tick(world, GONE + 21_900, GONE + 2_000)
    assert "recovered other/heartbeats:heartbeats_lost" not in await said(world)
    await tick(world, GONE + 22_100, GONE + 2_000)
    assert "recovered other/heartbeats:heartbeats_lost" in await said(world)


@pytest.mark.rule("HM-154", "HM-156", "HM-322")
async def test_who_is_frozen_has_its_timeout_from_when_the_last_who_was_unknown_is_removed(
    world: CorrelatorWorld,
) -> None:
    """It had been down, and its ticket is open; it was just being heard again."""
    everybody, frozen, down = await fleet(world), "device/d13", GONE - 402_000
    well = change(
        frozen, None, "healthy", at=down - 1_000, condition=None, evidence=evidence(down, deadline=None), shard=1
    )
    await world.feed(world.profile(frozen, integration="hue-1", name="d13"), well)
    await world.feed(silent(frozen, down, shard=1), fires(frozen, down + 2_000, shard=1))
    await world.tick(down + 5_000)
    await world.feed(heard(frozen, GONE - 3_000, shard=1))
    await fall_silent(world, everybody)
    again: dict[str, Any] = {"at": GONE + 1_500, "since": GONE + 1_500, "reason": "silent", "shard": 1}
    again["evidence"] = evidence(GONE + 1_500, deadline=GONE + 1_500)
    await world.feed(change(frozen, "pending_resolve", "firing", **again))
    await world.tick(GONE + 1_800)
    await world.feed(world.clock(0, GONE + 2_000, generation=2, clock=0), world.clock(1, GONE + 2_000))
    await remove(world, *everybody)
    await tick(world, GONE + 4_900, GONE + 2_000)
    assert await state_of(world, frozen) == "pending_resolve"
    await tick(world, GONE + 11_000, GONE + 2_000)
    assert await state_of(world, frozen) == "firing"
