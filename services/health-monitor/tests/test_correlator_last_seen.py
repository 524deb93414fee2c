"""Whatever brings a ticket, the verdict says what was last seen. On a real database."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from correlator_facts import BRISK, QUIET, T0, change
from correlator_world import CorrelatorWorld
from loss_facts import GONE, fall_silent, fleet
from rollup_facts import (
    MANY,
    UNREACHABLE,
    behind,
    devices,
    fails,
    fires,
    heard,
    opened,
    pending,
    recovers,
    resolved_by_somebody,
    together,
)

from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_contracts.times import from_ms, rfc3339
from fettle_health_monitor.domain.correlator.losses import ALL_HEARTBEATS, LOST
from fettle_health_monitor.domain.correlator.silences import Schedule
from fettle_health_monitor.domain.correlator.verdicts import OPENING, Cause
from fettle_health_monitor.domain.correlator.watches import WatchKind

AT = T0 + 10_000
ONE = "device/d1"
INTEGRATION = "integration/hue-1"
MINUTE = 60_000

Story = Callable[[CorrelatorWorld], Awaitable[None]]


async def fires_and_opens(world: CorrelatorWorld) -> None:
    await behind(world, ONE)
    await world.feed(*fails(ONE, AT))
    await world.tick(AT + 1_000)
    await world.answer((await world.commands())[0])


async def is_resolved_early(world: CorrelatorWorld) -> None:
    await fires_and_opens(world)
    await world.happen(
        EntryType.RESOLVED, state="resolved", actor=ActorType.USER, subject=ONE, at=AT + 1_500, version=2
    )
    await world.tick(AT + 10_000)


async def flaps_and_is_resolved_early(world: CorrelatorWorld) -> None:
    await behind(world, ONE)
    await world.feed(*fails(ONE, AT), change(ONE, "firing", "flapping", at=AT + 700, since=AT + 700))
    await world.tick(AT + 1_000)
    await world.answer((await world.commands())[0])
    await world.happen(
        EntryType.RESOLVED, state="resolved", actor=ActorType.USER, subject=ONE, at=AT + 1_500, version=2
    )
    await world.tick(AT + 10_000)


async def fails_again_after_an_early_resolve(world: CorrelatorWorld) -> None:
    """The one before the last change says that it was heard."""
    await fires_and_opens(world)
    await world.feed(heard(ONE, AT + 1_200))
    await world.happen(
        EntryType.RESOLVED, state="resolved", actor=ActorType.USER, subject=ONE, at=AT + 1_500, version=2
    )
    await world.feed(change(ONE, "pending_resolve", "firing", at=AT + 20_000))
    await world.tick(AT + 30_000)


async def is_refused(world: CorrelatorWorld) -> None:
    await behind(world, ONE)
    await world.feed(*fails(ONE, AT))
    await world.tick(AT + 1_000)
    await world.answer((await world.commands())[0], "rejected")
    await world.tick(AT + 2 * MINUTE)


async def is_published(world: CorrelatorWorld) -> None:
    await world.put(QUIET)
    await world.in_force(4)
    await world.feed(*fails(ONE, AT, policy_version=4))
    await world.tick(AT + 1_000)
    await world.put(BRISK, publish_existing=True)
    await world.in_force(5, at=AT + 1_500)
    await world.tick(AT + 2_000)


async def outlasts_its_integration(world: CorrelatorWorld) -> None:
    await behind(world, ONE)
    await world.feed(*fails(INTEGRATION, AT, condition=UNREACHABLE), *fails(ONE, AT + 3_000))
    await world.feed(*recovers(INTEGRATION, AT + 20_000, condition=UNREACHABLE))
    await world.tick(AT + 30_000)


async def fails_again_after_the_ticket_about_many(world: CorrelatorWorld) -> None:
    everybody = await together(world, AT)
    await opened(world)
    for one in everybody[2:]:
        await world.feed(*recovers(one, AT + 10_000))
    await world.feed(heard(everybody[0], AT + 11_000))
    await world.tick(AT + 15_000)
    await world.feed(change(everybody[0], "pending_resolve", "firing", at=AT + 16_000))
    await world.tick(AT + 20_000)


async def is_left_over(world: CorrelatorWorld) -> None:
    await together(world, AT)
    await opened(world)
    for one in devices(4, 2):
        await world.feed(*recovers(one, AT + 10_000))
    await world.tick(AT + 15_000)


async def is_silenced(world: CorrelatorWorld) -> None:
    await world.silence(Schedule(AT - 5_000, 20), ONE)
    await world.feed(*fails(ONE, AT))
    await world.tick(AT + 30_000)


async def many_are_resolved_early(world: CorrelatorWorld) -> None:
    await together(world, AT)
    await opened(world)
    await resolved_by_somebody(world, AT + 2_000)
    await world.tick(AT + 10_000)


async def many_are_refused(world: CorrelatorWorld) -> None:
    """One of them has not fired, and nothing was decided about it."""
    await behind(world, *devices(5))
    await world.feed(*(pending(one, AT - 100) for one in devices(4, 2)), fires(ONE, AT))
    await world.tick(AT + 500)
    (asked,) = (one for one in await world.commands() if one.verb == "open")
    await world.answer(asked, "rejected")
    await world.tick(AT + 2 * MINUTE)


async def lost_heartbeats_are_resolved_early(world: CorrelatorWorld) -> None:
    await fall_silent(world, await fleet(world))
    await world.answer((await world.commands())[0])
    await world.happen(
        EntryType.RESOLVED,
        state="resolved",
        actor=ActorType.USER,
        at=GONE + 2_000,
        version=2,
        subject=ALL_HEARTBEATS,
        condition=LOST,
    )
    await world.tick(GONE + 60_000)


STORIES: dict[Cause, list[Story]] = {
    Cause.FIRING: [fires_and_opens],
    Cause.STILL_UNHEALTHY: [
        is_resolved_early,
        flaps_and_is_resolved_early,
        fails_again_after_an_early_resolve,
        is_refused,
        many_are_resolved_early,
        many_are_refused,
        lost_heartbeats_are_resolved_early,
    ],
    Cause.PUBLISHING_BEGAN: [is_published],
    Cause.JUDGED_AFRESH: [outlasts_its_integration, fails_again_after_the_ticket_about_many],
    Cause.LEFT_OVER: [is_left_over],
    Cause.SILENCE_ENDED: [is_silenced],
}


def test_each_cause_that_may_bring_a_ticket_has_its_story() -> None:
    assert STORIES.keys() == OPENING
    assert {kind for kind in WatchKind if kind.asks_for_failing} == {
        WatchKind.EARLY_RESOLVE,
        WatchKind.OPEN_REFUSED,
        WatchKind.JUDGED_AFRESH,
    }


@pytest.mark.rule("HM-265")
@pytest.mark.parametrize(
    ("cause", "story"),
    [pytest.param(cause, story, id=story.__name__) for cause, stories in STORIES.items() for story in stories],
)
async def test_what_was_last_seen_is_in_the_evidence(environment: dict[str, str], cause: Cause, story: Story) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await story(world)
        found = [row for row in await world.rows(_BROUGHT) if row.cause == cause]
        assert found
        for row in found:
            assert seen_of(row) == await on_record(world, row)


@pytest.mark.rule("HM-145")
@pytest.mark.parametrize(
    ("story", "told"),
    [
        (
            fails_again_after_the_ticket_about_many,
            ("opened", "failed_again", "failed again after the ticket that it shared had ended"),
        ),
        (
            outlasts_its_integration,
            (
                "opened",
                "judged_afresh",
                "unhealthy for a full timeout and open debounce after its integration recovered",
            ),
        ),
    ],
    ids=["no time at all", "a fresh time"],
)
async def test_only_who_had_a_fresh_time_is_said_to_have_outlasted_it(
    environment: dict[str, str], story: Story, told: tuple[str, str, str]
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await story(world)
        rows = await world.rows("SELECT outcome, because, reason FROM outcome WHERE cause = 'judged_afresh'")
        assert [tuple(row) for row in rows] == [told]


_BROUGHT = """
    SELECT subject, condition, cause, at, evidence FROM outcome
    WHERE outcome IN ('opened', 'reopened', 'already_open', 'joined')
"""


def seen_of(row: Any) -> dict[str, Any]:
    told = ("counted",) if row.condition == LOST else ("last_heard", "deadline", "timeout_s")
    return {"since": row.evidence["since"], **{name: row.evidence.get(name) for name in told}}


async def on_record(world: CorrelatorWorld, row: Any) -> dict[str, Any]:
    """By what shards have said of the subject; of a list, by who called for the ticket first."""
    if row.condition == LOST:
        (loss,) = await world.rows("SELECT since_at, counted FROM loss")
        return {"since": rfc3339(from_ms(loss.since_at)), "counted": loss.counted}
    subject = ONE if row.condition == MANY else row.subject
    if row.condition == MANY:
        assert row.evidence["first"] == ONE
    last = [
        one
        for one in world.fed.values()
        if one.subject == subject and one.at <= row.at and one.to_state in ("pending_open", "firing", "flapping")
    ][-1]
    return {
        "since": rfc3339(from_ms(last.since)),
        "last_heard": rfc3339(from_ms(last.evidence.last_heard or 0)),
        "deadline": rfc3339(from_ms(last.evidence.deadline or 0)),
        "timeout_s": last.evidence.timeout_s,
    }


@pytest.mark.rule("HM-265")
async def test_of_several_tickets_about_many_the_last_says_who_called_for_it(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        for one in await together(world, AT):
            await world.feed(*recovers(one, AT + 10_000))
        await world.tick(AT + 20_000)
        later = AT + MINUTE
        await world.feed(*(pending(one, later - 2_000) for one in devices(5, 5)), fires("device/d9", later))
        await world.tick(later + 1_000)
        await opened(world)
        await resolved_by_somebody(world, later + 2_000)
        await world.tick(later + 10_000)
        rows = await world.rows(f"{_BROUGHT} AND condition = :many ORDER BY at", many=MANY)
        assert [(row.cause, row.evidence["first"]) for row in rows] == [("still_unhealthy", "device/d9")]


@pytest.mark.rule("HM-265")
@pytest.mark.parametrize("whose", ["devices", "integration"])
async def test_a_merge_says_what_was_seen_of_whose_ticket_it_is(environment: dict[str, str], whose: str) -> None:
    """Of each of four devices, and not of the one whose silence has ended, which held something back, nor of their
    integration."""
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, *devices(5))
        await world.silence(Schedule(AT - 5_000, 30), "device/d5")
        for number, one in enumerate(devices(4)):
            await world.feed(*fails(one, AT + 100 * number))
        await world.feed(*fails("device/d5", AT + 500))
        await world.tick(AT + 1_000)
        if whose == "integration":
            await world.feed(*fails(INTEGRATION, AT + 10_000, condition=UNREACHABLE))
            await world.tick(AT + 11_000)
        await world.tick(AT + 60_000)
        merged = await world.rows("SELECT subject, condition, at, evidence FROM outcome WHERE outcome = 'merged'")
        assert sorted(row.subject for row in merged) == devices(4)
        sent = {
            one.body["ticket"]["dedup_key"]: one.body["evidence"]
            for one in await world.commands()
            if one.body.get("resolution") == "merged"
        }
        for row in merged:
            assert seen_of(row) == await on_record(world, row)
            evidence = sent[f"{row.subject}:{row.condition}"]
            assert evidence["last_heard"] == row.evidence["last_heard"]
            assert "held_back" not in evidence
