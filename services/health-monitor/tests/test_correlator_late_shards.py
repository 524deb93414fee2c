"""Heartbeats of a whole org that are lost while one shard is behind for longer than verdicts wait."""

from collections.abc import AsyncIterator, Mapping
from functools import partial

import pytest
import pytest_asyncio
from correlator_facts import change
from correlator_world import CorrelatorWorld
from loss_facts import GONE, LONG_AGO, everything_is_on_record, evidence, fires, heard, silent, states
from rollup_facts import devices

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.health_policy import HealthPolicy
from fettle_health_monitor.adapters.correlator import losses
from fettle_health_monitor.domain.correlator.fresh_times import Until
from fettle_health_monitor.domain.correlator.unseen_subjects import Unseen

LATE = 1
SILENT_AT = GONE - 2_000


@pytest_asyncio.fixture
async def world(environment: Mapping[str, str]) -> AsyncIterator[CorrelatorWorld]:
    async with CorrelatorWorld.open(environment) as world:
        yield world
        await everything_is_on_record(world)


async def fleet(world: CorrelatorWorld, count: int) -> tuple[list[str], list[str]]:
    """Healthy devices behind two integrations: those of shard 0, and as many of the late one."""
    everybody = devices(2 * count)
    for number, subject in enumerate(everybody):
        await world.feed(world.profile(subject, integration=f"hue-{number % 4 // 2 + 1}", name=subject[7:]))
    well = evidence(LONG_AGO, deadline=None)
    for number, each in enumerate(everybody):
        await world.feed(
            change(each, None, "healthy", at=LONG_AGO, condition=None, evidence=well, shard=number % 2),
        )
    await world.tick(GONE - 10_000)
    await world.clear()
    return everybody[::2], everybody[1::2]


async def fail(world: CorrelatorWorld, subjects: list[str], shard: int) -> None:
    await world.feed(*(silent(each, SILENT_AT, shard=shard) for each in subjects))
    await world.feed(*(fires(each, GONE, shard=shard) for each in subjects))


async def kinds(world: CorrelatorWorld) -> list[str | None]:
    return [command.body.get("kind") for command in await world.commands()]


@pytest.mark.rule("HM-238", "HM-150")
async def test_what_a_late_shard_has_to_tell_decides_whether_heartbeats_are_lost(world: CorrelatorWorld) -> None:
    mine, theirs = await fleet(world, 6)
    await fail(world, mine, 0)
    for second in range(1, 40):
        await world.tick(GONE + 1_000 * second, 0)
    assert await kinds(world) == []
    await fail(world, theirs, LATE)
    await world.tick(GONE + 41_000)
    assert await kinds(world) == ["heartbeats_lost"]
    assert await states(world) == {"unknown": 12}


@pytest.mark.rule("HM-238", "HM-150")
async def test_it_is_the_same_when_all_comes_in_one_batch(world: CorrelatorWorld) -> None:
    mine, theirs = await fleet(world, 6)
    await world.feed(
        *(silent(each, SILENT_AT) for each in mine), *(fires(each, GONE) for each in mine), world.clock(0, GONE + 9_000)
    )
    await world.tick(GONE + 10_000, 0)
    assert await kinds(world) == []
    await fail(world, theirs, LATE)
    await world.tick(GONE + 11_000)
    assert await kinds(world) == ["heartbeats_lost"]


@pytest.mark.rule("HM-238", "HM-150")
@pytest.mark.parametrize(("behind_ms", "waits"), [(5_000, True), (4_999, False)], ids=["a quarter", "less"])
async def test_a_late_shard_may_hide_many_if_it_is_behind_by_a_quarter_of_the_debounce(
    world: CorrelatorWorld, behind_ms: int, waits: bool
) -> None:
    """Of the one that shards judge by: what is put behind it is in force nowhere yet."""
    policy = HealthPolicy(enabled=True, publish_tickets=True, timeout_s=3, open_debounce_s=20)
    await world.in_force((await world.put(policy)).version.version)
    await world.put(policy.model_copy(update={"open_debounce_s": 240}))
    mine, _ = await fleet(world, 6)
    await world.feed(*(silent(each, GONE - 20_000) for each in mine), world.clock(LATE, GONE - behind_ms))
    await world.feed(*(fires(each, GONE) for each in mine), world.clock(0, GONE + 9_000))
    assert await kinds(world) == ([] if waits else ["device_offline"] * 6)


@pytest.mark.rule("HM-238", "HM-60")
async def test_where_the_others_are_well_nobody_waits_for_longer(world: CorrelatorWorld) -> None:
    mine, _ = await fleet(world, 6)
    await fail(world, mine, 0)
    await world.tick(GONE + 9_000, 0)
    await world.tick(GONE + 9_500, LATE)
    assert sorted(map(str, await kinds(world))) == ["device_offline"] * 6, "the late one's are well"
    assert await states(world) == {"firing": 6, "healthy": 6}


@pytest.mark.rule("HM-238", "HM-60")
async def test_a_few_that_fail_do_not_wait_for_longer(world: CorrelatorWorld) -> None:
    mine, _ = await fleet(world, 6)
    await fail(world, mine[:3], 0)
    await world.tick(GONE + 6_000, 0)
    assert await kinds(world) == ["device_offline"] * 3, "three of six are well, whatever the others are"


@pytest.mark.rule("HM-238")
@pytest.mark.parametrize(
    ("down", "shown"), [(3, {"firing": 3, "healthy": 21}), (8, {"pending_open": 8, "healthy": 16})]
)
async def test_what_is_told_is_shown_at_once_if_all_of_a_late_shard_could_not_make_it_a_loss(
    world: CorrelatorWorld, down: int, shown: dict[str, int]
) -> None:
    """Eight down and all twelve of the late shard are five times the four of whom it is known that they are well."""
    mine, _ = await fleet(world, 12)
    await world.tick(GONE - 100, 0)
    await fail(world, mine[:down], 0)
    assert await states(world) == shown


@pytest.mark.rule("HM-238", "HM-61")
async def test_a_shard_that_stands_still_is_not_waited_for(world: CorrelatorWorld) -> None:
    mine, _ = await fleet(world, 6)
    await fail(world, mine, 0)
    await world.tick(GONE + 49_000, 0)
    assert await kinds(world) == []
    await world.tick(GONE + 51_000, 0)
    assert await kinds(world) == ["device_offline"] * 6


@pytest.mark.rule("HM-238", "HM-308", "HM-150")
@pytest.mark.parametrize("silently", [True, False])
async def test_who_fires_by_the_orgs_own_timer_waits_for_a_late_shard_as_well(
    world: CorrelatorWorld, silently: bool
) -> None:
    """Not who has said itself what is wrong."""
    mine, theirs = await fleet(world, 6)
    await world.feed(*(silent(each, SILENT_AT) for each in mine))
    clock = world.clock(0, SILENT_AT)
    until = Until(clock.generation, clock.clock, clock.clock + 2_000)
    pending = partial(Unseen, shown="pending_open", condition="device_offline", until=until)
    seen = evidence(SILENT_AT, deadline=SILENT_AT if silently else None)
    rows = [pending(subject=each, judged=fires(each, SILENT_AT, evidence=seen)) for each in mine]
    async with unit_of_work(world.database) as work:
        await losses.keep(work.connection, "acme", 0, rows)
    for second in range(1, 40):
        await world.tick(GONE + 1_000 * second, 0)
    assert await kinds(world) == ([] if silently else ["device_offline"] * 6)
    await fail(world, theirs, LATE)
    await world.tick(GONE + 41_000)
    if silently:
        assert await kinds(world) == ["heartbeats_lost"]


@pytest.mark.rule("HM-155", "HM-61")
async def test_behind_a_shard_that_stood_still_when_reporting_resumed_all_have_a_full_timeout(
    world: CorrelatorWorld,
) -> None:
    mine, theirs = await fleet(world, 6)
    await fail(world, mine, 0)
    await fail(world, theirs, LATE)
    await world.tick(GONE + 1_000)
    assert await states(world) == {"unknown": 12}
    back = GONE + 100_000
    await world.feed(*(heard(each, back) for each in mine), world.clock(0, back + 6_000))
    assert await states(world) == {"healthy": 6, "unknown": 6}
    await world.tick(back + 2_999, LATE)
    assert await states(world) == {"healthy": 6, "unknown": 6}
    await world.tick(back + 3_001, LATE)
    assert await states(world) == {"healthy": 6, "pending_open": 6}


async def tick_of(world: CorrelatorWorld, partition: int, shard: int, at: int) -> None:
    """One partition of `health.judgements` shows this clock."""
    await world.feed(world.clock(shard, at), partition=partition)


@pytest.mark.rule("HM-61")
@pytest.mark.parametrize("lagging", [False, True], ids=["side by side", "one after the other"])
async def test_a_time_in_which_a_shard_stood_still_is_on_record_once(world: CorrelatorWorld, lagging: bool) -> None:
    """Its last clock has reached one partition and not the other."""
    await world.tick(GONE)
    await world.feed(world.clock(0, GONE), world.clock(LATE, GONE + 1_000), partition=1)
    for at in (GONE + 65_000, GONE + 70_000) if lagging else ():
        await tick_of(world, 0, 0, at)
        await tick_of(world, 0, LATE, at - 3_000)
    for partition in (0, 1):
        await tick_of(world, partition, 0, GONE + 70_000)
    await tick_of(world, 0, LATE, GONE + 68_000)
    await tick_of(world, 1, LATE, GONE + 68_000)
    (stall,) = await world.rows("SELECT * FROM shard_gap")
    assert (stall.shard, stall.kind, stall.from_at) == (LATE, "stalled", GONE)
    assert stall.to_at == (GONE + 62_000 if lagging else GONE + 68_000)


@pytest.mark.rule("HM-61")
async def test_a_shard_that_stands_still_twice_has_done_so_twice(world: CorrelatorWorld) -> None:
    for at in (GONE, GONE + 100_000):
        await world.tick(at)
        await world.tick(at + 70_000, 0)
    await world.tick(GONE + 170_000, LATE)
    stalls = await world.rows("SELECT from_at, to_at FROM shard_gap ORDER BY from_at")
    assert [(row.from_at - GONE, row.to_at - GONE) for row in stalls] == [(0, 100_000), (100_000, 170_000)]
