"""Why there is or is not a ticket, by what is on record alone: shared ones, resolved ones, new logs. On a database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn
from uuid import UUID

import pytest
from correlator_facts import QUIET, T0, change
from correlator_world import CorrelatorWorld
from msgspec.structs import replace
from rollup_facts import (
    UNREACHABLE,
    behind,
    devices,
    fails,
    fires,
    heard,
    opened,
    recovers,
    resolved_by_somebody,
    together,
)

from fettle_contracts.identity import HeartbeatKey
from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.adapters.judge.checkpoints import Checkpoints
from fettle_health_monitor.correlator.why import Answer, Why
from fettle_health_monitor.domain.correlator.evidence import instant
from fettle_health_monitor.domain.correlator.silences import Schedule
from fettle_health_monitor.judge.replaying import NotKept, Replays

AT = T0 + 10_000
HUE = "integration/hue-1"


class NothingKept(Replays):
    """Of no shard anything is kept that it could be judged again from."""

    def past(self, shard: int) -> NoReturn:
        raise NotKept(f"nothing of shard {shard} is kept")


async def why(world: CorrelatorWorld, subject: str, at: int) -> Answer:
    """By the record alone."""
    replays = NothingKept(world.settings, world.database, lambda _: pytest.fail("there is no log"))
    return await Why(world.database, replays).answer(HeartbeatKey.parse(f"acme/{subject}"), 0, at)


@asynccontextmanager
async def joined(environment: dict[str, str]) -> AsyncIterator[CorrelatorWorld]:
    """The device is on the list of its integration's own ticket."""
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, "device/d1")
        await world.feed(*fails(HUE, AT, condition=UNREACHABLE), *fails("device/d1", AT + 3_000))
        await world.tick(AT + 4_000)
        yield world


@pytest.mark.rule("HM-310")
@pytest.mark.parametrize("published", [True, False])
async def test_a_ticket_that_its_integration_had_is_shared_until_that_recovers(
    environment: dict[str, str], published: bool
) -> None:
    """Timeout 3 s and open debounce 2 s: it is judged afresh five seconds after the recovery."""
    async with joined(environment) as world:
        await world.feed(*recovers(HUE, AT + 20_000, condition=UNREACHABLE))
        await world.tick(AT + 20_500)
        before, behind_it = await why(world, "device/d1", AT + 19_999), await why(world, "device/d1", AT + 20_400)
        assert (before.has_ticket, before.suppressed_by) == (True, "joined")
        assert (behind_it.has_ticket, behind_it.suppressed_by, behind_it.ticket) == (False, "judged_afresh", None)
        assert f"The ticket that it shared with others ended at {instant(AT + 20_000)}:" in behind_it.because
        if not published:
            await world.put(QUIET)
            await world.in_force(4, at=AT + 21_000)
        await world.tick(AT + 26_000)
        later = await why(world, "device/d1", AT + 26_000)
        assert (later.has_ticket, later.suppressed_by) == (published, None if published else "unpublished")
        assert ("was asked for at" in later.because) == published


@pytest.mark.rule("HM-185")
@pytest.mark.parametrize("by", [ActorType.HEALTH_MONITOR, ActorType.USER])
async def test_only_who_is_not_the_monitor_is_somebody(environment: dict[str, str], by: ActorType) -> None:
    """Asked about the day before, when the ticket was there: it is resolved since."""
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*fails("device/d1", AT))
        await world.tick(AT + 500)
        (asked,) = await world.commands()
        await world.happen(EntryType.OPENED, subject="device/d1", answering=UUID(asked.event.id))
        if by is ActorType.HEALTH_MONITOR:
            await world.feed(*recovers("device/d1", AT + 20_000))
            await world.tick(AT + 21_000)
        await world.happen(EntryType.RESOLVED, state="resolved", actor=by, at=AT + 20_000, subject="device/d1")
        found = await why(world, "device/d1", AT + 1_000)
        assert (found.has_ticket, found.ticket and found.ticket.state) == (True, "resolved")
        assert found.because.endswith("Somebody has resolved it since.") == (by is ActorType.USER)


@pytest.mark.rule("HM-310")
async def test_who_is_silenced_when_few_are_left_has_no_ticket(environment: dict[str, str]) -> None:
    """And who is just being heard again has none before it fails again."""
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await world.silence(Schedule(AT + 15_000, 86_400), "device/d5")
        await world.feed(*recovers("device/d1", AT + 20_000), heard("device/d4", AT + 21_000))
        await world.tick(AT + 23_000)
        left = {one: await why(world, one, AT + 22_500) for one in devices(3, 3)}
        assert [(left[one].has_ticket, left[one].suppressed_by) for one in devices(3, 3)] == [
            (True, None),
            (False, "judged_afresh"),
            (False, "silenced"),
        ]
        assert "It called for a ticket at" in left["device/d5"].because
        await world.feed(change("device/d4", "pending_resolve", "firing", at=AT + 24_000, since=AT + 24_000))
        await world.tick(AT + 25_000)
        assert (await why(world, "device/d4", AT + 24_500)).has_ticket


@pytest.mark.rule("HM-310")
async def test_a_ticket_that_was_taken_over_is_shared_until_the_one_that_took_it_ends(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await world.feed(*fails(HUE, AT + 10_000, condition=UNREACHABLE))
        await world.feed(*recovers(HUE, AT + 30_000, condition=UNREACHABLE))
        await world.tick(AT + 30_500)
        found = [await why(world, "device/d4", at) for at in (AT + 29_000, AT + 30_400)]
        assert [each.suppressed_by for each in found] == ["joined", "judged_afresh"]


@pytest.mark.rule("HM-310")
@pytest.mark.parametrize(("recovering", "word"), [(0, "joined"), (1, "judged_afresh")])
async def test_a_ticket_that_somebody_resolved_is_shared_if_it_comes_back(
    environment: dict[str, str], recovering: int, word: str
) -> None:
    """It does if they are many after the debounce; else who is just being heard again is left without."""
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await resolved_by_somebody(world, AT + 20_000)
        await world.feed(*(each for one in devices(recovering) for each in recovers(one, AT + 21_000)))
        await world.feed(heard("device/d5", AT + 21_500))
        await world.tick(AT + 23_000)
        assert (await why(world, "device/d5", AT + 22_500)).suppressed_by == word


@pytest.mark.rule("HM-266")
@pytest.mark.parametrize(("generation", "said"), [(1, "It has never reported;"), (2, "It has not reported since its")])
async def test_who_was_judged_before_its_log_began_anew_is_not_said_never_to_have_reported(
    environment: dict[str, str], generation: int, said: str
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        assert await Checkpoints(world.database, address="").begin(0, generation, 2)
        fired = fires("device/d1", AT, generation=generation)
        await world.feed(replace(fired, evidence=replace(fired.evidence, last_heard=None)))
        await world.feed(world.clock(0, AT + 500, generation=generation), world.clock(1, AT + 500))
        assert (await why(world, "device/d1", AT + 100)).because.startswith(said)
