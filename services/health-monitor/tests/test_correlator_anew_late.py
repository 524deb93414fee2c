"""Whoever comes up healthy in a new log, where what was before that is decided later. On a real database."""

import pytest
from correlator_facts import BRISK, QUIET, T0, change
from correlator_world import CorrelatorWorld
from rollup_facts import UNREACHABLE, behind, fails, fires, heard, pending, recovers
from test_correlator_switched_off import switched
from test_correlator_waiting import AT, DEVICE, comes_up_healthy, verbs

from fettle_health_monitor.domain.correlator.silences import Schedule
from fettle_health_monitor.domain.judgements import Judgement

BEGINS = AT + 6_000
"""When the log of shard 0 begins anew, with the device healthy; its resolve debounce is two seconds."""


def anew(world: CorrelatorWorld) -> list[Judgement]:
    return [
        change(DEVICE, None, "healthy", at=BEGINS, generation=2),
        world.clock(0, BEGINS, generation=2, clock=0),
        change(DEVICE, "healthy", "pending_open", at=BEGINS + 2_500, generation=2),
        world.clock(0, BEGINS + 3_000, generation=2, clock=3_000),
    ]


async def outcomes(world: CorrelatorWorld) -> list[tuple[str, str]]:
    found = await world.rows("SELECT cause, outcome FROM outcome ORDER BY outcome.at")
    return [(row.cause, row.outcome) for row in found]


@pytest.mark.rule("HM-82", "HM-333")
@pytest.mark.parametrize("waits", [False, True], ids=["all together", "shard 1 is slow"])
@pytest.mark.parametrize(("lasts_s", "said"), [(15, ["open", "comment", "resolve"]), (17, [])])
async def test_what_a_silence_that_ended_before_the_new_log_opens_is_resolved(
    environment: dict[str, str], waits: bool, lasts_s: int, said: list[str]
) -> None:
    """It was firing when the silence ended five seconds after that, and was not seven seconds after."""
    async with CorrelatorWorld.open(environment) as world:
        await world.silence(Schedule(T0, lasts_s), DEVICE)
        await world.feed(*fails(DEVICE, AT))
        await world.tick(AT + 500)
        said_anew = anew(world)
        if waits:
            await world.feed(*said_anew)
            said_anew = []
        await world.feed(*said_anew, world.clock(1, BEGINS + 3_000))
        assert await verbs(world) == said
        recovered = [outcome for cause, outcome in await outcomes(world) if cause == "recovered"]
        assert recovered == ["resolved"] * bool(said)


@pytest.mark.rule("HM-82", "HM-333")
@pytest.mark.parametrize("existing", [False, True])
async def test_what_publishing_that_began_before_the_new_log_opens_is_resolved(
    environment: dict[str, str], existing: bool
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.put(QUIET)
        await world.in_force(4, at=AT - 1_000)
        await world.feed(change(DEVICE, "pending_open", "firing", at=AT, since=AT - 2_000, policy_version=4))
        await world.tick(AT + 500)
        await world.put(BRISK, publish_existing=existing)
        await world.in_force(5, at=AT + 2_000)
        await world.feed(*anew(world))
        await world.feed(world.clock(1, BEGINS + 3_000))
        assert await verbs(world) == ["open", "resolve"] * existing
        assert len(await outcomes(world)) == (3 if existing else 1)


@pytest.mark.rule("HM-82", "HM-285", "HM-333")
async def test_what_a_silence_that_ended_while_the_org_was_off_opens_is_resolved(environment: dict[str, str]) -> None:
    """Publishing had begun for what exists, and was refused for the org was off."""
    async with CorrelatorWorld.open(environment) as world:
        await world.put(QUIET)
        await world.in_force(4, at=AT - 1_000)
        await world.feed(change(DEVICE, "pending_open", "firing", at=AT, since=AT - 2_000, policy_version=4))
        await world.silence(Schedule(AT + 1_000, 4), DEVICE)
        await world.put(BRISK.model_copy(update={"enabled": False}), publish_existing=True)
        await world.in_force(5, at=AT + 2_000, enabled=False)
        await world.tick(AT + 5_500)
        well = change(DEVICE, None, "healthy", at=BEGINS, generation=2, policy_version=5)
        await world.feed(well, world.clock(0, BEGINS, generation=2, clock=0), world.clock(1, BEGINS))
        await world.feed(*await switched(world, BEGINS + 2_000, on=True, generations=(2, 1)))
        await world.feed(world.clock(0, BEGINS + 9_000, generation=2, clock=9_000), world.clock(1, BEGINS + 9_000))
        assert await outcomes(world) == [
            ("firing", "unpublished"),
            ("publishing_began", "refused"),
            ("silence_ended", "opened"),
            ("recovered", "resolved"),
        ]
        assert await verbs(world) == ["open", "resolve"]


@pytest.mark.rule("HM-82", "HM-227")
@pytest.mark.parametrize(("until", "said"), [(6_499, ["open"]), (6_501, ["open", "resolve"])])
@pytest.mark.parametrize("together", [False, True])
async def test_who_was_well_for_long_enough_between_two_changes_is_resolved_though_both_come_together(
    environment: dict[str, str], until: int, said: list[str], together: bool
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await comes_up_healthy(world)
        moves = [
            change(DEVICE, "healthy", "pending_open", at=AT + 4_000, generation=2),
            change(DEVICE, "pending_open", "healthy", at=AT + 4_500, generation=2),
            change(DEVICE, "healthy", "pending_open", at=AT + until, generation=2),
        ]
        for each in [moves] if together else [[move] for move in moves]:
            await world.feed(*each)
        await world.feed(world.clock(0, AT + 7_000, generation=2, clock=3_500), world.clock(1, AT + 7_000))
        assert await verbs(world) == said


@pytest.mark.rule("HM-82", "HM-227", "HM-229")
@pytest.mark.parametrize(("until", "said"), [(7_900, ["open"]), (8_100, ["open", "resolve"])])
@pytest.mark.parametrize("together", [False, True])
async def test_who_was_well_for_long_enough_since_the_org_is_on_again_is_resolved_though_all_comes_together(
    environment: dict[str, str], until: int, said: list[str], together: bool
) -> None:
    """Its resolve debounce of two seconds, from six seconds after it fired. That the org is off was told before."""
    async with CorrelatorWorld.open(environment) as world:
        await comes_up_healthy(world)
        logs = (2, 1)
        all_said: list[Judgement] = [
            *await switched(world, AT + 4_000, on=False, generations=logs),
            world.clock(0, AT + 5_000, generation=2, clock=1_500),
            world.clock(1, AT + 5_000),
            *await switched(world, AT + 6_000, on=True, generations=logs),
            change(DEVICE, "healthy", "pending_open", at=AT + until, generation=2),
            world.clock(0, AT + 12_000, generation=2, clock=8_500),
            world.clock(1, AT + 12_000),
        ]
        for batch in [all_said[:4], all_said[4:]] if together else [[each] for each in all_said]:
            await world.feed(*batch)
        assert await verbs(world) == said


@pytest.mark.rule("HM-82", "HM-333")
@pytest.mark.parametrize("together", [False, True])
async def test_whose_removal_is_not_decided_yet_has_nothing_left_that_could_be_resolved(
    environment: dict[str, str], together: bool
) -> None:
    """It was firing while nothing was published, and is heard again as healthy after its removal."""
    async with CorrelatorWorld.open(environment) as world:
        await world.put(QUIET)
        await world.in_force(4, at=AT - 1_000)
        await world.feed(change(DEVICE, "pending_open", "firing", at=AT, since=AT - 2_000, policy_version=4))
        await world.tick(AT + 500)
        removed = [
            change(DEVICE, "firing", None, at=AT + 2_000, policy_version=4),
            change(DEVICE, None, "healthy", at=AT + 2_300, policy_version=4),
        ]
        if not together:
            await world.feed(*removed, world.clock(0, AT + 3_000))
            removed = []
        await world.feed(*removed, world.clock(0, AT + 6_000), world.clock(1, AT + 6_000))
        await world.tick(AT + 9_000)
        assert await outcomes(world) == [("firing", "unpublished"), ("forgotten", "nothing_to_resolve")]


async def fires_in_its_fresh_time(world: CorrelatorWorld) -> None:
    """Its integration has recovered at `AT + 20_000`, and it has five seconds from there."""
    await behind(world, DEVICE)
    await world.feed(*fails("integration/hue-1", AT, condition=UNREACHABLE), pending(DEVICE, AT + 19_000))
    await world.feed(*recovers("integration/hue-1", AT + 20_000, condition=UNREACHABLE))
    await world.feed(fires(DEVICE, AT + 21_000))


@pytest.mark.rule("HM-82", "HM-144", "HM-227")
@pytest.mark.parametrize("again", [False, True])
async def test_whose_fresh_time_ran_out_while_it_was_just_being_heard_is_well_in_the_new_log_unless_it_failed_again(
    environment: dict[str, str], again: bool
) -> None:
    """It is heard after four seconds, and its log begins anew after nine."""
    async with CorrelatorWorld.open(environment) as world:
        await fires_in_its_fresh_time(world)
        await world.feed(heard(DEVICE, AT + 24_000))
        await world.tick(AT + 25_500)
        await world.clear()
        if again:
            await world.feed(change(DEVICE, "pending_resolve", "firing", at=AT + 27_000))
        begins = AT + 29_000
        well = change(DEVICE, None, "healthy", at=begins, generation=2)
        await world.feed(well, world.clock(0, begins, generation=2, clock=0), world.clock(1, begins))
        await world.feed(world.clock(0, begins + 4_000, generation=2, clock=4_000), world.clock(1, begins + 4_000))
        assert await verbs(world) == ["open", "resolve"] * again
        its = await world.rows("SELECT cause, outcome FROM outcome WHERE subject = :device ORDER BY at", device=DEVICE)
        found = [tuple(row) for row in its]
        assert found == ([("firing", "opened"), ("recovered", "resolved")] if again else [("firing", "called_off")])
        assert await world.rows("SELECT id FROM verdict") == []
        assert await world.rows("SELECT kind FROM watch") == []


@pytest.mark.rule("HM-144", "HM-227")
@pytest.mark.parametrize("slow", [False, True])
async def test_a_fresh_time_that_ran_out_calls_for_its_ticket_though_its_device_has_been_well_twice_since(
    environment: dict[str, str], slow: bool
) -> None:
    """Once out of firing, which is decided with it, and once out of pending; the other shard may be slow."""
    async with CorrelatorWorld.open(environment) as world:
        await fires_in_its_fresh_time(world)
        await world.tick(AT + 21_500)
        await world.clear()
        if not slow:
            await world.tick(AT + 25_500)
        await world.feed(*recovers(DEVICE, AT + 28_000), pending(DEVICE, AT + 29_000))
        await world.feed(change(DEVICE, "pending_open", "healthy", at=AT + 29_500), world.clock(0, AT + 29_800))
        await world.tick(AT + 31_000)
        assert await verbs(world) == ["open", "resolve"]
