"""What had run out in a log that has ended, when a new one has begun in its place. On a real database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

import pytest
from correlator_facts import T0, change, next_place
from correlator_world import CorrelatorWorld
from rollup_facts import UNREACHABLE, behind, fails, recovers, said
from silenced_world import HEALTHY, fire
from sqlalchemy import text

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.adapters.correlator import unseen_timers
from fettle_health_monitor.adapters.correlator.progress import Progress
from fettle_health_monitor.correlator.news import Received
from fettle_health_monitor.correlator.reach import by_log
from fettle_health_monitor.domain.correlator.clocks import ShardClock
from fettle_health_monitor.domain.judgements import CLOCK_INDEX, Change, Clock, Hello, Judgement

DUE = T0 + 9_000
"""Somebody has resolved the ticket two seconds before, an open debounce, and its device fires on."""


@asynccontextmanager
async def resolved_early(environment: dict[str, str]) -> AsyncIterator[CorrelatorWorld]:
    async with CorrelatorWorld.open(environment) as world:
        await fire(world, T0 + 1_000)
        await world.tick(T0 + 2_000)
        (first,) = await world.commands()
        await world.happen(EntryType.OPENED, answering=UUID(first.event.id))
        await world.tick(DUE - 2_000)
        await world.happen(EntryType.RESOLVED, state="resolved", actor=ActorType.USER, at=DUE - 2_000, version=2)
        await world.clear()
        yield world


def new_log(world: CorrelatorWorld, at: int) -> tuple[Clock, Change]:
    """Of shard 0, whose device comes up healthy."""
    clock = world.clock(0, at, generation=2, clock=0)
    return clock, change("device/t17", None, HEALTHY, at=at, since=at, generation=2)


async def reopened_at(world: CorrelatorWorld) -> list[str]:
    return [command.body["at"] for command in await world.commands() if command.verb == "open"]


@pytest.mark.rule("HM-332")
@pytest.mark.parametrize("in_one_batch", [True, False])
async def test_it_is_decided_however_the_two_logs_come(environment: dict[str, str], in_one_batch: bool) -> None:
    async with resolved_early(environment) as world:
        old = [world.clock(0, T0 + 20_000), world.clock(1, T0 + 20_000)]
        new: list[Judgement] = [*new_log(world, T0 + 30_000), world.clock(1, T0 + 31_000)]
        new.append(world.clock(0, T0 + 31_000, generation=2, clock=1_000))
        if in_one_batch:
            await world.feed(*old, *new)
        else:
            await world.feed(*old)
            await world.feed(*new)
        assert await reopened_at(world) == ["2026-09-21T14:13:29.000Z"]


@pytest.mark.rule("HM-332")
async def test_it_is_decided_when_the_other_shard_has_come_as_far(environment: dict[str, str]) -> None:
    async with resolved_early(environment) as world:
        await world.feed(world.clock(0, DUE + 2_000), world.clock(1, DUE - 1_000))
        await world.feed(*new_log(world, DUE + 3_000))
        assert await reopened_at(world) == []
        await world.feed(world.clock(1, DUE + 4_000), world.clock(0, DUE + 4_000, generation=2, clock=1_000))
        assert await reopened_at(world) == ["2026-09-21T14:13:29.000Z"]


@pytest.mark.rule("HM-332")
async def test_what_had_not_run_out_has_its_whole_time_from_the_first_clock_of_the_new_log(
    environment: dict[str, str],
) -> None:
    """Also where that comes in one batch with what follows for long; nothing is said of the device yet."""
    async with resolved_early(environment) as world:
        at = DUE - 500
        anew, _ = new_log(world, at)
        rest = [world.clock(0, at + 60_000, generation=2, clock=60_000), world.clock(1, at + 60_000)]
        await world.feed(anew, *rest)
        assert await reopened_at(world) == ["2026-09-21T14:13:30.500Z"]


@pytest.mark.rule("HM-144", "HM-332")
@pytest.mark.parametrize("at_once", [False, True], ids=["decided before", "decided behind the first clock"])
async def test_what_begins_in_a_log_that_has_ended_has_its_whole_time_from_the_first_clock_of_the_new_one(
    environment: dict[str, str], at_once: bool
) -> None:
    """Its integration recovers, and a device has a fresh timeout of three seconds and an open debounce of two."""
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 10_000
        await behind(world, "device/d1")
        await world.feed(*fails("integration/hue-1", at, condition=UNREACHABLE), *fails("device/d1", at + 3_000))
        await world.tick(at + 3_500)
        recovered = recovers("integration/hue-1", at + 20_000, condition=UNREACHABLE)
        await world.feed(*recovered)
        if not at_once:
            await world.tick(at + 20_500)
        for second in (22, 24):
            await world.feed(world.clock(0, at + second * 1_000, generation=2, clock=second * 1_000 - 22_000))
        await world.feed(world.clock(1, at + 26_900), world.clock(0, at + 26_900, generation=2, clock=4_900))
        await world.clear()
        await world.feed(world.clock(1, at + 28_000), world.clock(0, at + 28_000, generation=2, clock=6_000))
        assert await said(world) == ["open device/d1"]


@pytest.mark.rule("HM-340")
async def test_the_first_clock_is_told_from_the_last_where_the_new_log_has_shown_none_yet(
    environment: dict[str, str],
) -> None:
    async with resolved_early(environment) as world:
        at = DUE - 500
        await world.feed(Hello(shard=0, generation=2, place=next_place(), nonce="n"))
        first = world.clock(0, at, generation=2, clock=0)
        rest = [world.clock(0, at + 60_000, generation=2, clock=60_000), world.clock(1, at + 60_000)]
        await world.feed(first, *rest)
        assert await reopened_at(world) == ["2026-09-21T14:13:30.500Z"]


@pytest.mark.rule("HM-340")
def test_the_part_up_to_the_first_clock_of_a_log_is_taken_in_by_itself() -> None:
    """Unless its shard has never shown one: in a part without its clock nobody would wait for it."""

    def clock(generation: int, place: int) -> Received:
        shown = Clock(
            shard=0,
            generation=generation,
            place=(place, CLOCK_INDEX),
            at=T0 + place,
            clock=place,
            offset=place,
            address="http://127.0.0.1:9000",
        )
        return Received(0, shown)

    old, first, *rest = clock(1, 3), clock(2, 5), clock(2, 6), clock(2, 7)
    known = Progress(0, 0, (2, 4, 0), ShardClock(0, 1, T0 + 3, 3))
    assert by_log({(0, 0): known}, [old, first, *rest]) == [[old, first], rest]
    for other in (replace(known, clock=ShardClock(0, 2, T0 + 4, 4)), replace(known, clock=None)):
        assert by_log({(0, 0): other}, [old, first, *rest]) == [[old, first, *rest]]


@pytest.mark.rule("HM-332")
async def test_so_it_is_with_who_is_shown_otherwise_than_judged(environment: dict[str, str]) -> None:
    """The log ended at 5 s of its clock: what was due at 4 s is so a second before that, behind it all 6 s begin."""
    ended, anew = ShardClock(0, 1, T0 + 10_000, 5_000), ShardClock(0, 2, T0 + 12_000, 100)
    keep = text(
        "INSERT INTO unseen_subject (org, subject, partition, shard, shown, judged, generation, start_clock, due_clock)"
        " VALUES ('acme', :subject, 0, 0, 'unknown', '{}', 1, :start, :due)"
    )
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(world.clock(0, anew.at, generation=2, clock=anew.clock))
        async with unit_of_work(world.database) as work:
            await work.connection.execute(keep, {"subject": "device/out", "start": 1_000, "due": 4_000})
            await work.connection.execute(keep, {"subject": "device/runs", "start": 2_000, "due": 8_000})
            await unseen_timers.begin_anew(work.connection, [(0, anew)], [(0, ended)])
        rows = await world.rows(
            "SELECT subject, generation, start_clock, due_clock FROM unseen_subject ORDER BY subject"
        )
    assert [tuple(row) for row in rows] == [
        ("device/out", 2, 100 - 3_000 - 3_000, 100 - 3_000),
        ("device/runs", 2, 100, 6_100),
    ]
