"""Devices on the lists of shared tickets whose shard starts anew. On a real database."""

import msgspec
import pytest
from correlator_facts import T0, change
from correlator_world import CorrelatorWorld
from rollup_facts import (
    MANY,
    behind,
    devices,
    fails,
    heard,
    opened,
    pending,
    recovers,
    resolved_by_somebody,
    said,
    together,
)

from fettle_health_monitor.domain.judgements import Clock

AT = T0 + 10_000
GATEWAY = "integration/hue-1"
LIST = f"list {GATEWAY}:{MANY}"
PENDING = "pending_open"


async def begins_anew(world: CorrelatorWorld, at: int, *states: tuple[str, str | None, str]) -> None:
    """The log of shard 0 begins anew at this instant, and these subjects come up, or go on, one after the other."""
    await world.feed(world.clock(0, at, generation=2, clock=0))
    for number, (subject, before, after) in enumerate(states):
        await world.feed(change(subject, before, after, at=at + number, since=at + number, generation=2))


async def tick(world: CorrelatorWorld, at: int, since: int) -> None:
    """Both shards have judged up to `at`; the log of shard 0 has begun anew at `since`."""
    await world.feed(world.clock(0, at, generation=2, clock=at - since), world.clock(1, at))


async def listed(world: CorrelatorWorld) -> list[str]:
    """Which changes of checklists were sent since the last time."""
    return [line for line in await said(world) if line.startswith("list")]


@pytest.mark.rule("HM-82", "HM-142", "HM-145")
@pytest.mark.parametrize(
    "states",
    [
        [("device/d1", None, "healthy")],
        [("device/d1", None, "pending_open"), ("device/d1", "pending_open", "healthy")],
        [
            ("device/d1", None, "healthy"),
            ("device/d1", "healthy", "pending_open"),
            ("device/d1", "pending_open", "healthy"),
        ],
    ],
    ids=["healthy", "pending first", "pending in between"],
)
async def test_a_member_that_comes_up_healthy_is_ticked(
    environment: dict[str, str], states: list[tuple[str, str | None, str]]
) -> None:
    """After its resolve debounce of 2 s; of the five that are many four are left then, and after another the ticket
    ends."""
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await said(world)
        at = AT + 10_000
        await begins_anew(world, at, *states)
        well = at + len(states) - 1
        await tick(world, well + 1_999, at)
        assert await listed(world) == []
        await tick(world, well + 2_000, at)
        assert await listed(world) == [f"{LIST}: +0 -1"]
        await tick(world, well + 3_999, at)
        assert await said(world) == []
        await tick(world, well + 4_000, at)
        assert f"recovered {GATEWAY}:{MANY}" in await said(world)


@pytest.mark.rule("HM-331")
@pytest.mark.parametrize("in_one_batch", [True, False])
async def test_who_failed_in_the_log_before_is_one_of_many_at_an_instant_before_the_new_one(
    environment: dict[str, str], in_one_batch: bool
) -> None:
    """Four devices of shard 0 are pending when d1 fires in shard 1, and come up healthy out of a new log later."""
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, *devices(5))
        await world.feed(*(pending(subject, AT - 2_000) for subject in devices(4, start=2)))
        await world.feed(*fails("device/d1", AT, shard=1), world.clock(0, AT - 1), world.clock(1, AT))
        opens = [f"open many {GATEWAY}", f"list {GATEWAY}:{MANY}: +1 -0"]
        fast, anew = world.clock(1, AT + 7_000), world.clock(0, AT + 1_000, generation=2, clock=0)
        states = [change(each, None, "healthy", at=AT + 1_000, generation=2) for each in devices(4, start=2)]
        if not in_one_batch:
            await world.feed(fast)
            assert await said(world) == opens
        await world.feed(anew, *states, fast)
        if in_one_batch:
            assert await said(world) == opens


@pytest.mark.rule("HM-82", "HM-239")
async def test_who_has_left_the_list_while_it_was_down_is_ticked_there(environment: dict[str, str]) -> None:
    """The ticket about many has ended, d1 was just being heard then and has none of its own."""
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        for subject in devices(4, start=2):
            await world.feed(*recovers(subject, AT + 10_000))
        await world.feed(heard("device/d1", AT + 11_500))
        await world.tick(AT + 12_500)
        assert f"recovered {GATEWAY}:{MANY}" in await said(world)
        at = AT + 13_000
        await begins_anew(world, at, ("device/d1", None, "healthy"))
        await tick(world, at + 2_000, at)
        assert await listed(world) == [f"{LIST}: +0 -1"]


@pytest.mark.rule("HM-82", "HM-142")
async def test_a_member_that_fails_on_in_the_new_log_is_not_ticked(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await said(world)
        at = AT + 10_000
        failing = [
            ("device/d1", None, "healthy"),
            ("device/d1", "healthy", "pending_open"),
            ("device/d1", "pending_open", "firing"),
        ]
        await begins_anew(world, at, *failing)
        await tick(world, at + 20_000, at)
        assert [line for line in await listed(world) if not line.endswith("-0")] == []


@pytest.mark.rule("HM-82", "HM-142")
async def test_a_member_that_is_only_registered_is_ticked_when_it_could_have_been_silent(
    environment: dict[str, str],
) -> None:
    """After its timeout of 3 s and the resolve debounce."""
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await said(world)
        at = AT + 10_000
        await world.feed(world.clock(0, at, generation=2, clock=0))
        anew = change("device/d1", None, "healthy", at=at, since=at, generation=2)
        evidence = msgspec.structs.replace(anew.evidence, last_heard=None)
        await world.feed(msgspec.structs.replace(anew, evidence=evidence))
        await tick(world, at + 4_999, at)
        assert await listed(world) == []
        await tick(world, at + 5_000, at)
        assert await listed(world) == [f"{LIST}: +0 -1"]


@pytest.mark.rule("HM-82", "HM-142")
async def test_a_member_whose_recovery_is_not_decided_is_ticked_by_that(environment: dict[str, str]) -> None:
    """Its shard starts anew while the other one is waited for."""
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await said(world)
        at = AT + 10_000
        await world.feed(*recovers("device/d1", at - 100))
        await begins_anew(world, at, ("device/d1", None, "healthy"))
        await tick(world, at + 20_000, at)
        assert [line for line in await listed(world) if line.startswith(LIST)] == [f"{LIST}: +0 -1"]
        rows = await world.rows("SELECT cause FROM outcome WHERE subject = 'device/d1' AND cause = 'recovered'")
        assert len(rows) == 1


@pytest.mark.rule("HM-82", "HM-258")
async def test_who_has_a_ticket_of_its_own_is_not_about_to_join(environment: dict[str, str]) -> None:
    """Of five on the list one recovers; a sixth, that has come behind the integration with a ticket of its own, is
    pending in its new log when the four have been few for the resolve debounce: they are few all the same."""
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*fails("device/other", T0 + 3_000))
        await together(world, AT)
        await opened(world)
        await behind(world, "device/other")
        await said(world)
        at = AT + 10_000
        await begins_anew(world, at, ("device/other", None, "pending_open"))
        await world.feed(*recovers("device/d5", at + 3_000, generation=2))
        await tick(world, at + 4_999, at)
        assert await said(world) == [f"{LIST}: +0 -1"]
        await tick(world, at + 5_000, at)
        assert f"recovered {GATEWAY}:{MANY}" in await said(world)


@pytest.mark.rule("HM-82", "HM-146", "HM-63")
@pytest.mark.parametrize("in_one_batch", [True, False])
@pytest.mark.parametrize("kind", ["integration_unreachable", "integration_credentials_invalid"])
async def test_who_waits_for_a_resolved_ticket_is_judged_afresh_where_its_integration_is_well_only_later(
    environment: dict[str, str], kind: str, in_one_batch: bool
) -> None:
    """In its new log the integration is silent for a timeout and a half second more. It has recovered 2 s later, and
    its device has a timeout of 3 s and an open debounce of 2 s from there."""
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, "device/d1")
        await world.feed(*fails(GATEWAY, AT, shard=1, condition=kind))
        await world.tick(AT + 500)
        await opened(world, kind)
        await resolved_by_somebody(world, AT + 1_000, kind)
        await said(world)
        at = AT + 2_000
        await world.feed(*fails("device/d1", at))
        await world.tick(at + 100)
        steps = [(None, "healthy", at + 300), ("healthy", PENDING, at + 3_300), (PENDING, "healthy", at + 3_800)]
        moves = []
        for before, after, moved in steps:
            move = change(GATEWAY, before, after, at=moved, since=moved, shard=1, generation=2, condition=kind)
            evidence = msgspec.structs.replace(move.evidence, last_heard=move.evidence.last_heard if before else None)
            moves.append(msgspec.structs.replace(move, evidence=evidence))
            if not in_one_batch:
                await world.feed(*moves, *clocks(world, moved + 1, at + 300))
        await world.feed(*moves, *clocks(world, at + 4_000, at + 300))
        assert await said(world) == []
        await world.feed(*clocks(world, at + 10_799, at + 300))
        assert await said(world) == []
        await world.feed(*clocks(world, at + 10_801, at + 300))
        assert await said(world) == ["open device/d1"]
        assert await world.rows("SELECT id FROM verdict") == []


def clocks(world: CorrelatorWorld, at: int, since: int) -> tuple[Clock, Clock]:
    """Both shards have judged up to `at`; the log of shard 1 has begun anew at `since`."""
    return world.clock(0, at), world.clock(1, at, generation=2, clock=at - since)
