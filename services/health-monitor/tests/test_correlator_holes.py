"""Everybody, or many behind one integration, pending when a hole comes into the log. Who was silent needs a full
timeout and debounce behind it, and still all of them fail together."""

from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio
from correlator_facts import T0, next_place
from correlator_world import SHARDS, CorrelatorWorld
from loss_facts import GONE, everything_is_on_record, evidence, fires, fleet, heard, silent, states

from fettle_health_monitor.adapters.correlator.progress import Progress
from fettle_health_monitor.correlator.news import Received
from fettle_health_monitor.correlator.reach import reached
from fettle_health_monitor.domain.correlator.clocks import Hole, Patience, ShardClock
from fettle_health_monitor.domain.correlator.holes import down_from
from fettle_health_monitor.domain.correlator.marks import NOTHING
from fettle_health_monitor.domain.judgements import Change, Judgement, Unobserved

TIMEOUT, DEBOUNCE, WINDOW = 3_000, 2_000, 300_000
HOLE_ENDS = GONE + WINDOW + 100_000


@pytest_asyncio.fixture
async def world(environment: Mapping[str, str]) -> AsyncIterator[CorrelatorWorld]:
    async with CorrelatorWorld.open(environment) as world:
        yield world
        await everything_is_on_record(world)


async def hole(world: CorrelatorWorld, until: int = HOLE_ENDS, since: int = GONE + 1_000) -> None:
    """In all shards."""
    await world.tick(since)
    await world.feed(*(unobserved(shard, since, until) for shard in range(SHARDS)))
    await world.tick(until)


def unobserved(shard: int, since: int, until: int) -> Unobserved:
    return Unobserved(shard=shard, generation=1, place=next_place(), from_at=since, to_at=until)


def fires_behind(subject: str, until: int = HOLE_ENDS, since: int = GONE) -> Change:
    at = until + TIMEOUT + DEBOUNCE
    return fires(subject, at, since=since, evidence=evidence(at, deadline=since))


async def kinds(world: CorrelatorWorld) -> list[str | None]:
    return [command.body.get("kind") for command in await world.commands()]


@pytest.mark.rule("HM-237", "HM-150")
async def test_heartbeats_that_were_lost_before_a_hole_are_lost_behind_it(world: CorrelatorWorld) -> None:
    everybody = await fleet(world)
    await world.feed(*(silent(each, GONE) for each in everybody))
    await hole(world)
    await world.feed(*(fires_behind(each) for each in everybody))
    await world.tick(HOLE_ENDS + 10_000)
    assert await kinds(world) == ["heartbeats_lost"]
    assert await states(world) == {"unknown": 12}


@pytest.mark.rule("HM-237", "HM-150")
async def test_one_hole_after_the_other(world: CorrelatorWorld) -> None:
    everybody = await fleet(world)
    await world.feed(*(silent(each, GONE) for each in everybody))
    await hole(world)
    await hole(world, HOLE_ENDS + WINDOW, HOLE_ENDS + 1_000)
    await world.feed(*(fires_behind(each, HOLE_ENDS + WINDOW) for each in everybody))
    await world.tick(HOLE_ENDS + WINDOW + 10_000)
    assert await kinds(world) == ["heartbeats_lost"]


@pytest.mark.rule("HM-237", "HM-150")
async def test_all_of_it_taken_in_at_once(world: CorrelatorWorld) -> None:
    """As after the correlator was away."""
    everybody = await fleet(world)
    said: list[Judgement] = [silent(each, GONE) for each in everybody]
    said += [unobserved(shard, GONE + 1_000, HOLE_ENDS) for shard in range(SHARDS)]
    said += [fires_behind(each) for each in everybody]
    said += [world.clock(shard, HOLE_ENDS + 10_000) for shard in range(SHARDS)]
    await world.feed(*said)
    await world.tick(HOLE_ENDS + 11_000)
    assert await kinds(world) == ["heartbeats_lost"]


@pytest.mark.rule("HM-237", "HM-151")
async def test_who_fired_before_the_hole_does_not_count_again(world: CorrelatorWorld) -> None:
    """Three have failed for themselves; nine of twelve are under four fifths only while the three count, and they were
    not healthy when the window began."""
    everybody = await fleet(world)
    for each in everybody[:3]:
        await world.feed(silent(each, GONE - 3_000), fires(each, GONE - 1_000))
    await world.tick(GONE)
    await world.clear()
    await world.feed(*(silent(each, GONE) for each in everybody[3:]))
    await hole(world)
    await world.feed(*(fires_behind(each) for each in everybody[3:]))
    await world.tick(HOLE_ENDS + 10_000)
    assert "heartbeats_lost" not in await kinds(world), "nine are too few"


@pytest.mark.rule("HM-237", "HM-140")
async def test_many_devices_that_were_pending_in_a_hole_share_a_ticket(world: CorrelatorWorld) -> None:
    behind_one = (await fleet(world, 12, 2))[::2]
    await world.feed(*(silent(each, GONE) for each in behind_one))
    await hole(world)
    await world.feed(*(fires_behind(each) for each in behind_one))
    await world.tick(HOLE_ENDS + 10_000)
    assert await kinds(world) == ["multiple_devices_offline", None]


@pytest.mark.rule("HM-237", "HM-140")
async def test_many_devices_that_said_before_a_hole_that_they_are_offline_share_a_ticket(
    world: CorrelatorWorld,
) -> None:
    """Their debounce runs on behind it."""
    behind_one = (await fleet(world, 12, 2))[::2]
    await world.feed(*(silent(each, GONE, evidence=evidence(GONE, deadline=None)) for each in behind_one))
    await hole(world)
    at = HOLE_ENDS + 1_000
    await world.feed(*(fires(each, at, since=GONE, evidence=evidence(at, deadline=None)) for each in behind_one))
    await world.tick(HOLE_ENDS + 10_000)
    assert await kinds(world) == ["multiple_devices_offline", None]


@pytest.mark.rule("HM-237", "HM-140")
async def test_many_devices_share_a_ticket_also_if_they_are_heard_before_that_is_decided(
    world: CorrelatorWorld,
) -> None:
    behind_one = (await fleet(world, 12, 2))[::2]
    await world.feed(*(silent(each, GONE) for each in behind_one))
    await hole(world)
    at = HOLE_ENDS + TIMEOUT + DEBOUNCE
    await world.feed(*(fires_behind(each) for each in behind_one), *(heard(each, at + 500) for each in behind_one))
    await world.tick(HOLE_ENDS + 10_000)
    assert await kinds(world) == ["multiple_devices_offline", None]


@pytest.mark.rule("HM-237", "HM-140")
async def test_verdicts_of_one_batch_have_each_their_own_window(world: CorrelatorWorld) -> None:
    """The first is about a device that is alone in its failing, long before the hole."""
    first, *others = (await fleet(world, 14, 2))[::2]
    said: list[Judgement] = [silent(first, GONE - 280_000), fires(first, GONE - 278_000)]
    said += [silent(each, GONE) for each in others]
    said += [unobserved(shard, GONE + 1_000, HOLE_ENDS) for shard in range(SHARDS)]
    said += [fires_behind(each) for each in others]
    said += [world.clock(shard, HOLE_ENDS + 10_000) for shard in range(SHARDS)]
    await world.feed(*said)
    opened = sorted(str(kind) for kind in await kinds(world))
    assert opened == ["None", "device_offline", "multiple_devices_offline"]


@pytest.mark.rule("HM-237", "HM-140")
async def test_a_device_that_fired_before_a_hole_does_not_make_others_many(world: CorrelatorWorld) -> None:
    first, *others = (await fleet(world, 10, 2))[::2]
    await world.feed(silent(first, GONE - 3_000), fires(first, GONE - 1_000))
    await world.tick(GONE)
    await world.clear()
    await world.feed(*(silent(each, GONE) for each in others))
    await hole(world)
    await world.feed(*(fires_behind(each) for each in others))
    await world.tick(HOLE_ENDS + 10_000)
    assert await kinds(world) == ["device_offline"] * 4


@pytest.mark.rule("HM-237")
@pytest.mark.parametrize(
    ("fired_at", "ended", "counts"),
    [
        (None, [], 1_000),
        (None, [1_000], 1_000),
        (None, [1_001], 1_001 + TIMEOUT),
        (9_000, [5_000, 9_000], 9_000 + TIMEOUT),
        (9_000, [5_000, 9_001], 5_000 + TIMEOUT),
        (9_000, [9_001], 1_000),
    ],
)
def test_only_a_hole_in_which_it_was_pending_counts(fired_at: int | None, ended: list[int], counts: int) -> None:
    assert down_from(1_000, fired_at, TIMEOUT, ended) == counts


@pytest.mark.rule("HM-306")
async def test_a_hole_that_is_told_again_to_a_later_end_has_that_one(world: CorrelatorWorld) -> None:
    """Of a shard that is killed before it could keep that it judges again; whichever partition tells it, in any order,
    and in one batch."""
    for ends in ((20_000, 50_000), (50_000, 20_000), (50_000,)):
        told = [unobserved(0, T0 + 1_000, T0 + until) for until in ends]
        await world.feed(*told, *told)
        await world.feed(*(unobserved(0, T0 + 1_000, T0 + 20_000) for _ in told))
        rows = await world.rows("SELECT shard, from_at - :t AS since, to_at - :t AS until FROM shard_gap", t=T0)
        assert [tuple(row) for row in rows] == [(0, 1_000, 50_000)], ends
        await world.rows("DELETE FROM shard_gap RETURNING shard")


@pytest.mark.rule("HM-306")
def test_where_a_batch_and_the_record_tell_one_hole_the_later_end_counts() -> None:
    """Of the five seconds that a slower shard is waited for two lie behind the hole, two in it, and one before."""
    early, late = Hole(T0 + 1_000, T0 + 20_000), Hole(T0 + 1_000, T0 + 50_000)
    ahead, slow = ShardClock(0, 1, T0 + 52_000, 500_000), ShardClock(1, 1, T0 - 10_000, 400_000)
    known = {(0, clock.shard): Progress(0, clock.shard, NOTHING, clock) for clock in (ahead, slow)}
    for on_record, told in ((early, late), (late, early)):
        batch = [Received(0, unobserved(0, told.from_at, told.to_at))]
        assert reached(known, batch, 2, Patience(), {0: [on_record]}).ready_before == {0: T0 + 1}
