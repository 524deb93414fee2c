"""Tickets that the ticket service refuses: when they are asked for again, and when not. On a real database."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from correlator_facts import BRISK, T0, change
from correlator_world import CorrelatorWorld
from loss_facts import GONE, fall_silent, fleet
from rollup_facts import MANY, UNREACHABLE, behind, devices, fails, heard, opened, recovers, said, together, told

from fettle_health_monitor.adapters.correlator import why_facts
from fettle_health_monitor.domain.correlator.clocks import ShardClock
from fettle_health_monitor.domain.correlator.decide import Switches
from fettle_health_monitor.domain.correlator.early_resolve import Standing
from fettle_health_monitor.domain.correlator.refusals import LASTING, Followed, after_refusal
from fettle_health_monitor.domain.correlator.silences import Schedule
from fettle_health_monitor.domain.correlator.watches import Watch
from fettle_health_monitor.domain.why.record import about, has_ticket

AT = T0 + 10_000
DEVICE = "device/d1"
INTEGRATION = "integration/hue-1"
SECOND = 1_000
MINUTE, HOUR = 60 * SECOND, 3_600 * SECOND


async def refuse(world: CorrelatorWorld, code: str = "org_unknown") -> None:
    """The ticket service refuses what was asked for last."""
    asked = [one for one in await world.commands() if one.verb == "open"][-1]
    await world.answer(asked, "rejected", code=code)
    await world.clear()


async def refused(world: CorrelatorWorld, code: str = "org_unknown") -> None:
    """The device fires, and its ticket is refused when clocks are a second further."""
    await behind(world, DEVICE)
    await world.feed(*fails(DEVICE, AT))
    await world.tick(AT + SECOND)
    await refuse(world, code)


@pytest.mark.rule("HM-247")
async def test_a_refused_ticket_is_asked_for_again_and_then_ever_later(environment: dict[str, str]) -> None:
    """After a minute at least, then twice as long after each refusal, up to an hour."""
    async with CorrelatorWorld.open(environment) as world:
        await refused(world)
        at = AT + SECOND
        for minutes in (1, 2, 4, 8, 16, 32, 60, 60):
            await world.tick(at + minutes * MINUTE - 1)
            assert await said(world) == []
            at += minutes * MINUTE
            await world.tick(at)
            (again,) = await world.commands()
            assert (again.verb, again.body["dedup_key"]) == ("open", f"{DEVICE}:device_offline")
            await refuse(world)
        rows = await world.rows("SELECT cause, outcome, reason FROM outcome ORDER BY at")
        told = "the ticket service refused it (org_unknown): There is no such org."
        assert [tuple(row) for row in rows] == [
            ("firing", "refused", told),
            *[("still_unhealthy", "refused", told)] * 8,
        ]


@pytest.mark.rule("HM-247")
async def test_what_is_asked_for_again_says_what_it_said(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, DEVICE)
        await world.feed(*fails(DEVICE, AT))
        await world.tick(AT + SECOND)
        (first,) = await world.commands()
        await refuse(world)
        await world.tick(AT + SECOND + MINUTE)
        (again,) = await world.commands()
        changed = {"at", "evidence"}
        assert {name: value for name, value in again.body.items() if name not in changed} == {
            name: value for name, value in first.body.items() if name not in changed
        }
        evidence = first.body["evidence"] | {"reason": "open_refused", "waited_s": 60.0}
        assert again.body["evidence"] == evidence
        assert await world.outcomes() == [("firing", "refused"), ("still_unhealthy", "opened")]
        await world.answer(again)
        assert await world.outcomes() == [("firing", "refused"), ("still_unhealthy", "opened")]
        await world.answer(first, "rejected")
        assert await world.rows("SELECT * FROM watch") == []
        await world.tick(AT + 2 * HOUR)
        assert len(await world.commands()) == 1


@pytest.mark.rule("HM-247")
@pytest.mark.parametrize("code", ["title_too_long", "of_a_later_version"])
async def test_only_what_cannot_pass_is_asked_for_no_more(environment: dict[str, str], code: str) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await refused(world, code)
        await world.tick(AT + 2 * HOUR)
        assert await said(world) == ([] if code in LASTING else [f"open {DEVICE}"])


def standing(**changes: Any) -> Standing:
    shard = ShardClock(0, 1, AT, 1_000_000)
    return replace(Standing(DEVICE, "firing", "device_offline", shard, Switches(3, True, True), 90.0), **changes)


def followed(code: str, stood: Standing | None, waited_s: float = 0) -> Followed:
    about = {"org": "acme", "condition": "device_offline"}
    return after_refusal(UUID(int=1), code, standing=stood, waited_s=waited_s, **about)


@pytest.mark.rule("HM-247")
@pytest.mark.parametrize(
    ("code", "stood", "follows"),
    [
        ("key_invalid", standing(), "lasts"),
        ("org_unknown", None, "healthy"),
        ("org_unknown", standing(state="healthy", condition=None), "healthy"),
        ("org_unknown", standing(condition="integration_unreachable"), "healthy"),
        ("org_unknown", standing(switches=Switches(3, True, False)), "not_published"),
        ("org_unknown", standing(switches=Switches(3, False, False)), "not_published"),
    ],
)
def test_nothing_follows_from_a_refusal_where_nothing_would_come_of_it(
    code: str, stood: Standing | None, follows: str
) -> None:
    assert followed(code, stood) == follows


@pytest.mark.rule("HM-247")
@pytest.mark.parametrize(("waited_s", "lasts_s"), [(0, 90), (50, 100), (1_799, 3_598), (3_600, 3_600)])
def test_it_is_waited_for_a_debounce_and_ever_longer(waited_s: float, lasts_s: int) -> None:
    watch = followed("org_unknown", standing(), waited_s)
    assert isinstance(watch, Watch)
    assert (watch.start_at, watch.due_at) == (AT, AT + lasts_s * SECOND)


@pytest.mark.rule("HM-247")
async def test_who_recovers_meanwhile_is_not_asked_for_again(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await refused(world)
        await world.feed(*recovers(DEVICE, AT + 20 * SECOND))
        await world.tick(AT + 2 * HOUR)
        assert await said(world) == []
        assert await world.outcomes() == [("firing", "refused"), ("recovered", "nothing_to_resolve")]


@pytest.mark.rule("HM-247")
async def test_who_is_just_heard_again_is_asked_for_when_it_fails_again(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await refused(world)
        await world.feed(heard(DEVICE, AT + MINUTE))
        await world.tick(AT + 2 * MINUTE)
        assert await said(world) == []
        await world.feed(change(DEVICE, "pending_resolve", "firing", at=AT + 2 * MINUTE + 1))
        await world.tick(AT + 3 * MINUTE)
        assert await said(world) == [f"open {DEVICE}"]


async def of_the_integration_refused(world: CorrelatorWorld) -> None:
    """The integration fires, and its ticket is refused when clocks are a second further."""
    await behind(world, *devices(9))
    await world.feed(*fails(INTEGRATION, AT, condition=UNREACHABLE))
    await world.tick(AT + SECOND)
    await refuse(world)


@pytest.mark.rule("HM-247")
async def test_nobody_waits_for_an_integrations_ticket_that_was_refused(environment: dict[str, str]) -> None:
    """A device gets its own, which is merged if the other comes."""
    async with CorrelatorWorld.open(environment) as world:
        await of_the_integration_refused(world)
        await world.feed(*fails(DEVICE, AT + 10 * SECOND))
        await world.tick(AT + 20 * SECOND)
        assert await said(world) == [f"open {DEVICE}"]
        await world.tick(AT + SECOND + MINUTE)
        assert await said(world) == [
            f"open {INTEGRATION}",
            f"merged {DEVICE}:device_offline -> {INTEGRATION}:{UNREACHABLE}",
            f"list {INTEGRATION}:{UNREACHABLE}: +1 -0",
        ]
        rows = await world.rows("SELECT subject, outcome FROM outcome WHERE at > :at", at=AT)
        assert sorted(map(tuple, rows)) == [(DEVICE, "merged"), (DEVICE, "opened"), (INTEGRATION, "opened")]


@pytest.mark.rule("HM-247")
async def test_many_share_a_ticket_while_their_integrations_is_refused(environment: dict[str, str]) -> None:
    """It is taken over if the other comes; those who were on the refused one's list are on it as well."""
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, *devices(9))
        await world.feed(*fails(INTEGRATION, AT, condition=UNREACHABLE), *fails("device/d9", AT + 10))
        await world.tick(AT + SECOND)
        await refuse(world)
        await world.feed(*(each for one in devices(5) for each in fails(one, AT + 10 * SECOND)))
        await world.tick(AT + 20 * SECOND)
        assert await said(world) == [f"open many {INTEGRATION}", f"list {INTEGRATION}:{MANY}: +6 -0"]
        await opened(world)
        await world.tick(AT + SECOND + MINUTE)
        assert await said(world) == [
            f"open {INTEGRATION}",
            f"merged {INTEGRATION}:{MANY} -> {INTEGRATION}:{UNREACHABLE}",
            f"list {INTEGRATION}:{UNREACHABLE}: +6 -0",
        ]
        rows = await world.rows("SELECT subject, outcome FROM outcome WHERE cause = 'still_unhealthy'")
        assert sorted(map(tuple, rows)) == [("device/d9", "joined"), (INTEGRATION, "opened")]
        await world.feed(*(each for one in devices(5) for each in recovers(one, AT + 2 * MINUTE)))
        await world.tick(AT + 2 * MINUTE + SECOND)
        assert sorted(await said(world)) == [f"list {INTEGRATION}:{one}: +0 -5" for one in (UNREACHABLE, MANY)]


@pytest.mark.rule("HM-247")
async def test_those_behind_a_refused_shared_ticket_wait_for_it(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await refuse(world)
        await world.feed(*fails("device/d6", AT + 10 * SECOND))
        await world.tick(AT + 20 * SECOND)
        assert await said(world) == []
        await world.tick(AT + SECOND + MINUTE)
        assert await said(world) == [
            f"open many {INTEGRATION}",
            f"list {INTEGRATION}:{MANY}: +5 -0",
            f"list {INTEGRATION}:{MANY}: +1 -0",
        ]


@pytest.mark.rule("HM-247")
async def test_a_refused_shared_ticket_that_was_taken_over_is_asked_for_no_more(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await refuse(world)
        await world.feed(*fails(INTEGRATION, AT + 10 * SECOND, condition=UNREACHABLE))
        await world.tick(AT + 20 * SECOND)
        assert (await said(world))[0] == f"open {INTEGRATION}"
        await world.tick(AT + 2 * HOUR)
        assert await said(world) == []


async def not_taken_over(world: CorrelatorWorld) -> None:
    """The integration fires while there is one about many devices; its ticket and the merge into it are refused."""
    await together(world, AT)
    await opened(world)
    await world.clear()
    await world.feed(*fails(INTEGRATION, AT + 10 * SECOND, condition=UNREACHABLE))
    await world.tick(AT + 11 * SECOND)
    asks, merges = [one for one in await world.commands() if one.verb in ("open", "resolve")]
    await world.answer(asks, "rejected")
    await world.answer(merges, "rejected", code="parent_invalid")
    await world.clear()


@pytest.mark.rule("HM-248")
@pytest.mark.parametrize("order", [[INTEGRATION, *devices(5)], [*devices(5), INTEGRATION]])
async def test_a_ticket_about_many_that_was_not_taken_over_ends_as_ever(
    environment: dict[str, str], order: list[str]
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await not_taken_over(world)
        at = AT + 20 * SECOND
        for subject in order:
            at += 10
            condition = UNREACHABLE if subject == INTEGRATION else "device_offline"
            await world.feed(*recovers(subject, at, condition=condition))
        await world.tick(at + 5 * MINUTE)
        lines = await said(world)
        assert lines.count(f"recovered {INTEGRATION}:{MANY}") == 1
        assert not any(line.startswith("open") for line in lines)
        assert await world.rows("SELECT * FROM watch") == []
        for table in ("rollup_member", "former_member"):
            assert await world.rows(f"SELECT * FROM {table}") == []


@pytest.mark.rule("HM-248")
async def test_what_was_not_taken_over_is_taken_over_later(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await not_taken_over(world)
        await world.tick(AT + 11 * SECOND + MINUTE)
        assert await said(world) == [
            f"open {INTEGRATION}",
            f"merged {INTEGRATION}:{MANY} -> {INTEGRATION}:{UNREACHABLE}",
            f"list {INTEGRATION}:{UNREACHABLE}: +5 -0",
        ]


@pytest.mark.rule("HM-248")
async def test_a_merge_that_is_refused_when_all_are_well_leaves_no_ticket_behind(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await world.clear()
        await world.feed(*fails(INTEGRATION, AT + 10 * SECOND, condition=UNREACHABLE))
        await world.tick(AT + 11 * SECOND)
        merges = [one for one in await world.commands() if one.verb == "resolve"][-1]
        await world.feed(*(each for one in devices(5) for each in recovers(one, AT + 20 * SECOND)))
        await world.tick(AT + 21 * SECOND)
        await world.clear()
        await world.answer(merges, "rejected", code="parent_invalid")
        await world.tick(AT + 5 * MINUTE)
        assert f"recovered {INTEGRATION}:{MANY}" in await said(world)
        (few,) = await world.rows("SELECT evidence FROM outcome WHERE cause = 'few_left'")
        assert few.evidence["reason"] == "few_left"


@pytest.mark.rule("HM-228", "HM-247")
@pytest.mark.parametrize("off_between", [False, True])
async def test_no_policy_changes_how_long_is_waited(environment: dict[str, str], off_between: bool) -> None:
    """While the org is switched off nothing is waited for; then all of it."""
    async with CorrelatorWorld.open(environment) as world:
        await refused(world)
        at = AT + SECOND
        for minutes in (1, 2):
            at += minutes * MINUTE
            await world.tick(at)
            await refuse(world)
        version, begins = 4, at
        if off_between:
            await world.put(BRISK.model_copy(update={"enabled": False}))
            await world.in_force(4, at=at + 5 * SECOND, enabled=False)
            version, begins = 5, at + 6 * SECOND
        await world.put(BRISK.model_copy(update={"rollup_threshold": 7}))
        await world.in_force(version, at=at + 6 * SECOND)
        await world.tick(begins + 4 * MINUTE - 1)
        assert await said(world) == []
        await world.tick(begins + 4 * MINUTE)
        (again,) = await world.commands()
        assert again.body["evidence"]["waited_s"] == 240


@pytest.mark.rule("HM-126", "HM-247")
async def test_the_end_of_a_silence_asks_at_once_for_what_was_refused(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await refused(world)
        at = AT + SECOND
        for minutes in (1, 2):
            at += minutes * MINUTE
            await world.tick(at)
            await refuse(world)
        await world.silence(Schedule(at + 10 * SECOND, 60), DEVICE)
        await world.tick(at + 75 * SECOND)
        assert await said(world) == [f"open {DEVICE}"]
        await world.tick(at + 2 * HOUR)
        assert await said(world) == []
        assert (await world.outcomes())[-1] == ("silence_ended", "opened")


@pytest.mark.rule("HM-247")
async def test_a_shared_ticket_that_was_refused_comes_with_its_whole_list(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        (first, *_) = await world.commands()
        await refuse(world)
        await world.feed(*recovers("device/d5", AT + 20 * SECOND), *fails("device/d6", AT + 21 * SECOND))
        await world.tick(AT + 30 * SECOND)
        await said(world)
        await world.tick(AT + SECOND + MINUTE)
        again, *_ = await world.commands()
        assert (again.body["title"], again.body["integration"]) == (first.body["title"], "hue-1")
        assert "shares" not in again.body["evidence"]
        assert await said(world) == [
            f"open many {INTEGRATION}",
            f"list {INTEGRATION}:{MANY}: +5 -1",
            f"list {INTEGRATION}:{MANY}: +1 -0",
        ]
        await world.answer(again)
        rows = await world.rows("SELECT subject, outcome, awaits FROM outcome WHERE cause = 'still_unhealthy'")
        joined = [(subject, "joined", None) for subject in devices(4)]
        assert sorted(map(tuple, rows)) == [*joined, (INTEGRATION, "opened", None)]
        async with world.database.reading() as connection:
            record = await why_facts.outcomes(connection, "acme", DEVICE, AT + 2 * MINUTE)
        assert [(each.outcome, each.evidence["deadline"]) for each in record] == [
            ("refused", record[0].evidence["deadline"]),
            ("joined", record[0].evidence["deadline"]),
        ]
        assert has_ticket(record)
        assert about(record[-1], DEVICE) == (INTEGRATION, MANY)


@pytest.mark.rule("HM-247")
async def test_when_few_are_left_of_a_refused_shared_ticket_they_get_their_own(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await refuse(world)
        well = [each for number in (3, 4, 5) for each in recovers(f"device/d{number}", AT + MINUTE - 1)]
        await world.feed(*well)
        await world.tick(AT + 2 * MINUTE)
        opens = [line for line in told(await world.commands()) if line.startswith("open")]
        assert opens == [f"open {one} after {INTEGRATION}:{MANY}" for one in devices(2)]
        await refuse(world)
        await world.tick(AT + 4 * MINUTE)
        assert await said(world) == [f"open device/d2 after {INTEGRATION}:{MANY}"]


@pytest.mark.rule("HM-247")
async def test_the_ticket_about_lost_heartbeats_is_asked_for_again_under_its_title(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fall_silent(world, (await fleet(world))[:10])
        (first,) = await world.commands()
        await refuse(world)
        await world.tick(GONE + SECOND + MINUTE)
        (again,) = await world.commands()
        assert again.body["title"] == first.body["title"]
        assert again.body["subject"] == first.body["subject"]
