"""What has lasted is decided by the instant at which it had, however late that is noticed. On a real database."""

from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio
from correlator_facts import T0, change
from correlator_world import CorrelatorWorld
from loss_facts import GONE, fall_silent, fleet
from loss_facts import heard as heard_of
from rollup_facts import behind, devices, fails, heard, opened, pending, recovers, said, together

from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.domain.judgements import Unobserved

AT = T0 + 10_000
LATE = AT + 100_000


@pytest_asyncio.fixture
async def world(environment: Mapping[str, str]) -> AsyncIterator[CorrelatorWorld]:
    async with CorrelatorWorld.open(environment) as world:
        yield world


async def decided(world: CorrelatorWorld, cause: str) -> list[tuple[str, int, str]]:
    query = "SELECT subject, at, outcome FROM outcome WHERE cause = :cause ORDER BY at, subject"
    return [(row.subject, row.at - AT, row.outcome) for row in await world.rows(query, cause=cause)]


@pytest.mark.rule("HM-227", "HM-145")
async def test_few_are_left_from_the_recovery_that_made_them_few(world: CorrelatorWorld) -> None:
    """Two of five recover half a second apart, in one batch; three of five are many no more with the first of them."""
    await together(world, AT)
    await opened(world)
    await world.feed(*recovers("device/d1", AT + 20_000), *recovers("device/d2", AT + 20_500))
    await world.tick(AT + 21_000)
    await world.tick(LATE)
    assert await decided(world, "few_left") == [("integration/hue-1", 22_000, "resolved")]
    assert await decided(world, "left_over") == [(each, 22_000, "opened") for each in devices(3, 3)]


@pytest.mark.rule("HM-227", "HM-145")
async def test_a_list_that_ended_is_not_joined_by_who_fires_later_in_one_batch(world: CorrelatorWorld) -> None:
    await together(world, AT)
    await opened(world)
    await world.feed(*recovers("device/d1", AT + 20_000), *fails("device/d6", AT + 30_000))
    await world.tick(LATE)
    assert await decided(world, "few_left") == [("integration/hue-1", 22_000, "resolved")]
    assert ("device/d6", 30_000, "opened") in await decided(world, "firing")


@pytest.mark.rule("HM-227", "HM-145")
async def test_who_was_about_to_fire_when_a_list_ends_counts_and_who_is_by_now_does_not(world: CorrelatorWorld) -> None:
    await together(world, AT)
    await opened(world)
    await world.feed(*recovers("device/d1", AT + 20_000), pending("device/d6", AT + 22_500))
    await world.tick(AT + 23_000)
    assert await decided(world, "few_left") == [("integration/hue-1", 22_000, "resolved")]


async def resolved_early(world: CorrelatorWorld) -> None:
    await behind(world, "device/d1")
    await world.feed(*fails("device/d1", AT))
    await world.tick(AT + 1_000)
    await opened(world, "device_offline", "device/d1")
    resolve = {"state": "resolved", "actor": ActorType.USER, "version": 2, "subject": "device/d1"}
    await world.happen(EntryType.RESOLVED, at=AT + 1_000, **resolve)  # type: ignore[arg-type]
    await said(world)


@pytest.mark.rule("HM-227", "HM-70")
async def test_an_early_resolve_is_undone_after_its_debounce(world: CorrelatorWorld) -> None:
    await resolved_early(world)
    await world.tick(LATE)
    assert await decided(world, "still_unhealthy") == [("device/d1", 3_000, "reopened")]


@pytest.mark.rule("HM-227", "HM-70")
async def test_it_is_undone_before_a_later_recovery_of_the_same_batch(world: CorrelatorWorld) -> None:
    await resolved_early(world)
    await world.feed(*recovers("device/d1", AT + 10_000), world.clock(0, LATE), world.clock(1, LATE))
    assert await said(world) == ["open device/d1", "recovered device/d1:device_offline"]


@pytest.mark.rule("HM-227", "HM-71")
async def test_one_that_was_just_heard_then_is_reopened_when_it_fails_again(world: CorrelatorWorld) -> None:
    await resolved_early(world)
    await world.feed(
        heard("device/d1", AT + 2_000),
        change("device/d1", "pending_resolve", "firing", at=AT + 3_500, since=AT + 3_500),
        *(world.clock(shard, LATE) for shard in range(2)),
    )
    assert await decided(world, "still_unhealthy") == [("device/d1", 3_500, "reopened")]


@pytest.mark.rule("HM-227", "HM-157")
async def test_few_are_unknown_for_the_debounce_and_not_until_it_is_noticed(world: CorrelatorWorld) -> None:
    everybody = await fleet(world)
    await fall_silent(world, everybody)
    await world.feed(*(heard_of(each, GONE + 5_000 + number) for number, each in enumerate(everybody[:10])))
    await world.tick(GONE + 90_000)
    (row,) = await world.rows("SELECT at FROM outcome WHERE cause = 'recovered' AND subject = 'other/heartbeats'")
    assert row.at == GONE + 5_009 + 2_000


@pytest.mark.rule("HM-227", "HM-20")
async def test_a_hole_since_then_moves_nothing(world: CorrelatorWorld) -> None:
    """Few are left a second and a half before a hole of a minute, of which the first two seconds count."""
    await together(world, AT)
    await opened(world)
    await world.feed(*recovers("device/d1", AT + 20_000))
    away, back = AT + 21_500, AT + 81_500
    for shard in range(2):
        hole = Unobserved(shard=shard, generation=1, place=world.clock(0, 0).place, from_at=away, to_at=back)
        seen = AT + 20_000 - T0 + 1_000_000 + 1_500 + 2_000
        await world.feed(hole, world.clock(shard, back, clock=seen))
    await world.feed(*(world.clock(shard, back + 1_000, clock=seen + 1_000) for shard in range(2)))
    assert await decided(world, "few_left") == [("integration/hue-1", 22_000, "resolved")]
