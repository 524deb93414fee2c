"""What becomes of a list whose ticket ends by other hands than the monitor's, and which a silence or a policy has made
one of few; and of one that a person's ticket takes over. On a real database."""

from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from correlator_facts import BRISK, T0
from correlator_world import CorrelatorWorld
from rollup_facts import (
    MANY,
    UNREACHABLE,
    behind,
    devices,
    fails,
    fires,
    opened,
    opens,
    pending,
    recovers,
    resolved_by_somebody,
    said,
    tick_on,
    together,
)

from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.domain.correlator.silences import Schedule

AT = T0 + 100_000
HUE = "integration/hue-1"
SIX = BRISK.model_copy(update={"rollup_threshold": 6})


@pytest_asyncio.fixture
async def world(environment: Mapping[str, str]) -> AsyncIterator[CorrelatorWorld]:
    async with CorrelatorWorld.open(environment) as world:
        yield world


@pytest.mark.rule("HM-146", "HM-145")
@pytest.mark.parametrize("few", ["by a silence", "by a policy"])
async def test_few_have_tickets_of_their_own_when_somebody_resolves_theirs(world: CorrelatorWorld, few: str) -> None:
    await together(world, AT)
    await opened(world)
    if few == "by a silence":
        await world.silence(Schedule(AT + 8_000, 86_400), "device/d1")
    else:
        await world.put(SIX)
        await world.in_force(4, at=AT + 8_000)
    await world.tick(AT + 20_000)
    await said(world)
    await resolved_by_somebody(world, AT + 20_000)
    await world.tick(AT + 21_900)
    assert await opens(world) == []
    await world.tick(AT + 22_100)
    left = devices(4, 2) if few == "by a silence" else devices(5)
    assert await opens(world) == [f"open {one} after {HUE}:{MANY}" for one in left]
    assert not await world.rows("SELECT 1 FROM rollup_member")


@pytest.mark.rule("HM-247")
async def test_and_when_the_ticket_service_refuses_it(world: CorrelatorWorld) -> None:
    await together(world, AT)
    asked, _ = await world.commands()
    await world.silence(Schedule(AT + 1_000, 86_400), "device/d1")
    await world.answer(asked, "rejected")
    await said(world)
    await tick_on(world, AT + 2_000)
    assert [line[:14] for line in await opens(world)] == [f"open {one}" for one in devices(4, 2)]


@pytest.mark.rule("HM-146", "HM-145")
async def test_who_is_looked_at_already_is_not_looked_at_later(world: CorrelatorWorld) -> None:
    """One recovers, which is looked at two seconds later; a second before that somebody resolves the ticket."""
    await together(world, AT)
    await opened(world)
    await world.feed(*recovers("device/d1", AT + 10_000))
    await world.tick(AT + 10_500)
    await said(world)
    await resolved_by_somebody(world, AT + 11_000)
    await world.tick(AT + 12_100)
    assert len(await opens(world)) == 4


@pytest.mark.rule("HM-146")
async def test_where_nobody_is_down_nothing_follows(world: CorrelatorWorld) -> None:
    await together(world, AT)
    await opened(world)
    for device in devices(5):
        await world.feed(*recovers(device, AT + 10_000))
    await world.tick(AT + 10_500)
    await said(world)
    await resolved_by_somebody(world, AT + 11_000)
    rows = await world.rows("SELECT start_at FROM watch WHERE kind = 'few_left'")
    assert [row.start_at for row in rows] == [AT + 10_000]
    await tick_on(world, AT + 12_000)
    assert await opens(world) == []


@pytest.mark.rule("HM-143")
async def test_an_integrations_ticket_that_came_back_by_hand_takes_over(world: CorrelatorWorld) -> None:
    await behind(world, *devices(9))
    await world.feed(*fails(HUE, AT, condition=UNREACHABLE))
    await world.tick(AT + 500)
    await opened(world, UNREACHABLE)
    await world.feed(*recovers(HUE, AT + 10_000, condition=UNREACHABLE))
    await world.tick(AT + 11_000)
    resolve = next(each for each in await world.commands() if each.verb == "resolve")
    own: dict[str, Any] = {"subject": HUE, "condition": UNREACHABLE}
    await world.happen(EntryType.RESOLVED, state="resolved", version=2, answering=UUID(resolve.event.id), **own)
    await said(world)
    await world.feed(*(pending(one, AT + 20_000) for one in devices(5)))
    await world.feed(*(fires(one, AT + 22_000) for one in devices(5)))
    await world.tick(AT + 23_000)
    asked, _ = await world.commands()
    many: dict[str, Any] = {"subject": HUE, "condition": MANY}
    await world.happen(EntryType.OPENED, number=2, version=1, answering=UUID(asked.event.id), **many)
    await said(world)
    await world.happen(EntryType.REOPENED, actor=ActorType.USER, at=AT + 24_000, version=3, **own)
    await world.feed(*fails(HUE, AT + 30_000, condition=UNREACHABLE))
    await world.tick(AT + 31_000)
    about = f"{HUE}:{UNREACHABLE}"
    assert await said(world) == [f"merged {HUE}:{MANY} -> {about}", f"list {about}: +5 -0"]
