"""What becomes of who is on the list of an integration's own ticket when somebody has resolved that, and nobody looks
at it any more. On a real database."""

from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from correlator_facts import BRISK, T0, change
from correlator_world import CorrelatorWorld
from rollup_facts import (
    UNREACHABLE,
    behind,
    fails,
    fires,
    opened,
    opens,
    pending,
    recovers,
    resolved_by_somebody,
    said,
    tick_on,
)

from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.domain.correlator.silences import Schedule

AT = T0 + 100_000
HUE, CREDENTIALS = "integration/hue-1", "integration_credentials_invalid"
LEFT_OVER = [f"open device/d1 after {HUE}:{UNREACHABLE}"]
OWN: dict[str, Any] = {"subject": HUE, "condition": UNREACHABLE}
QUIET = BRISK.model_copy(update={"publish_tickets": False})


@pytest_asyncio.fixture
async def world(environment: Mapping[str, str]) -> AsyncIterator[CorrelatorWorld]:
    async with CorrelatorWorld.open(environment) as world:
        yield world


async def share(world: CorrelatorWorld, **device: Any) -> None:
    """The integration has a ticket, and the device is on its list."""
    await behind(world, "device/d1")
    await world.feed(*fails(HUE, AT, condition=UNREACHABLE))
    await world.tick(AT + 500)
    await opened(world, UNREACHABLE)
    await world.feed(*fails("device/d1", AT + 1_000, **device))
    await world.tick(AT + 1_500)
    assert (await said(world))[-1] == f"list {HUE}:{UNREACHABLE}: +1 -0"


async def share_one_that_came_back(world: CorrelatorWorld) -> None:
    """The integration is well, and somebody has reopened its ticket."""
    await behind(world, "device/d1")
    await world.feed(*fails(HUE, AT, condition=UNREACHABLE))
    await world.tick(AT + 500)
    await opened(world, UNREACHABLE)
    await world.feed(*recovers(HUE, AT + 10_000, condition=UNREACHABLE))
    await world.tick(AT + 11_000)
    (asked,) = [each for each in await world.commands() if each.verb == "resolve"]
    await world.happen(EntryType.RESOLVED, state="resolved", version=2, answering=UUID(asked.event.id), **OWN)
    await world.happen(EntryType.REOPENED, actor=ActorType.USER, at=AT + 12_000, version=3, **OWN)
    await world.feed(*fails("device/d1", AT + 20_000))
    await world.tick(AT + 20_500)
    await said(world)


async def somebody_resolves(world: CorrelatorWorld, at: int, version: int = 4) -> None:
    await world.happen(EntryType.RESOLVED, state="resolved", actor=ActorType.USER, at=at, version=version, **OWN)


@pytest.mark.rule("HM-146")
async def test_one_that_somebody_had_reopened_leaves_over_who_joined_it(world: CorrelatorWorld) -> None:
    await share_one_that_came_back(world)
    await somebody_resolves(world, AT + 21_000)
    await world.tick(AT + 20_900)
    assert await opens(world) == []
    await world.tick(AT + 21_000)
    assert await opens(world) == LEFT_OVER
    await tick_on(world, AT + 22_000)
    assert (await opens(world), await world.rows("SELECT 1 FROM rollup_member")) == ([], [])


@pytest.mark.rule("HM-146")
async def test_who_recovers_first_is_not_left_over(world: CorrelatorWorld) -> None:
    await share_one_that_came_back(world)
    await world.feed(*recovers("device/d1", AT + 20_900))
    await somebody_resolves(world, AT + 21_000)
    await tick_on(world, AT + 22_000)
    assert await opens(world) == []


@pytest.mark.rule("HM-146")
async def test_nor_is_who_is_on_the_list_when_somebody_reopens_it_at_once(world: CorrelatorWorld) -> None:
    await share_one_that_came_back(world)
    await somebody_resolves(world, AT + 21_000)
    await world.happen(EntryType.REOPENED, actor=ActorType.USER, at=AT + 21_100, version=5, **OWN)
    await tick_on(world, AT + 22_000)
    assert (await opens(world), len(await world.rows("SELECT 1 FROM rollup_member"))) == ([], 1)


@pytest.mark.rule("HM-146", "HM-14")
async def test_nothing_follows_where_nothing_is_published(world: CorrelatorWorld) -> None:
    await share_one_that_came_back(world)
    await world.put(QUIET)
    await world.in_force(4, at=AT + 20_800)
    await world.tick(AT + 20_900)
    await somebody_resolves(world, AT + 21_000)
    await tick_on(world, AT + 22_000)
    assert not await world.rows("SELECT 1 FROM outcome WHERE cause = 'few_left'")


@pytest.mark.rule("HM-146")
@pytest.mark.parametrize("resolved", ["before", "after"])
async def test_where_it_fires_on_for_another_reason_and_is_silenced(world: CorrelatorWorld, resolved: str) -> None:
    await share(world)
    if resolved == "before":
        await resolved_by_somebody(world, AT + 1_600, UNREACHABLE)
    await world.silence(Schedule(AT + 1_700, 86_400), HUE)
    await world.feed(change(HUE, "firing", "firing", at=AT + 2_000, condition=CREDENTIALS))
    await world.tick(AT + 2_500)
    if resolved == "after":
        await resolved_by_somebody(world, AT + 2_600, UNREACHABLE)
    await tick_on(world, AT + 3_000)
    assert await opens(world) == LEFT_OVER


@pytest.mark.rule("HM-146")
async def test_where_it_fires_on_for_another_reason_its_new_ticket_takes_the_list(world: CorrelatorWorld) -> None:
    await share(world)
    await resolved_by_somebody(world, AT + 1_600, UNREACHABLE)
    await world.feed(change(HUE, "firing", "firing", at=AT + 2_000, condition=CREDENTIALS))
    await tick_on(world, AT + 2_500)
    assert await opens(world) == [f"open {HUE}"]
    assert not await world.rows("SELECT 1 FROM outcome WHERE cause = 'few_left'")


@pytest.mark.rule("HM-82", "HM-144")
@pytest.mark.parametrize("resolved", ["before", "while pending", "never", "when healthy"])
async def test_where_its_log_begins_anew_they_are_judged_afresh(world: CorrelatorWorld, resolved: str) -> None:
    """In the new log it says once more what is wrong, and is well then; the device is in another shard."""
    await share(world, shard=1)

    async def tick(at: int) -> None:
        await world.feed(world.clock(0, at, generation=2, clock=at - AT), world.clock(1, at))

    anew: dict[str, Any] = {"generation": 2, "reason": "reported"}
    if resolved == "before":
        await resolved_by_somebody(world, AT + 1_500, UNREACHABLE)
    await tick(AT + 2_000)
    await world.feed(change(HUE, None, "pending_open", at=AT + 3_000, condition=UNREACHABLE, **anew))
    await tick(AT + 3_500)
    if resolved == "while pending":
        await resolved_by_somebody(world, AT + 3_500, UNREACHABLE)
    await world.feed(change(HUE, "pending_open", "healthy", at=AT + 4_000, condition=None, **anew))
    await tick(AT + 4_500)
    if resolved == "when healthy":
        await resolved_by_somebody(world, AT + 4_500, UNREACHABLE)
    for after in range(5_000, 100_000, 5_000):
        await tick(AT + after)
    assert await opens(world) == ["open device/d1"]


@pytest.mark.rule("HM-144", "HM-310")
@pytest.mark.parametrize("shares", [True, False])
async def test_who_is_down_on_another_open_list_is_not_judged_afresh(world: CorrelatorWorld, shares: bool) -> None:
    """It has moved behind another integration, which fires and recovers."""
    await share(world)
    if not shares:
        await world.feed(*recovers(HUE, AT + 2_500, condition=UNREACHABLE))
        await world.tick(AT + 2_600)
    await behind(world, "device/d1", integration="hue-2")
    await world.feed(*fails("integration/hue-2", AT + 5_000, condition=UNREACHABLE))
    await world.tick(AT + 5_500)
    await world.feed(*recovers("integration/hue-2", AT + 10_000, condition=UNREACHABLE))
    await tick_on(world, AT + 11_000)
    assert ("open device/d1" in await said(world)) is not shares


@pytest.mark.rule("HM-146", "HM-247")
@pytest.mark.parametrize("when", ["before", "after"])
async def test_who_joined_one_that_was_refused_gets_its_own_where_that_is_not_asked_for_again(
    world: CorrelatorWorld, when: str
) -> None:
    await behind(world, "device/d1")
    await world.feed(*fails(HUE, AT, condition=UNREACHABLE))
    await world.tick(AT + 500)
    (asked,) = [c for c in await world.commands() if c.verb == "open"]
    await world.feed(*fails("device/d1", AT + 1_000))
    await world.tick(AT + 1_500)
    assert (await said(world))[-1] == f"list {HUE}:{UNREACHABLE}: +1 -0"
    if when == "before":
        await world.answer(asked, "rejected", code="org_unknown")
    await world.silence(Schedule(AT + 1_700, 86_400), HUE)
    await world.feed(change(HUE, "firing", "firing", at=AT + 2_000, condition=CREDENTIALS))
    await world.tick(AT + 2_500)
    if when == "after":
        await world.answer(asked, "rejected", code="org_unknown")
    await tick_on(world, AT + 3_000)
    await tick_on(world, AT + 103_000)
    assert any("device/d1" in line for line in await opens(world))


@pytest.mark.rule("HM-146")
@pytest.mark.parametrize("silenced", [True, False])
async def test_one_resolved_while_the_integration_is_about_to_fire_leaves_over_who_joined_it_if_that_is_silenced(
    world: CorrelatorWorld, silenced: bool
) -> None:
    await share_one_that_came_back(world)
    await world.feed(pending(HUE, AT + 21_000, condition=UNREACHABLE))
    await world.tick(AT + 21_100)
    await somebody_resolves(world, AT + 21_200)
    if silenced:
        await world.silence(Schedule(AT + 21_300, 86_400), HUE)
    await world.feed(fires(HUE, AT + 23_000, condition=UNREACHABLE))
    await tick_on(world, AT + 24_000)
    lines = await said(world)
    if silenced:
        assert [line for line in lines if "open device/d1" in line]
    else:
        assert f"list {HUE}:{UNREACHABLE}: +1 -0" in lines


@pytest.mark.rule("HM-146")
async def test_nor_are_they_left_on_it_where_the_integration_is_well_again_before_it_fires(
    world: CorrelatorWorld,
) -> None:
    await share_one_that_came_back(world)
    await world.feed(pending(HUE, AT + 21_000, condition=UNREACHABLE))
    await world.tick(AT + 21_100)
    await somebody_resolves(world, AT + 21_200)
    await world.feed(change(HUE, "pending_open", "healthy", at=AT + 22_000, condition=UNREACHABLE))
    await tick_on(world, AT + 23_000)
    assert await opens(world) == ["open device/d1"]
