"""An integration's own ticket, the one about many devices behind it, and tickets that come again: who is on which list.
On a real database."""

from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from correlator_facts import BRISK, T0, change
from correlator_world import CorrelatorWorld
from loss_facts import GONE, evidence, fires, silent
from rollup_facts import (
    MANY,
    UNREACHABLE,
    behind,
    devices,
    fails,
    opened,
    recovers,
    resolved_by_somebody,
    said,
    tick_on,
    together,
)
from test_correlator_losses_anew import told

from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType

AT = T0 + 100_000
HUE = "integration/hue-1"
OWN: dict[str, Any] = {"subject": HUE, "condition": UNREACHABLE, "number": 9}


@pytest_asyncio.fixture
async def world(environment: Mapping[str, str]) -> AsyncIterator[CorrelatorWorld]:
    async with CorrelatorWorld.open(environment) as world:
        yield world


async def both(world: CorrelatorWorld, reopened: bool) -> None:
    """The integration is well. Five devices share a ticket about many, somebody has reopened the integration's old
    ticket, and four more devices have joined that."""
    await world.feed(*fails(HUE, T0 + 1_000 + 2_000, condition=UNREACHABLE))
    await world.tick(T0 + 3_500)
    (asked,) = [c for c in await world.commands() if c.verb == "open"]
    await world.happen(EntryType.OPENED, version=1, answering=UUID(asked.event.id), **OWN)
    await world.feed(*recovers(HUE, T0 + 8_000, condition=UNREACHABLE))
    await world.tick(T0 + 9_000)
    (asked,) = [c for c in await world.commands() if c.verb == "resolve"]
    await world.happen(EntryType.RESOLVED, state="resolved", version=2, answering=UUID(asked.event.id), **OWN)
    await together(world, AT)
    await opened(world)
    if reopened:
        await world.happen(EntryType.REOPENED, actor=ActorType.USER, at=AT + 1_500, version=3, **OWN)
        for number, one in enumerate(devices(4, 6)):
            await world.feed(*fails(one, AT + 5_000 + number))
        await world.tick(AT + 6_000)
    rows = await world.rows("SELECT parent_condition, count(*) AS n FROM rollup_member GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in rows] == [(UNREACHABLE, 4), (MANY, 5)][not reopened :]
    await said(world)


@pytest.mark.rule("HM-145")
@pytest.mark.parametrize("reopened", [True, False])
async def test_who_is_on_the_integrations_own_list_does_not_keep_the_one_about_many_open(
    world: CorrelatorWorld, reopened: bool
) -> None:
    await both(world, reopened)
    for one in devices(4):
        await world.feed(*recovers(one, AT + 10_000))
    await tick_on(world, AT + 11_000)
    assert f"recovered {HUE}:{MANY}" in await said(world)


@pytest.mark.rule("HM-146")
@pytest.mark.parametrize("reopened", [True, False])
async def test_nor_does_it_bring_that_back(world: CorrelatorWorld, reopened: bool) -> None:
    """Somebody resolves the one about many while five are down; four of them recover before one more open debounce is
    over, so it is not right to reopen it."""
    await both(world, reopened)
    await resolved_by_somebody(world, AT + 7_900)
    for one in devices(4):
        await world.feed(*recovers(one, AT + 9_500))
    await tick_on(world, AT + 11_000)
    lines = await said(world)
    assert not [line for line in lines if line.startswith(("open many", f"open {HUE}"))]


@pytest.mark.rule("HM-143")
@pytest.mark.parametrize("by_hand", [True, False])
async def test_one_that_came_back_by_hand_takes_over_a_list_whose_ticket_somebody_has_resolved(
    world: CorrelatorWorld, by_hand: bool
) -> None:
    """Somebody has resolved the one about many, and the integration fires: its ticket takes over the list, and the one
    about many does not come back. `by_hand`: its own ticket is open already, as somebody has reopened it."""
    await both(world, False)
    if by_hand:
        await world.happen(EntryType.REOPENED, actor=ActorType.USER, at=AT + 1_500, version=3, **OWN)
    await world.tick(AT + 4_500)
    await resolved_by_somebody(world, AT + 4_900)
    await world.feed(*fails(HUE, AT + 6_000, condition=UNREACHABLE))
    await tick_on(world, AT + 6_500)
    lines = await said(world)
    assert f"open many {HUE}" not in lines, lines
    assert f"list {HUE}:{UNREACHABLE}: +5 -0" in lines, lines


@pytest.mark.rule("HM-142", "HM-146")
async def test_one_about_many_that_opens_as_another_ticket_has_its_list(world: CorrelatorWorld) -> None:
    """Resolved early by somebody, then the org is off for two hours: the ticket service's reopen window (an hour) is
    over, so the open makes a new ticket."""
    await together(world, AT)
    await opened(world)
    await resolved_by_somebody(world, AT + 1_500)
    await world.put(BRISK.model_copy(update={"enabled": False}))
    await world.in_force(4, enabled=False, at=AT + 1_600)
    await world.tick(AT + 2_000)
    await world.put(BRISK)
    on = AT + 7_200_000
    await world.in_force(5, at=on)
    await world.tick(on + 100)
    await said(world)
    await world.tick(on + 2_500)
    await world.tick(on + 5_000)
    commands = await world.commands()
    lines = await said(world)
    assert lines[0] == f"open many {HUE}"
    (again,) = [c for c in commands if c.verb == "open"]
    await world.answer(again, number=2, version=1)  # another ticket: the window is over
    await world.tick(on + 6_000)
    lines += await said(world)
    assert f"list {HUE}:{MANY}: +5 -0" in lines


@pytest.mark.rule("HM-142", "HM-147")
async def test_who_is_on_a_list_that_stayed_while_nothing_was_published_is_on_that_of_the_next(
    world: CorrelatorWorld,
) -> None:
    await together(world, AT)
    await opened(world)
    await world.put(BRISK.model_copy(update={"publish_tickets": False}))
    await world.in_force(4, at=AT + 2_000)
    await world.tick(AT + 2_500)
    await resolved_by_somebody(world, AT + 3_000)
    await world.put(BRISK)
    await world.in_force(5, at=AT + 4_000)
    await world.tick(AT + 4_500)
    assert await world.rows("SELECT 1 FROM rollup_member WHERE recovered_at IS NULL")
    await said(world)
    late = devices(5, 21)
    await behind(world, *late)
    for one in late:
        await world.feed(*fails(one, AT + 100_000, policy_version=5))
    await world.tick(AT + 100_500)
    lines = [line for line in await said(world) if line.startswith(("open many", f"list {HUE}:{MANY}"))]
    assert lines[:2] == [f"open many {HUE}", f"list {HUE}:{MANY}: +5 -0"]
    rows = await world.rows("SELECT subject FROM rollup_member WHERE recovered_at IS NULL")
    added = sum(int(line.split("+")[1].split()[0]) for line in lines[1:])
    assert added == len(rows) == 10


@pytest.mark.rule("HM-239", "HM-299")
async def test_who_recovers_is_ticked_on_the_ticket_before_too_where_it_came_again_as_another(
    world: CorrelatorWorld,
) -> None:
    await behind(world, "device/d1")
    await world.feed(*fails(HUE, AT, condition=UNREACHABLE))
    await world.tick(AT + 500)
    await opened(world, UNREACHABLE)
    await world.feed(*fails("device/d1", AT + 1_000))
    await world.tick(AT + 1_500)
    await resolved_by_somebody(world, AT + 2_000, UNREACHABLE)
    await said(world)
    await world.tick(AT + 5_000)
    (again,) = [c for c in await world.commands() if c.verb == "open"]
    lines = await said(world)
    assert lines[-2:] == [f"open {HUE}", f"list {HUE}:{UNREACHABLE}: +1 -0"]
    await world.answer(again, number=2, version=1)
    await world.happen(EntryType.OPENED, number=2, version=1, subject=HUE, condition=UNREACHABLE)
    await world.feed(*recovers("device/d1", AT + 20_000))
    await world.tick(AT + 21_000)
    assert sorted(await said(world)) == ["list #1: +0 -1", f"list {HUE}:{UNREACHABLE}: +0 -1"]


@pytest.mark.rule("HM-145")
@pytest.mark.parametrize("resolve_debounce_s", [0, 2])
async def test_who_begins_a_list_that_ends_at_that_very_instant_gets_its_own(
    world: CorrelatorWorld, resolve_debounce_s: int
) -> None:
    """Four have fired while nothing was published; the fifth fires when it is."""
    policy = BRISK.model_copy(update={"resolve_debounce_s": resolve_debounce_s})
    await behind(world, *devices(5))
    await world.put(policy.model_copy(update={"publish_tickets": False}))
    await world.in_force(4, at=AT - 10_000)
    for one in devices(4):
        await world.feed(*fails(one, AT, policy_version=4))
    await world.tick(AT + 500)
    await world.put(policy)
    await world.in_force(5, at=AT + 1_000)
    await world.tick(AT + 1_500)
    await world.feed(*fails("device/d5", AT + 10_000, policy_version=5))
    await tick_on(world, AT + 11_000)
    lines = await said(world)
    assert lines[-1].startswith("open device/d5"), (lines, await world.outcomes())


@pytest.mark.rule("HM-142", "HM-236")
async def test_who_is_well_is_not_taken_in_though_somebody_has_reopened_its_ticket(world: CorrelatorWorld) -> None:
    await behind(world, "device/d1")
    await world.feed(*fails("device/d1", AT))
    await world.tick(AT + 500)
    (asked,) = [c for c in await world.commands() if c.verb == "open"]
    await world.happen(EntryType.OPENED, version=1, subject="device/d1", answering=UUID(asked.event.id))
    await world.feed(*recovers("device/d1", AT + 5_000))
    await world.tick(AT + 5_500)
    (asked,) = [c for c in await world.commands() if c.verb == "resolve"]
    await world.happen(
        EntryType.RESOLVED, state="resolved", version=2, subject="device/d1", answering=UUID(asked.event.id)
    )
    await world.happen(EntryType.REOPENED, actor=ActorType.USER, at=AT + 6_000, version=3, subject="device/d1")
    await world.feed(*fails(HUE, AT + 20_000, condition=UNREACHABLE))
    await tick_on(world, AT + 21_000)
    lines = await said(world)
    rows = await world.rows("SELECT subject, recovered_at FROM rollup_member")
    assert not [row for row in rows if row.recovered_at is None], (lines, rows)


@pytest.mark.rule("HM-142", "HM-236")
@pytest.mark.parametrize("at_once", [False, True], ids=["one by one", "at once"])
async def test_who_came_up_healthy_in_a_new_log_is_not_taken_in_however_much_comes_at_once(
    environment: Mapping[str, str], at_once: bool
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        d1, hue = "device/d1", "integration/hue-1"
        await world.feed(world.profile(d1, integration="hue-1", name="d1"))
        at = GONE - 60_000
        ok: dict[str, Any] = {"at": at - 100_000, "condition": None, "evidence": evidence(at, deadline=None)}
        await world.feed(change(d1, None, "healthy", **ok), change(hue, None, "healthy", **ok, shard=1))
        await world.feed(silent(d1, at), fires(d1, at + 2_000))
        await world.tick(at + 5_000)
        (opened,) = await world.commands()
        await world.answer(opened)
        await world.clear()
        anew = at + 10_000
        await world.tick(anew - 500)
        await world.feed(world.clock(0, anew, generation=2, clock=0), told(d1, anew), world.clock(1, anew))
        more: dict[str, Any] = {"condition": UNREACHABLE, "shard": 1}
        seen = evidence(anew, deadline=None)
        first = [
            change(hue, "healthy", "pending_open", at=anew + 200, since=anew + 200, evidence=seen, **more),
            change(hue, "pending_open", "firing", at=anew + 2_200, since=anew + 200, evidence=seen, **more),
        ]
        clocks = [world.clock(0, anew + 2_500, generation=2, clock=2_500), world.clock(1, anew + 2_500)]
        again = silent(d1, anew + 3_000, generation=2)
        if at_once:
            await world.feed(
                *first, again, world.clock(0, anew + 4_000, generation=2, clock=4_000), world.clock(1, anew + 4_000)
            )
        else:
            await world.feed(*first, *clocks)
            await world.feed(
                again, world.clock(0, anew + 4_000, generation=2, clock=4_000), world.clock(1, anew + 4_000)
            )
        lines = await said(world)
        assert [line for line in lines if "merged" in line] == []
