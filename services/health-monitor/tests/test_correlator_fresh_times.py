"""Fresh times, after lost heartbeats or an integration's recovery, under other policies, while an org is switched off,
and with holes in the log. On a real database."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
from correlator_facts import BRISK, T0, change
from correlator_world import CorrelatorWorld
from loss_facts import GONE, fall_silent, fleet, heard, says_offline, silent, state_of, story
from rollup_facts import MANY, UNREACHABLE, behind, fails, recovers, said, together

from fettle_health_monitor.adapters.correlator.everybody import Profiled
from fettle_health_monitor.correlator.holding_back import rules_of
from fettle_health_monitor.domain.correlator.policies import PolicyVersion
from fettle_health_monitor.domain.judgements import Unobserved

BACK = GONE + 7_000
"""When reporting has resumed."""


@pytest_asyncio.fixture
async def world(environment: Mapping[str, str]) -> AsyncIterator[CorrelatorWorld]:
    async with CorrelatorWorld.open(environment) as world:
        yield world


async def resumed(world: CorrelatorWorld) -> str:
    """Heartbeats were lost and are back; all but one device are heard."""
    everybody = await fleet(world)
    await fall_silent(world, everybody)
    await world.feed(heard(everybody[0], BACK - 1), heard(everybody[1], BACK))
    await world.feed(*(heard(each, BACK + 100) for each in everybody[2:11]))
    await world.tick(BACK + 500)
    return everybody[11]


async def another(world: CorrelatorWorld, at: int, **fields: Any) -> None:
    """A policy, in force in all shards from `at` on."""
    decided = await world.put(BRISK.model_copy(update=fields))
    await world.in_force(decided.version.version, at=at, enabled=fields.get("enabled", True))


async def unlucky(world: CorrelatorWorld, until: int, subject: str) -> list[tuple[int, str, str]]:
    """What was shown of it since reporting has resumed."""
    await world.tick(until)
    return [(at - BACK + GONE, from_, to) for at, from_, to in await story(world, subject, BACK)]


@pytest.mark.rule("HM-228")
@pytest.mark.parametrize(
    ("fields", "pending", "fires"),
    [
        ({"timeout_s": 9}, 9_000, 11_000),
        ({"timeout_s": 2}, 2_000, 4_000),
        ({"timeout_s": 1}, 1_200, 3_200),
        ({"open_debounce_s": 20}, 3_000, 23_000),
    ],
    ids=["longer", "shorter", "overdue", "debounce"],
)
async def test_a_new_policy_retimes_a_fresh_timeout(
    world: CorrelatorWorld, fields: dict[str, Any], pending: int, fires: int
) -> None:
    subject = await resumed(world)
    await another(world, BACK + 1_200, **fields)
    expected = [(pending, "unknown", "pending_open"), (fires, "pending_open", "firing")]
    assert await unlucky(world, BACK + 60_000, subject) == expected


@pytest.mark.rule("HM-228")
async def test_one_that_has_run_out_has_run_out_and_its_debounce_is_retimed(world: CorrelatorWorld) -> None:
    subject = await resumed(world)
    await another(world, BACK + 4_000, timeout_s=30, open_debounce_s=5)
    expected = [(3_000, "unknown", "pending_open"), (8_000, "pending_open", "firing")]
    assert await unlucky(world, BACK + 60_000, subject) == expected


@pytest.mark.rule("HM-228")
async def test_a_policy_that_is_put_holds_only_from_its_place_in_the_log(world: CorrelatorWorld) -> None:
    subject = await resumed(world)
    await world.put(BRISK.model_copy(update={"timeout_s": 30}))
    assert (await unlucky(world, BACK + 4_000, subject))[0] == (3_000, "unknown", "pending_open")


@pytest.mark.rule("HM-228", "HM-155")
async def test_who_falls_silent_late_by_a_longer_timeout_was_silent_before_nonetheless(world: CorrelatorWorld) -> None:
    """It was heard last before reporting resumed, and its silence is too long, by the new timeout, long after."""
    everybody = await fleet(world, 13)
    await fall_silent(world, everybody[:12])
    await world.feed(*(heard(each, BACK + number) for number, each in enumerate(everybody[:12])))
    await another(world, BACK + 500, timeout_s=600)
    await world.tick(BACK + 300_000)
    late = BACK + 599_900
    seen = silent(everybody[12], late)
    evidence = type(seen.evidence)(
        **{name: getattr(seen.evidence, name) for name in seen.evidence.__struct_fields__}
        | {"timeout_s": 600.0, "last_heard": late - 600_000}
    )
    await world.feed(silent(everybody[12], late, evidence=evidence))
    await world.tick(late + 50)
    assert await state_of(world, everybody[12]) == "unknown"
    await world.tick(BACK + 600_100)
    assert await state_of(world, everybody[12]) == "pending_open"


@pytest.mark.rule("HM-229")
async def test_nothing_runs_while_an_org_is_switched_off_and_all_of_it_anew_afterwards(world: CorrelatorWorld) -> None:
    subject = await resumed(world)
    await another(world, BACK + 1_000, enabled=False)
    assert await unlucky(world, BACK + 100_000, subject) == []
    await another(world, BACK + 100_500)
    expected = [(103_500, "unknown", "pending_open"), (105_500, "pending_open", "firing")]
    assert await unlucky(world, BACK + 200_000, subject) == expected


@pytest.mark.rule("HM-229")
async def test_one_that_was_pending_by_silence_has_both_again(world: CorrelatorWorld) -> None:
    subject = await resumed(world)
    await another(world, BACK + 4_000, enabled=False)
    await world.tick(BACK + 100_000)
    await another(world, BACK + 100_500)
    shown = await unlucky(world, BACK + 200_000, subject)
    assert shown == [(3_000, "unknown", "pending_open"), (105_500, "pending_open", "firing")]


@pytest.mark.rule("HM-229")
async def test_one_that_was_pending_by_a_report_has_its_debounce_again(world: CorrelatorWorld) -> None:
    subject = await resumed(world)
    await world.feed(says_offline(subject, BACK + 1_000))
    await another(world, BACK + 1_500, enabled=False)
    await world.tick(BACK + 100_000)
    await another(world, BACK + 100_500)
    shown = await unlucky(world, BACK + 200_000, subject)
    assert shown == [(1_000, "unknown", "pending_open"), (102_500, "pending_open", "firing")]


@pytest.mark.rule("HM-229", "HM-291")
@pytest.mark.parametrize(
    ("says", "fires_at"), [(101_000, 102_500), (102_499, 102_500), (102_501, 102_501), (105_499, 105_499)]
)
async def test_one_that_was_and_says_that_it_is_offline_has_its_debounce_alone(
    world: CorrelatorWorld, says: int, fires_at: int
) -> None:
    subject = await resumed(world)
    await another(world, BACK + 4_000, enabled=False)
    await world.tick(BACK + 100_000)
    await another(world, BACK + 100_500)
    await world.feed(says_offline(subject, BACK + says))
    shown = await unlucky(world, BACK + 200_000, subject)
    assert shown == [(3_000, "unknown", "pending_open"), (fires_at, "pending_open", "firing")]


@pytest.mark.rule("HM-229", "HM-157")
async def test_the_ticket_about_lost_heartbeats_does_not_end_while_nobody_is_judged(world: CorrelatorWorld) -> None:
    await resumed(world)
    await said(world)
    await another(world, BACK + 1_000, enabled=False)
    await world.tick(BACK + 100_000)
    assert "recovered other/heartbeats:heartbeats_lost" not in await said(world)
    await another(world, BACK + 100_500)
    await world.tick(BACK + 102_400)
    assert "recovered other/heartbeats:heartbeats_lost" not in await said(world)
    await world.tick(BACK + 102_600)
    assert "recovered other/heartbeats:heartbeats_lost" in await said(world)


async def hole(world: CorrelatorWorld, away: int, back: int) -> None:
    """No record in either log, of which the clocks count two seconds; from then on they are that much behind."""
    place = world.clock(0, 0).place
    for shard in range(2):
        gap = Unobserved(shard=shard, generation=1, place=place, from_at=away, to_at=back)
        await world.feed(gap, world.clock(shard, back, clock=away - T0 + 1_002_000))


async def tick_after(world: CorrelatorWorld, away: int, back: int, until: int) -> None:
    clock = away - T0 + 1_002_000 + until - back
    await world.feed(*(world.clock(shard, until, clock=clock) for shard in range(2)))


@pytest.mark.rule("HM-228", "HM-230")
@pytest.mark.parametrize(
    ("timeout_s", "fires_at"), [(3, 69_000), (9, 75_000), (1, 67_000)], ids=["same", "longer", "overdue"]
)
async def test_behind_a_hole_another_policy_retimes_who_is_pending_from_its_end(
    world: CorrelatorWorld, timeout_s: int, fires_at: int
) -> None:
    """The policy comes three seconds behind the hole, and the debounce lasts two."""
    subject = await resumed(world)
    gone, back = BACK + 4_000, BACK + 64_000
    await hole(world, gone, back)
    await tick_after(world, gone, back, back + 2_900)
    await tick_after(world, gone, back, back + 3_000)
    await another(world, back + 3_000, timeout_s=timeout_s)
    await tick_after(world, gone, back, back + 60_000)
    assert [(at - BACK + GONE, from_, to) for at, from_, to in await story(world, subject, BACK)] == [
        (3_000, "unknown", "pending_open"),
        (fires_at, "pending_open", "firing"),
    ]


@pytest.mark.rule("HM-230")
@pytest.mark.parametrize(
    ("away", "expected"),
    [
        (1_000, [(64_000, "unknown", "pending_open"), (66_000, "pending_open", "firing")]),
        (2_999, [(65_999, "unknown", "pending_open"), (67_999, "pending_open", "firing")]),
        (3_000, [(3_000, "unknown", "pending_open"), (68_000, "pending_open", "firing")]),
        (4_999, [(3_000, "unknown", "pending_open"), (69_999, "pending_open", "firing")]),
        (5_000, [(3_000, "unknown", "pending_open"), (5_000, "pending_open", "firing")]),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_after_a_hole_a_fresh_timeout_begins_anew(
    world: CorrelatorWorld, away: int, expected: list[tuple[int, str, str]], at_once: bool
) -> None:
    subject = await resumed(world)
    gone, back = BACK + away, BACK + away + 60_000
    if not at_once:
        await world.tick(gone)
    await hole(world, gone, back)
    if not at_once:
        for second in range(1, 12):
            await tick_after(world, gone, back, back + second * 1_000)
    await tick_after(world, gone, back, back + 60_000)
    assert [(at - BACK + GONE, from_, to) for at, from_, to in await story(world, subject, BACK)] == expected


async def recovered(world: CorrelatorWorld) -> int:
    """An integration has recovered and the device behind it has not."""
    at = T0 + 30_000
    await behind(world, "device/d1")
    await world.feed(*fails("integration/hue-1", at - 20_000, condition=UNREACHABLE), *fails("device/d1", at - 17_000))
    await world.feed(*recovers("integration/hue-1", at, condition=UNREACHABLE))
    await world.tick(at + 500)
    return at


async def judged_afresh(world: CorrelatorWorld, at: int) -> list[int]:
    query = "SELECT at FROM outcome WHERE cause = 'judged_afresh' AND outcome = 'opened'"
    return [row.at - at for row in await world.rows(query)]


@pytest.mark.rule("HM-228")
@pytest.mark.parametrize(("timeout_s", "opens"), [(9, 11_000), (1, 3_000)])
async def test_a_new_policy_retimes_who_is_judged_afresh(world: CorrelatorWorld, timeout_s: int, opens: int) -> None:
    at = await recovered(world)
    await another(world, at + 1_200, timeout_s=timeout_s)
    await world.tick(at + 60_000)
    assert await judged_afresh(world, at) == [opens]


@pytest.mark.rule("HM-229")
async def test_who_is_judged_afresh_is_so_when_the_org_is_switched_on_again(world: CorrelatorWorld) -> None:
    at = await recovered(world)
    await another(world, at + 1_000, enabled=False)
    await world.tick(at + 60_000)
    await another(world, at + 61_000)
    await world.tick(at + 120_000)
    assert await judged_afresh(world, at) == [66_000]


@pytest.mark.rule("HM-144", "HM-229")
async def test_who_is_behind_an_integration_that_is_removed_while_the_org_is_off_is_judged_afresh_later(
    world: CorrelatorWorld,
) -> None:
    at = T0 + 30_000
    await behind(world, "device/d1")
    await world.feed(*fails("integration/hue-1", at - 20_000, condition=UNREACHABLE), *fails("device/d1", at - 17_000))
    await another(world, at, enabled=False)
    await world.feed(change("integration/hue-1", "firing", None, at=at + 1_000, condition=UNREACHABLE))
    await world.tick(at + 60_000)
    assert await world.rows("SELECT at FROM outcome WHERE cause = 'judged_afresh'") == []
    await another(world, at + 61_000)
    await world.tick(at + 120_000)
    assert await judged_afresh(world, at) == [66_000]


@pytest.mark.rule("HM-145", "HM-229")
async def test_few_who_are_left_by_a_removal_while_the_org_is_off_are_looked_at_later(world: CorrelatorWorld) -> None:
    at = T0 + 30_000
    await together(world, at - 10_000)
    await another(world, at, enabled=False)
    await world.feed(change("device/d1", "firing", None, at=at + 1_000))
    await world.tick(at + 60_000)
    assert f"recovered integration/hue-1:{MANY}" not in await said(world)
    await another(world, at + 61_000)
    await world.tick(at + 62_999)
    assert f"recovered integration/hue-1:{MANY}" not in await said(world)
    await world.tick(at + 63_000)
    assert f"recovered integration/hue-1:{MANY}" in await said(world)


@pytest.mark.rule("HM-230")
async def test_a_hole_gives_who_is_judged_afresh_its_time_again(world: CorrelatorWorld) -> None:
    at = await recovered(world)
    await hole(world, at + 2_000, at + 62_000)
    await tick_after(world, at + 2_000, at + 62_000, at + 90_000)
    assert await judged_afresh(world, at) == [67_000]


@pytest.mark.rule("HM-230")
async def test_a_time_that_begins_inside_a_hole_is_over_in_time(world: CorrelatorWorld) -> None:
    """The integration recovers by another shard than the device's, which shows no clock then."""
    at = T0 + 30_000
    await behind(world, "device/d1")
    of_another = {"condition": UNREACHABLE, "shard": 1}
    await world.feed(*fails("integration/hue-1", at - 20_000, **of_another), *fails("device/d1", at - 17_000))
    await world.tick(at - 10_000)
    await world.feed(*recovers("integration/hue-1", at, **of_another), world.clock(1, at + 6_000))
    gap = Unobserved(shard=0, generation=1, place=world.clock(0, 0).place, from_at=at - 10_000, to_at=at + 62_000)
    await world.feed(gap, world.clock(0, at + 62_000, clock=1_022_000))
    await world.feed(world.clock(0, at + 67_001, clock=1_027_001), world.clock(1, at + 67_001))
    assert await judged_afresh(world, at) == [67_000]


@pytest.mark.rule("HM-67")
async def test_publishing_asks_for_what_fired_then_and_not_for_what_fires_by_now(world: CorrelatorWorld) -> None:
    await world.put(BRISK.model_copy(update={"publish_tickets": False}))
    await world.in_force(4)
    fired = fails("device/d1", T0 + 2_000, policy_version=4)
    await world.put(BRISK, publish_existing=True)
    await world.feed(*fired)
    await world.in_force(5, at=T0 + 5_000)
    await world.feed(*recovers("device/d1", T0 + 8_000), *fails("device/d2", T0 + 9_000, policy_version=5))
    await world.tick(T0 + 20_000)
    query = "SELECT cause, subject, at FROM outcome WHERE outcome IN ('opened', 'resolved') ORDER BY at"
    assert [(row.cause, row.subject, row.at - T0) for row in await world.rows(query)] == [
        ("publishing_began", "device/d1", 5_000),
        ("recovered", "device/d1", 8_000),
        ("firing", "device/d2", 9_000),
    ]


@pytest.mark.rule("HM-67")
async def test_publishing_asks_for_nothing_that_the_policy_itself_makes_due(world: CorrelatorWorld) -> None:
    """It fires at the policy's moment, and calls for its ticket by that; another fired at that moment before."""
    await world.put(BRISK.model_copy(update={"publish_tickets": False}))
    await world.in_force(4)
    await world.put(BRISK, publish_existing=True)
    await world.feed(*fails("device/d1", T0 + 5_000, policy_version=4))
    await world.in_force(5, at=T0 + 5_000)
    await world.feed(*fails("device/d2", T0 + 5_000, policy_version=5))
    await world.tick(T0 + 20_000)
    query = "SELECT cause, subject FROM outcome WHERE outcome = 'opened' ORDER BY subject"
    asked = [(row.cause, row.subject) for row in await world.rows(query)]
    assert asked == [("publishing_began", "device/d1"), ("firing", "device/d2")]


@pytest.mark.rule("HM-67", "HM-68")
async def test_what_recovers_by_the_policy_that_publishes_it_has_no_ticket_afterwards(world: CorrelatorWorld) -> None:
    await world.put(BRISK.model_copy(update={"publish_tickets": False}))
    await world.in_force(4)
    await world.put(BRISK, publish_existing=True)
    await world.feed(*fails("device/d1", T0 + 2_000, policy_version=4))
    await world.in_force(5, at=T0 + 5_000)
    await world.feed(*recovers("device/d1", T0 + 5_000, policy_version=5))
    await world.tick(T0 + 20_000)
    assert await said(world) == ["open device/d1", "recovered device/d1:device_offline"]


@pytest.mark.rule("HM-155")
def test_a_timeout_is_as_long_as_the_judges_also_where_intervals_are_no_whole_seconds() -> None:
    version = PolicyVersion("acme", 1, BRISK.model_copy(update={"timeout_s": None}))
    one = Profiled("device/d1", 0, None, None, 20.7)
    assert rules_of(version, one).timeout_ms == 62_100


@pytest.mark.rule("HM-67", "HM-142")
@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
async def test_publishing_asks_first_for_what_has_failed_longest(world: CorrelatorWorld, late: bool) -> None:
    """The integration, whose ticket the device behind it joins; also where it has turned well by the time that this is
    decided."""
    at = T0 + 30_000
    gateway, more = "integration/hue-1", {"condition": UNREACHABLE, "policy_version": 4}
    await behind(world, "device/d1")
    await another(world, T0 + 1_000, publish_tickets=False)
    await world.feed(*fails(gateway, at - 20_000, **more), *fails("device/d1", at - 10_000, policy_version=4))
    await world.tick(at - 1)
    decided = await world.put(BRISK, publish_existing=True)
    await world.in_force(decided.version.version, at=at)
    if not late:
        await world.tick(at + 500)
    await world.feed(*recovers(gateway, at + 3_000, condition=UNREACHABLE, policy_version=5))
    await world.tick(at + 4_000)
    rows = await world.rows("SELECT subject, outcome FROM outcome WHERE cause = 'publishing_began' ORDER BY subject")
    assert [tuple(row) for row in rows] == [("device/d1", "joined"), (gateway, "opened")]
