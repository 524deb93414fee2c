"""Heartbeats of a whole org that stop arriving, and come back."""

from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio
from correlator_facts import QUIET, change
from correlator_world import CorrelatorWorld
from loss_facts import (
    GONE,
    everything_is_on_record,
    evidence,
    fall_silent,
    fires,
    fleet,
    heard,
    interval,
    says_offline,
    silent,
    state_of,
    states,
    story,
)
from rollup_facts import said

from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.domain.correlator.silences import Schedule

LOST = "heartbeats_lost"
DAY = 86_400


@pytest_asyncio.fixture
async def world(environment: Mapping[str, str]) -> AsyncIterator[CorrelatorWorld]:
    async with CorrelatorWorld.open(environment) as world:
        yield world
        await everything_is_on_record(world)


@pytest.mark.rule("HM-150", "HM-152")
async def test_silence_of_nearly_everybody_is_one_ticket_about_lost_heartbeats(world: CorrelatorWorld) -> None:
    everybody = await fleet(world)
    await fall_silent(world, everybody[:10])
    (opened,) = await world.commands()
    assert opened.body["kind"] == LOST
    assert opened.body["title"] == "Heartbeats not arriving since 2026-09-21 14:14 UTC"
    assert opened.body["dedup_key"] == f"other/heartbeats:{LOST}"
    seen = opened.body["evidence"]
    assert (seen["unknown"], seen["counted"], seen["threshold"], seen["window_s"]) == (10, 12, 10, 300)
    assert await states(world) == {"unknown": 10, "healthy": 2}
    assert await story(world, everybody[3]) == [(-1_997, "healthy", "pending_open"), (0, "pending_open", "unknown")]
    assert (await interval(world)).begun_at == GONE


@pytest.mark.rule("HM-152")
async def test_who_would_fire_meanwhile_is_unobserved(world: CorrelatorWorld) -> None:
    await fall_silent(world, (await fleet(world))[:10])
    rows = await world.rows("SELECT cause, outcome, count(*) AS number FROM outcome GROUP BY cause, outcome")
    assert {(row.cause, row.outcome): row.number for row in rows} == {
        ("unseen", "unobserved"): 10,
        ("firing", "opened"): 1,
    }


@pytest.mark.rule("HM-150")
@pytest.mark.parametrize(
    ("fleet_of", "behind", "silent_ones"),
    [(9, 2, 9), (12, 1, 12), (13, 2, 10)],
    ids=["fewer than ten", "one integration", "under four fifths"],
)
async def test_fewer_are_devices_that_fail(
    world: CorrelatorWorld, fleet_of: int, behind: int, silent_ones: int
) -> None:
    everybody = await fleet(world, fleet_of, behind)
    await fall_silent(world, everybody[:silent_ones])
    assert LOST not in {command.body.get("kind") for command in await world.commands()}
    assert await states(world) == {"firing": silent_ones, "healthy": fleet_of - silent_ones} or silent_ones == fleet_of


@pytest.mark.rule("HM-151")
async def test_who_was_not_healthy_when_the_window_began_is_not_counted(world: CorrelatorWorld) -> None:
    everybody = await fleet(world, 14)
    down = [silent(each, GONE - 400_000) for each in everybody[10:]]
    await world.feed(*down, *(fires(each, GONE - 398_000) for each in everybody[10:]))
    await world.tick(GONE - 390_000)
    await said(world)
    await fall_silent(world, everybody[:8])
    assert LOST not in {command.body.get("kind") for command in await world.commands()}, "eight of ten are too few"
    await world.feed(silent(everybody[8], GONE + 1_500), silent(everybody[9], GONE + 1_501))
    await world.feed(fires(everybody[8], GONE + 3_500))
    await world.tick(GONE + 5_000)
    kinds = [command.body.get("kind") for command in await world.commands()]
    assert kinds.count(LOST) == 1, "ten of ten that counted"
    assert await state_of(world, everybody[10]) == "firing"


@pytest.mark.rule("HM-151")
async def test_who_is_silenced_is_not_counted(world: CorrelatorWorld) -> None:
    everybody = await fleet(world, 15)
    for each in everybody[10:]:
        await world.silence(Schedule(GONE - 500_000, DAY), each)
    await fall_silent(world, everybody[:10])
    assert [command.body["kind"] for command in await world.commands()] == [LOST]
    assert (await interval(world)).counted == 10


@pytest.mark.rule("HM-151")
async def test_who_may_be_silent_for_longer_than_the_window_is_not_counted(world: CorrelatorWorld) -> None:
    everybody = await fleet(world, 16)
    overrides = [{"match": {"subject": each}, "timeout_s": 301} for each in everybody[10:]]
    policy = QUIET.to_dict() | {"publish_tickets": True, "overrides": overrides}
    await world.put(type(QUIET).model_validate(policy))
    await world.in_force(4, at=GONE - 500_000)
    await fall_silent(world, everybody[:10])
    assert (await interval(world)).counted == 10


@pytest.mark.parametrize("match", [{"integration": "slow"}, {"model": "slow"}])
@pytest.mark.rule("HM-151")
async def test_nor_is_anybody_of_a_kind_that_may(world: CorrelatorWorld, match: dict[str, str]) -> None:
    everybody = await fleet(world, 50)
    await world.feed(*(world.profile(each, **match) for each in everybody[10:]))
    policy = QUIET.to_dict() | {"publish_tickets": True, "overrides": [{"match": match, "timeout_s": 301}]}
    await world.put(type(QUIET).model_validate(policy))
    await world.in_force(4, at=GONE - 500_000)
    await fall_silent(world, everybody[:10])
    assert (await interval(world)).counted == 10


@pytest.mark.rule("HM-153")
async def test_a_heartbeat_ends_not_knowing(world: CorrelatorWorld) -> None:
    everybody = await fleet(world, 30)
    await fall_silent(world, everybody)
    await world.feed(heard(everybody[0], GONE + 5_000), says_offline(everybody[2], GONE + 5_001))
    await world.tick(GONE + 6_000)
    assert (await story(world, everybody[0], GONE))[-1] == (5_000, "unknown", "healthy")
    assert (await story(world, everybody[2], GONE))[-1] == (5_001, "unknown", "pending_open")
    assert (await states(world))["unknown"] == 28
    await world.tick(GONE + 8_000)
    assert (await story(world, everybody[2], GONE))[-1] == (7_001, "pending_open", "firing")
    opened = [command.body["subject"]["id"] for command in await world.commands() if command.verb == "open"]
    assert opened == ["heartbeats", "d3"]


@pytest.mark.rule("HM-153")
async def test_what_a_shard_says_later_of_one_that_was_heard_is_no_news(world: CorrelatorWorld) -> None:
    everybody = await fleet(world, 30)
    await fall_silent(world, everybody)
    await world.feed(heard(everybody[0], GONE + 5_000))
    await world.tick(GONE + 6_000)
    await world.feed(heard(everybody[0], GONE + 7_000, "pending_resolve"))
    await world.tick(GONE + 8_000)
    assert await story(world, everybody[0], GONE) == [(5_000, "unknown", "healthy")]
    assert not await world.rows("SELECT 1 FROM unseen_subject WHERE subject = :subject", subject=everybody[0])


@pytest.mark.rule("HM-154")
async def test_reporting_has_resumed_when_two_integrations_are_heard(world: CorrelatorWorld) -> None:
    everybody = await fleet(world, 60)
    await fall_silent(world, everybody)
    await world.feed(heard(everybody[0], GONE + 5_000), heard(everybody[2], GONE + 5_500))
    await world.tick(GONE + 6_000)
    assert (await interval(world)).resumed_at is None, "both are behind the same one"
    await world.feed(heard(everybody[1], GONE + 7_000))
    await world.tick(GONE + 8_000)
    assert (await interval(world)).resumed_at == GONE + 7_000


@pytest.mark.rule("HM-154")
async def test_reporting_has_resumed_when_a_tenth_is_heard(world: CorrelatorWorld) -> None:
    everybody = await fleet(world, 40)
    await fall_silent(world, everybody)
    of_one = everybody[::2]
    await world.feed(*(heard(each, GONE + 5_000 + number) for number, each in enumerate(of_one[:3])))
    await world.feed(heard(of_one[0], GONE + 5_100, "pending_resolve"))
    await world.tick(GONE + 6_000)
    assert (await interval(world)).resumed_at is None
    await world.feed(heard(of_one[3], GONE + 7_000))
    await world.tick(GONE + 8_000)
    assert (await interval(world)).resumed_at == GONE + 7_000


async def resumed(world: CorrelatorWorld, everybody: list[str], at: int = GONE + 7_000) -> None:
    """Two behind different integrations are heard."""
    await world.feed(heard(everybody[0], at - 1), heard(everybody[1], at))
    await world.tick(at + 500)


@pytest.mark.rule("HM-155")
async def test_who_stays_silent_has_a_full_timeout_and_debounce_from_then_on(world: CorrelatorWorld) -> None:
    everybody = await fleet(world)
    await fall_silent(world, everybody)
    await resumed(world, everybody)
    await world.feed(*(heard(each, GONE + 7_600) for each in everybody[2:10]))
    await world.tick(GONE + 13_000)
    for each in everybody[10:]:
        assert (await story(world, each, GONE)) == [
            (10_000, "unknown", "pending_open"),
            (12_000, "pending_open", "firing"),
        ]
    opened = [command.body["subject"]["id"] for command in await world.commands() if command.verb == "open"]
    assert opened == ["heartbeats", "d11", "d12"]


@pytest.mark.rule("HM-155")
async def test_a_backlog_taken_in_at_once_says_the_same(world: CorrelatorWorld) -> None:
    everybody = await fleet(world)
    await world.feed(
        *(silent(each, GONE - 2_000 + number) for number, each in enumerate(everybody)),
        *(fires(each, GONE + number) for number, each in enumerate(everybody)),
        heard(everybody[0], GONE + 6_999),
        heard(everybody[1], GONE + 7_000),
        heard(everybody[5], GONE + 11_000),
        *(world.clock(shard, GONE + 13_000) for shard in range(2)),
    )
    assert await story(world, everybody[5], GONE - 1) == [
        (0, "pending_open", "unknown"),
        (10_000, "unknown", "pending_open"),
        (11_000, "pending_open", "healthy"),
    ]
    assert await story(world, everybody[7], GONE - 1) == [
        (0, "pending_open", "unknown"),
        (10_000, "unknown", "pending_open"),
        (12_000, "pending_open", "firing"),
    ]


@pytest.mark.rule("HM-156")
async def test_what_was_firing_is_frozen_until_its_fresh_timeout_ends(world: CorrelatorWorld) -> None:
    everybody = await fleet(world, 14)
    first, second = everybody[12:]
    for each in (first, second):
        await world.feed(silent(each, GONE - 402_000), fires(each, GONE - 400_000))
    await world.tick(GONE - 390_000)
    await world.feed(*(heard(each, GONE - 3_000) for each in (first, second)))
    await fall_silent(world, everybody[:12])
    for each in (first, second):
        seen = evidence(GONE + 500, deadline=GONE + 500)
        await world.feed(
            change(each, "pending_resolve", "firing", at=GONE + 500, since=GONE + 500, reason="silent", evidence=seen)
        )
    await world.tick(GONE + 3_000)
    assert await state_of(world, first) == "pending_resolve"
    await world.feed(heard(first, GONE + 4_000))
    await resumed(world, everybody)
    await world.tick(GONE + 9_900)
    assert await state_of(world, second) == "pending_resolve"
    await world.tick(GONE + 10_500)
    assert await story(world, first, GONE) == []
    assert await story(world, second, GONE) == [(10_000, "pending_resolve", "firing")]


@pytest.mark.rule("HM-155")
async def test_one_that_is_silent_only_later_has_its_timeout_from_then_on_too(world: CorrelatorWorld) -> None:
    everybody = await fleet(world, 13)
    await fall_silent(world, everybody[:12])
    await resumed(world, everybody)
    late = everybody[12]
    await world.feed(silent(late, GONE + 8_000))
    await world.tick(GONE + 9_000)
    assert await state_of(world, late) == "unknown"
    await world.feed(fires(late, GONE + 10_000))
    await world.tick(GONE + 13_000)
    assert await story(world, late, GONE) == [
        (8_000, "healthy", "unknown"),
        (10_000, "unknown", "pending_open"),
        (12_000, "pending_open", "firing"),
    ]


@pytest.mark.rule("HM-157")
async def test_the_ticket_ends_when_few_have_been_unknown_for_the_resolve_debounce(world: CorrelatorWorld) -> None:
    everybody = await fleet(world)
    await fall_silent(world, everybody)
    await said(world)
    await resumed(world, everybody)
    await world.feed(*(heard(each, GONE + 7_600) for each in everybody[2:9]))
    await world.tick(GONE + 8_000)
    await world.feed(heard(everybody[9], GONE + 8_500))
    await world.tick(GONE + 10_400)
    assert await said(world) == []
    await world.tick(GONE + 10_600)
    assert await said(world) == [f"recovered other/heartbeats:{LOST}"]


@pytest.mark.rule("HM-157")
async def test_a_ticket_that_somebody_resolved_too_early_comes_back(world: CorrelatorWorld) -> None:
    everybody = await fleet(world)
    await fall_silent(world, everybody)
    (opened,) = await world.commands()
    await world.answer(opened)
    await world.clear()
    await world.happen(
        EntryType.RESOLVED,
        state="resolved",
        actor=ActorType.USER,
        at=GONE + 2_000,
        version=2,
        subject="other/heartbeats",
        condition=LOST,
    )
    (comment,) = await world.commands()
    assert comment.body["comment"].startswith("Heartbeats are still not arriving.")
    await world.clear()
    await world.tick(GONE + 5_000)
    assert await said(world) == ["open other/heartbeats"]


@pytest.mark.rule("HM-158")
async def test_where_nothing_is_published_subjects_are_unknown_without_a_ticket(world: CorrelatorWorld) -> None:
    await world.in_force(2, at=GONE - 400_000)
    everybody = await fleet(world)
    quiet = {"policy_version": 2}
    await world.feed(*(silent(each, GONE - 2_000, **quiet) for each in everybody))
    await world.feed(*(fires(each, GONE, **quiet) for each in everybody))
    await world.tick(GONE + 1_000)
    assert await world.commands() == []
    assert (await states(world))["unknown"] == 12


@pytest.mark.rule("HM-159")
async def test_heartbeats_that_are_lost_again_are_one_more_interval(world: CorrelatorWorld) -> None:
    everybody = await fleet(world)
    await fall_silent(world, everybody)
    await resumed(world, everybody)
    await world.feed(*(heard(each, GONE + 7_600) for each in everybody[2:]))
    await world.feed(*(heard(each, GONE + 9_700, "pending_resolve") for each in everybody))
    await world.tick(GONE + 12_000)
    await said(world)
    again = GONE + 500_000
    await fall_silent(world, everybody, again)
    rows = await world.rows("SELECT begun_at, resumed_at FROM loss ORDER BY begun_at")
    assert [(row.begun_at - GONE, row.resumed_at) for row in rows] == [(0, GONE + 7_000), (500_000, None)]
    assert await said(world) == ["open other/heartbeats"]
    assert await states(world) == {"unknown": 12}


@pytest.mark.rule("HM-159", "HM-153", "HM-152")
async def test_who_is_pending_by_its_own_word_fires_while_heartbeats_are_lost_again(world: CorrelatorWorld) -> None:
    everybody = await fleet(world, 13)
    overrides = [{"match": {"subject": everybody[12]}, "timeout_s": 600}]
    policy = QUIET.to_dict() | {"publish_tickets": True, "overrides": overrides}
    await world.put(type(QUIET).model_validate(policy))
    await world.in_force(4, at=GONE - 500_000)
    await fall_silent(world, everybody)
    await resumed(world, everybody)
    await world.feed(*(heard(each, GONE + 7_600) for each in everybody[2:12]))
    await world.feed(*(heard(each, GONE + 9_700, "pending_resolve") for each in everybody[:12]))
    await world.tick(GONE + 12_000)
    again = GONE + 500_000
    await world.feed(says_offline(everybody[12], again - 1_000))
    await fall_silent(world, everybody[:12], again)
    await world.tick(again + 2_000)
    assert (await story(world, everybody[12], GONE)) == [
        (499_000, "unknown", "pending_open"),
        (501_000, "pending_open", "firing"),
    ]
    assert (await states(world))["unknown"] == 12


@pytest.mark.rule("HM-157", "HM-159")
async def test_heartbeats_that_are_lost_again_keep_their_ticket(world: CorrelatorWorld) -> None:
    """The ticket is about to end: few have been unknown for a part of the resolve debounce."""
    everybody = await fleet(world)
    patient = QUIET.to_dict() | {"publish_tickets": True, "resolve_debounce_s": 60}
    await world.put(QUIET.model_validate(patient))
    await world.in_force(4, at=GONE - 500_000)
    await fall_silent(world, everybody)
    await resumed(world, everybody)
    await world.feed(*(heard(each, GONE + 7_600) for each in everybody[2:]))
    await world.feed(*(heard(each, GONE + 9_700, "pending_resolve") for each in everybody))
    await world.tick(GONE + 12_000)
    long_well = GONE + 50_000
    await fall_silent(world, everybody, long_well)
    assert len(await world.rows("SELECT id FROM loss")) == 2
    for at in range(long_well + 5_000, long_well + 40_000, 5_000):
        await world.tick(at)
    kinds = [command.verb for command in await world.commands() if "heartbeats" in str(command.body)]
    assert "resolve" not in kinds, kinds
