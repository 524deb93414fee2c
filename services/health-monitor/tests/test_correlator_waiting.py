"""What is decided while other verdicts about the same subject wait for the clocks. On a real database."""

from typing import Any

import msgspec
import pytest
from correlator_facts import T0, change, next_place
from correlator_world import CorrelatorWorld
from rollup_facts import fails, recovers
from test_correlator_registry import remove

from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_contracts.times import from_ms
from fettle_health_monitor.domain.correlator.silences import Schedule
from fettle_health_monitor.domain.judgements import Unobserved

DEVICE = "device/d1"
AT = T0 + 10_000


async def verbs(world: CorrelatorWorld) -> list[str]:
    return [command.verb for command in await world.commands()]


@pytest.mark.rule("HM-82")
async def test_a_recovery_from_before_it_failed_again_does_not_end_what_it_failed_for(
    environment: dict[str, str],
) -> None:
    """All of it waits for the other shard: it failed, recovered and failed again, and then its shard began anew."""
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*fails(DEVICE, AT), *recovers(DEVICE, AT + 500), *fails(DEVICE, AT + 3_000))
        await world.feed(
            change(DEVICE, None, "healthy", at=AT + 3_500, generation=2),
            world.clock(0, AT + 3_500, generation=2, clock=0),
        )
        await world.feed(world.clock(0, AT + 3_900, generation=2, clock=400))
        assert await verbs(world) == []
        await world.feed(world.clock(1, AT + 7_000), world.clock(0, AT + 7_000, generation=2, clock=3_500))
        assert await verbs(world) == ["open", "resolve", "open", "resolve"]


@pytest.mark.rule("HM-69", "HM-322")
@pytest.mark.parametrize("judged", [True, False], ids=["judged", "not judged"])
async def test_what_waits_about_who_is_removed_opens_nothing_behind_that(
    environment: dict[str, str], judged: bool
) -> None:
    """Its shard began anew and has not said anything of it, else the shard's own word comes behind."""
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*fails(DEVICE, AT), *fails("device/d2", AT))
        anew = 1 if judged else 2
        await world.feed(world.clock(0, AT + 500, generation=anew, clock=1_000))
        assert await verbs(world) == []
        world.wall = from_ms(AT + 600)
        await remove(world, DEVICE)
        if judged:
            await world.feed(change(DEVICE, "firing", None, at=AT + 700, since=AT + 700, reason="forgotten"))
        await world.feed(world.clock(1, AT + 7_000), world.clock(0, AT + 7_000, generation=anew, clock=7_500))
        found = await world.rows("SELECT subject, cause, outcome FROM outcome ORDER BY subject, outcome.at")
        ended = [("firing", "opened"), ("forgotten", "resolved")]
        if not judged:
            ended = [("firing", "called_off"), ("forgotten", "nothing_to_resolve")]
        assert [tuple(row) for row in found] == [
            *((DEVICE, *each) for each in ended),
            ("device/d2", "firing", "opened"),
        ]
        told = [(command.verb, command.body.get("subject", {}).get("id")) for command in await world.commands()]
        assert told == ([("open", "d1")] if judged else []) + [("open", "d2")] + ([("resolve", None)] if judged else [])


@pytest.mark.rule("HM-322", "HM-126")
@pytest.mark.parametrize("removed_first", [True, False])
async def test_the_end_of_a_silence_opens_nothing_for_who_was_removed_before_it(
    environment: dict[str, str], removed_first: bool
) -> None:
    """It fired while it was silenced, and its shard, which began anew, says nothing of it."""
    async with CorrelatorWorld.open(environment) as world:
        await world.silence(Schedule(T0, 60), DEVICE)
        await world.feed(*fails(DEVICE, AT))
        await world.tick(AT + 500)
        await world.feed(world.clock(0, AT + 1_000, generation=2, clock=1_000))
        world.wall = from_ms(AT + 2_000)
        if removed_first:
            await remove(world, DEVICE)
        for at in (T0 + 61_000, T0 + 62_000):
            await world.feed(world.clock(1, at), world.clock(0, at, generation=2, clock=at - AT))
        assert await verbs(world) == ([] if removed_first else ["open", "comment"])


async def comes_up_healthy(world: CorrelatorWorld) -> None:
    """Out of a new log while its ticket is open: two seconds later that is to be resolved."""
    await world.feed(*fails(DEVICE, AT))
    await world.tick(AT + 500)
    await world.feed(
        change(DEVICE, None, "healthy", at=AT + 3_500, generation=2),
        world.clock(0, AT + 3_500, generation=2, clock=0),
    )


@pytest.mark.rule("HM-82", "HM-227")
@pytest.mark.parametrize("batches", [1, 2])
async def test_who_had_been_healthy_for_long_enough_is_resolved_however_late_that_is_noticed(
    environment: dict[str, str], batches: int
) -> None:
    """It is pending again by then; what says so may come before the clocks do."""
    async with CorrelatorWorld.open(environment) as world:
        await comes_up_healthy(world)
        again = change(DEVICE, "healthy", "pending_open", at=AT + 5_501, generation=2)
        clocks = world.clock(0, AT + 6_000, generation=2, clock=2_500), world.clock(1, AT + 6_000)
        if batches == 2:
            await world.feed(again)
        await world.feed(again, *clocks)
        assert await verbs(world) == ["open", "resolve"]


@pytest.mark.rule("HM-82", "HM-227")
async def test_who_fails_again_just_before_that_is_not(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await comes_up_healthy(world)
        await world.feed(change(DEVICE, "healthy", "pending_open", at=AT + 5_499, generation=2))
        await world.feed(world.clock(0, AT + 6_000, generation=2, clock=2_500), world.clock(1, AT + 6_000))
        assert await verbs(world) == ["open"]


@pytest.mark.rule("HM-82", "HM-227")
@pytest.mark.parametrize(("lasting_s", "said"), [(2.0, ["open", "resolve"]), (3.0, ["open"])])
async def test_nor_is_who_had_been_seen_for_too_short_a_time(
    environment: dict[str, str], lasting_s: float, said: list[str]
) -> None:
    """Behind a hole in the log, which counts two seconds, it fails again before the clocks come."""
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*fails(DEVICE, AT))
        await world.tick(AT + 500)
        well = change(DEVICE, None, "healthy", at=AT + 3_500, generation=2)
        evidence = msgspec.structs.replace(well.evidence, debounce_s=lasting_s)
        await world.feed(
            msgspec.structs.replace(well, evidence=evidence),
            world.clock(0, AT + 3_600, generation=2, clock=100),
        )
        behind = AT + 13_600
        gap = Unobserved(shard=0, generation=2, place=next_place(), from_at=AT + 3_600, to_at=behind)
        await world.feed(gap, change(DEVICE, "healthy", "pending_open", at=behind + 50, generation=2))
        for later in (500, 1_500):
            await world.feed(
                world.clock(0, behind + later, generation=2, clock=2_100 + later), world.clock(1, behind + later)
            )
        assert await verbs(world) == said


@pytest.mark.rule("HM-82", "HM-227")
@pytest.mark.parametrize(
    ("well", "until", "said"),
    [(False, 12_000, ["open"]), (True, 10_100, ["open"]), (True, 10_201, ["open", "resolve"])],
)
async def test_nor_is_who_was_not_seen_for_a_while_that_is_on_no_record(
    environment: dict[str, str], well: bool, until: int, said: list[str]
) -> None:
    """Four and a half seconds without a record count as two. Who is well again has its time from there."""
    async with CorrelatorWorld.open(environment) as world:
        await comes_up_healthy(world)
        await world.feed(change(DEVICE, "healthy", "pending_open", at=AT + 8_000, generation=2))
        if well:
            await world.feed(change(DEVICE, "pending_open", "healthy", at=AT + 8_200, generation=2))
        for at in (8_500, until):
            await world.feed(world.clock(0, AT + at, generation=2, clock=at - 6_000), world.clock(1, AT + at))
        assert await verbs(world) == said


@pytest.mark.rule("HM-105", "HM-227")
@pytest.mark.parametrize(("until", "said"), [(13_099, []), (13_101, ["open"])])
async def test_what_begins_behind_a_hole_before_the_clocks_come_lasts_from_there(
    environment: dict[str, str], until: int, said: list[str]
) -> None:
    base = AT - T0 + 1_000_000
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*fails(DEVICE, AT))
        await world.tick(AT + 1_000)
        await world.answer((await world.commands())[-1])
        early: dict[str, Any] = {"actor": ActorType.USER, "subject": DEVICE, "version": 2, "at": AT + 11_100}
        await world.happen(EntryType.RESOLVED, state="resolved", **early)
        gap = Unobserved(shard=0, generation=1, place=next_place(), from_at=AT + 1_000, to_at=AT + 11_000)
        await world.feed(gap, world.clock(0, AT + 11_050, clock=base + 3_050), world.clock(1, AT + 11_050))
        await world.feed(world.clock(0, AT + until, clock=base + until - 8_000), world.clock(1, AT + until))
        assert await verbs(world) == ["open", "comment", *said]


@pytest.mark.rule("HM-227")
@pytest.mark.parametrize("slower", [2_199, 2_201, 8_000])
async def test_what_ran_out_in_a_hole_is_decided_in_its_turn_though_another_shard_is_a_little_slower(
    environment: dict[str, str], slower: int
) -> None:
    """The first two seconds of the hole count, and in these it ran out."""
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*fails(DEVICE, AT))
        await world.tick(AT + 200)
        await world.answer((await world.commands())[-1])
        await world.happen(EntryType.RESOLVED, state="resolved", actor=ActorType.USER, subject=DEVICE, version=2)
        gap = Unobserved(shard=0, generation=1, place=next_place(), from_at=AT + 1_000, to_at=AT + 11_000)
        await world.feed(gap, world.clock(0, AT + 11_000, clock=AT - T0 + 1_003_000), world.clock(1, AT + slower))
        assert await verbs(world) == ["open", "comment", *["open"] * (slower > 2_200)]


@pytest.mark.rule("HM-82", "HM-227")
@pytest.mark.parametrize(("later", "said"), [(1_900, ["open"]), (2_001, ["open", "resolve"])])
async def test_who_comes_up_healthy_just_behind_a_hole_has_its_time_from_there(
    environment: dict[str, str], later: int, said: list[str]
) -> None:
    """The clocks are shown later than that."""
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*fails(DEVICE, AT))
        await world.tick(AT + 500)
        await world.feed(world.clock(0, AT + 3_000, generation=2, clock=100))
        behind = AT + 13_000
        gap = Unobserved(shard=0, generation=2, place=next_place(), from_at=AT + 3_000, to_at=behind)
        await world.feed(gap, change(DEVICE, None, "healthy", at=behind, generation=2))
        await world.feed(
            world.clock(0, behind + later, generation=2, clock=2_100 + later), world.clock(1, behind + later)
        )
        assert await verbs(world) == said


@pytest.mark.rule("HM-60", "HM-105", "HM-227")
async def test_what_runs_out_at_the_last_instant_waits_for_what_happened_at_it(environment: dict[str, str]) -> None:
    """Its ticket was resolved early; it was being heard when that ran out, and well and flapping at one instant."""
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*fails(DEVICE, AT))
        await world.tick(AT + 200)
        await world.answer((await world.commands())[-1])
        await world.happen(EntryType.RESOLVED, state="resolved", actor=ActorType.USER, subject=DEVICE, version=2)
        await world.feed(change(DEVICE, "firing", "pending_resolve", at=AT + 1_000))
        at = AT + 3_000
        await world.feed(
            change(DEVICE, "pending_resolve", "healthy", at=at),
            change(DEVICE, "healthy", "flapping", at=at, reason="flapping"),
        )
        await world.tick(at)
        assert await verbs(world) == ["open", "comment"]
        await world.tick(at + 1_000)
        assert await verbs(world) == ["open", "comment", "open"]
        assert sorted(cause for cause, _ in await world.outcomes()) == ["firing", "firing", "recovered"]


@pytest.mark.rule("HM-63", "HM-144")
async def test_a_recovery_calls_off_nothing_that_its_subject_fails_for_afterwards(environment: dict[str, str]) -> None:
    """Both are there when it is decided, and the clocks have not passed the second one yet."""
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*fails(DEVICE, AT))
        await world.feed(*recovers(DEVICE, AT + 500), *fails(DEVICE, AT + 9_000))
        await world.tick(AT + 5_000)
        assert await world.outcomes() == [("firing", "opened"), ("recovered", "resolved")]
        await world.tick(AT + 20_000)
        assert await world.outcomes() == [("firing", "opened"), ("recovered", "resolved"), ("firing", "opened")]
        assert await verbs(world) == ["open", "resolve", "open"]
