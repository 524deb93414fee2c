"""Heartbeats of an org that are lost while, or before, the log begins anew. On a real database."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from correlator_facts import change, next_place
from correlator_world import CorrelatorWorld
from loss_facts import GONE, LONG_AGO, fall_silent, fires, fleet, heard, interval, silent, state_of, states
from rollup_facts import devices, said
from sqlalchemy import text

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.times import from_ms
from fettle_health_monitor.domain.judgements import Change, Evidence, HeardAgain

ANEW = GONE + 10_000
"""When the log begins anew, while heartbeats are lost."""


@pytest_asyncio.fixture
async def world(environment: Mapping[str, str]) -> AsyncIterator[CorrelatorWorld]:
    async with CorrelatorWorld.open(environment) as world:
        yield world


def told(subject: str, at: int) -> Change:
    """The shard is told of it in its new log, and has not heard it there."""
    blank = Evidence(last_heard=None, deadline=None, partition=0, offset=1, status=None, timeout_s=3.0, debounce_s=2.0)
    fields: dict[str, Any] = {"since": at, "reason": "registered", "condition": None, "evidence": blank}
    return change(subject, None, "healthy", at=at, generation=2, **fields)


def unheard(said: Change) -> Change:
    """In the new log, where it was never heard."""
    evidence = msgspec.structs.replace(said.evidence, last_heard=None, status="silent")
    return msgspec.structs.replace(said, generation=2, evidence=evidence)


def is_heard(subject: str, at: int) -> HeardAgain:
    """For the first time in the new log, which judges it to be healthy already."""
    fields: dict[str, Any] = {"org": "acme", "condition": None, "status": "ok", "at": at}
    return HeardAgain(shard=0, generation=2, place=next_place(), subject=subject, **fields)


async def begins_anew(world: CorrelatorWorld, subjects: list[str], at: int) -> None:
    await world.feed(world.clock(0, at, generation=2, clock=0), *(told(each, at) for each in subjects))
    await tick(world, at + 100, at)


async def tick(world: CorrelatorWorld, at: int, since: int) -> None:
    """Both shards have judged up to `at`; the log of shard 0 has begun anew at `since`."""
    await world.feed(world.clock(0, at, generation=2, clock=at - since), world.clock(1, at))


@pytest.mark.rule("HM-294", "HM-157")
async def test_being_told_of_in_a_new_log_is_no_recovery_from_lost_heartbeats(world: CorrelatorWorld) -> None:
    """The ticket stays until they are heard, however long nobody is."""
    everybody = await fleet(world)
    await fall_silent(world, everybody)
    assert await said(world) == ["open other/heartbeats"]
    await begins_anew(world, everybody, ANEW)
    await tick(world, ANEW + 2_900, ANEW)
    assert (await said(world), await states(world)) == ([], {"unknown": 12})
    await world.feed(*(unheard(silent(each, ANEW + 3_000)) for each in everybody))
    await world.feed(*(unheard(fires(each, ANEW + 5_000)) for each in everybody))
    await tick(world, ANEW + 60_000, ANEW)
    assert (await said(world), await states(world)) == ([], {"unknown": 12})
    back = ANEW + 60_000
    await world.feed(*(msgspec.structs.replace(heard(each, back), generation=2) for each in everybody))
    await tick(world, back + 2_100, ANEW)
    assert (await said(world), await states(world)) == (["recovered other/heartbeats:heartbeats_lost"], {"healthy": 12})
    assert (await interval(world)).resumed_at == back


@pytest.mark.rule("HM-294", "HM-153", "HM-154")
async def test_who_is_told_of_in_a_new_log_is_well_as_soon_as_it_is_heard_there(world: CorrelatorWorld) -> None:
    """Its shard never found it silent."""
    everybody = await fleet(world)
    await fall_silent(world, everybody)
    await begins_anew(world, everybody, ANEW)
    await world.feed(is_heard(everybody[0], ANEW + 1_000))
    await tick(world, ANEW + 1_100, ANEW)
    assert await states(world) == {"unknown": 11, "healthy": 1}
    await world.feed(*(is_heard(each, ANEW + 1_500) for each in everybody[1:]))
    await tick(world, ANEW + 1_600, ANEW)
    assert await states(world) == {"healthy": 12}
    assert (await interval(world)).resumed_at == ANEW + 1_500


@pytest.mark.rule("HM-294", "HM-154")
async def test_who_is_first_heard_in_a_new_log_is_heard(world: CorrelatorWorld) -> None:
    """Before its shard is told of it."""
    everybody = await fleet(world)
    await fall_silent(world, everybody)
    await world.feed(world.clock(0, ANEW, generation=2, clock=0))
    first = [change(each, None, "healthy", at=ANEW, generation=2, condition=None) for each in everybody[:2]]
    await world.feed(*(msgspec.structs.replace(each, evidence=heard(each.subject, ANEW).evidence) for each in first))
    await tick(world, ANEW + 100, ANEW)
    assert await states(world) == {"unknown": 10, "healthy": 2}
    assert (await interval(world)).resumed_at == ANEW


@pytest.mark.rule("HM-294", "HM-157")
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
async def test_a_ticket_that_has_ended_comes_back_when_they_are_few_no_longer(
    world: CorrelatorWorld, at_once: bool
) -> None:
    """Of 14 who report still when twelve are lost, and of whom ten are removed, two more fall silent."""
    everybody = await fleet(world, 14)
    await fall_silent(world, everybody[:12])
    assert await said(world) == ["open other/heartbeats"]
    at = GONE + 10_000
    removed = [change(each, "firing", None, at=at, condition=None) for each in everybody[2:12]]
    await world.feed(*removed)
    if not at_once:
        await world.tick(at + 2_100)
        assert "recovered other/heartbeats:heartbeats_lost" in await said(world)
    await world.feed(*(silent(each, at + 5_000) for each in everybody[12:]))
    await world.tick(at + 6_000)
    assert [each for each in await said(world) if "heartbeats" in each][-1:] == ["open other/heartbeats"]
    assert await states(world) == {"unknown": 4}


@pytest.mark.rule("HM-294", "HM-154")
async def test_when_nobody_is_unknown_any_more_reporting_has_resumed(world: CorrelatorWorld) -> None:
    """All who were lost have been removed: who fails later is no part of that."""
    everybody = await fleet(world, 14)
    await fall_silent(world, everybody[:12])
    at = GONE + 10_000
    await world.feed(*(change(each, "firing", None, at=at, condition=None) for each in everybody[:12]))
    await world.tick(at + 100)
    assert (await interval(world)).resumed_at == at
    last = everybody[13]
    await world.tick(at + 3_000)
    assert "recovered other/heartbeats:heartbeats_lost" in await said(world)
    await world.feed(silent(last, at + 20_000), fires(last, at + 22_000))
    await world.tick(at + 25_000)
    assert (await said(world), await state_of(world, last)) == ([f"open {last}"], "firing")


AGAIN = GONE - 5_000
"""When the log begins anew, and nobody is heard in it."""


async def nobody_comes_back(world: CorrelatorWorld, subjects: list[str]) -> None:
    await world.tick(AGAIN - 1_000)
    await begins_anew(world, subjects, AGAIN)
    await world.feed(*(unheard(silent(each, GONE - 2_000)) for each in subjects))
    await tick(world, GONE - 1_000, AGAIN)
    await world.feed(*(unheard(fires(each, GONE)) for each in subjects))
    await tick(world, GONE + 1_000, AGAIN)


async def forget_history(world: CorrelatorWorld) -> None:
    """As it is forgotten of who has been healthy for 30 days."""
    async with unit_of_work(world.database) as work:
        await work.connection.execute(text("DELETE FROM transition"))
    world.fed.clear()


@pytest.mark.rule("HM-295", "HM-151")
@pytest.mark.parametrize("entered_long_ago", [None, True], ids=["only heard", "entered"])
@pytest.mark.parametrize("on_record", [True, False])
async def test_who_was_healthy_in_the_log_before_counts(
    world: CorrelatorWorld, on_record: bool, entered_long_ago: bool | None
) -> None:
    """The window begins before the log does."""
    everybody = await fleet(world)
    if entered_long_ago:
        await entered(world, everybody, LONG_AGO)
    if not on_record:
        await forget_history(world)
    await nobody_comes_back(world, everybody)
    assert (await said(world), await states(world)) == (["open other/heartbeats"], {"unknown": 12})
    assert (await interval(world)).counted == 12


@pytest.mark.rule("HM-295", "HM-151")
@pytest.mark.parametrize(("before", "counted"), [("firing", 12), ("pending_open", 12), (None, 12), ("healthy", 13)])
async def test_who_was_not_healthy_in_the_log_before_does_not(
    world: CorrelatorWorld, before: str | None, counted: int
) -> None:
    everybody = await fleet(world, 13)
    last = everybody[12]
    await world.feed(change(last, "healthy", before, at=LONG_AGO + 1_000))
    await nobody_comes_back(world, everybody)
    assert (await interval(world)).counted == counted


@pytest.mark.rule("HM-295", "HM-151")
@pytest.mark.parametrize("told_by", ["the registry", "its heartbeat"])
async def test_who_is_new_in_the_window_does_not(world: CorrelatorWorld, told_by: str) -> None:
    """Twelve that come into the new log, and fall silent in it, fail one by one."""
    everybody = devices(12)
    for number, subject in enumerate(everybody):
        await world.feed(world.profile(subject, integration=f"hue-{number % 2}"))
    if told_by == "the registry":
        await entered(world, everybody, AGAIN)
    await world.tick(AGAIN - 1_000)
    await world.feed(world.clock(0, AGAIN, generation=2, clock=0))
    new = [told(each, AGAIN) for each in everybody]
    if told_by == "its heartbeat":
        new = [msgspec.structs.replace(each, reason="first_heard") for each in new]
    await world.feed(*new)
    await world.feed(*(unheard(silent(each, GONE - 2_000)) for each in everybody))
    await tick(world, GONE - 1_000, AGAIN)
    await world.feed(*(unheard(fires(each, GONE)) for each in everybody))
    await tick(world, GONE + 1_000, AGAIN)
    assert await states(world) == {"firing": 12}


async def entered(world: CorrelatorWorld, subjects: list[str], at: int) -> None:
    """Somebody entered them in the registry at this instant."""
    statement = text("UPDATE subject SET registered = true, entered_at = :at WHERE subject = ANY(:subjects)")
    async with unit_of_work(world.database) as work:
        await work.connection.execute(statement, {"at": from_ms(at), "subjects": subjects})
