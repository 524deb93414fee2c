"""Tickets that devices share, where one thing follows from another: by which instant it is decided, and by what is
known then. On a real database."""

from typing import Any

import pytest
from correlator_facts import BRISK, T0, change
from correlator_world import CorrelatorWorld
from rollup_facts import (
    MANY,
    UNREACHABLE,
    behind,
    devices,
    fails,
    fires,
    opened,
    pending,
    recovers,
    resolved_by_somebody,
    said,
    together,
)

from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.domain.correlator.silences import Schedule

AT = T0 + 10_000
GATEWAY = "integration/hue-1"
LIST = f"list {GATEWAY}:{MANY}"


async def outcomes(world: CorrelatorWorld, cause: str) -> list[tuple[str, int, str]]:
    """Subject, instant after `AT`, outcome, of the verdicts of this cause."""
    rows = await world.rows(
        "SELECT subject, at, outcome FROM outcome WHERE cause = :cause ORDER BY at, subject", cause=cause
    )
    return [(row.subject, row.at - AT, row.outcome) for row in rows]


async def down(world: CorrelatorWorld, at: int, *behind_it: str, until: int | None = None) -> None:
    """The integration is down, from one instant to the other or for good, with these devices on its list."""
    await behind(world, *devices(9))
    await world.feed(*fails(GATEWAY, at, condition=UNREACHABLE))
    await world.tick(at + 500)
    await opened(world, UNREACHABLE)
    await world.feed(*(each for subject in behind_it for each in fails(subject, at + 3_000)))
    await world.tick(at + 4_000)
    if until is not None:
        await world.feed(*recovers(GATEWAY, until, condition=UNREACHABLE))


async def gateways_ticket(world: CorrelatorWorld, type: EntryType, state: str, at: int, version: int) -> None:
    """Somebody does this to the integration's own ticket."""
    more: dict[str, Any] = {"subject": GATEWAY, "condition": UNREACHABLE, "actor": ActorType.USER}
    await world.happen(type, state=state, at=at, version=version, **more)


@pytest.mark.rule("HM-144")
async def test_a_verdict_that_waited_is_decided_as_of_the_end_of_its_waiting(environment: dict[str, str]) -> None:
    """Timeout 3 s, open debounce 2 s: they fire just after the recovery, and their time is over five seconds after."""
    async with CorrelatorWorld.open(environment) as world:
        await down(world, AT, until=AT + 20_000)
        await world.feed(*(pending(subject, AT + 19_000) for subject in devices(5)))
        await world.feed(*(fires(subject, AT + 21_000) for subject in devices(5)))
        await world.tick(AT + 24_999)
        assert await outcomes(world, "firing") == [(GATEWAY, 0, "opened")]
        await world.tick(AT + 26_000)
        assert await outcomes(world, "firing") == [
            (GATEWAY, 0, "opened"),
            ("device/d1", 25_000, "opened"),
            *((subject, 25_000, "joined") for subject in devices(4, 2)),
        ]


@pytest.mark.rule("HM-144")
@pytest.mark.parametrize(
    ("window_s", "many"), [(2, 0), (3, 1), (4, 1)], ids=["the debounce is out of it", "inside", "shorter than both"]
)
async def test_those_judged_afresh_have_turned_when_their_fresh_timeout_ended(
    environment: dict[str, str], window_s: int, many: int
) -> None:
    """Five devices stay dead. Their debounce of two seconds, not their timeout, must lie within the window."""
    async with CorrelatorWorld.open(environment) as world:
        await world.put(BRISK.model_copy(update={"rollup_window_s": window_s}))
        await world.in_force(4)
        await down(world, AT, *devices(5), until=AT + 20_000)
        await world.tick(AT + 24_999)
        await said(world)
        await world.tick(AT + 26_000)
        lines = await said(world)
        assert (lines.count(f"open many {GATEWAY}"), len([one for one in lines if one.startswith("open device")])) == (
            (1, 0) if many else (0, 5)
        )


@pytest.mark.rule("HM-144")
async def test_who_is_judged_afresh_counts_for_nobody_until_then(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await down(world, AT, *devices(4), until=AT + 20_000)
        await world.feed(pending("device/d9", AT + 20_500), fires("device/d9", AT + 22_500))
        await world.tick(AT + 23_000)
        assert (await said(world))[-1] == "open device/d9"


@pytest.mark.rule("HM-144")
async def test_who_turned_after_the_recovery_has_nothing_to_wait_for(environment: dict[str, str]) -> None:
    """Also where both are told in one batch."""
    async with CorrelatorWorld.open(environment) as world:
        await down(world, AT, until=AT + 20_000)
        await world.feed(*fails("device/d1", AT + 22_500), *fails("device/d2", AT + 22_000))
        await world.tick(AT + 23_000)
        assert [line for line in await said(world) if line.startswith("open device")] == ["open device/d1"]


@pytest.mark.rule("HM-143", "HM-146")
async def test_an_integrations_ticket_takes_over_from_one_that_somebody_has_just_resolved(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await resolved_by_somebody(world, AT + 20_000)
        await world.feed(*fails("device/d6", AT + 20_800), *fails(GATEWAY, AT + 21_000, condition=UNREACHABLE))
        await said(world)
        await world.tick(AT + 21_500)
        assert await said(world) == [
            f"open {GATEWAY}",
            f"list {GATEWAY}:{UNREACHABLE}: +5 -0",
            f"list {GATEWAY}:{UNREACHABLE}: +1 -0",
        ]
        await world.tick(AT + 60_000)
        assert await said(world) == []


@pytest.mark.rule("HM-143", "HM-146")
async def test_a_ticket_that_was_taken_over_stays_resolved_however_late_that_is_heard(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await world.feed(*fails(GATEWAY, AT + 21_000, condition=UNREACHABLE))
        await world.tick(AT + 21_500)
        await said(world)
        await resolved_by_somebody(world, AT + 20_000)
        await world.tick(AT + 60_000)
        assert await said(world) == []


@pytest.mark.rule("HM-143", "HM-145")
async def test_a_list_that_was_taken_over_is_not_looked_at_again(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await world.feed(*recovers("device/d1", AT + 20_000))
        await world.feed(*fails(GATEWAY, AT + 21_000, condition=UNREACHABLE), *fails("device/d6", AT + 21_500))
        await world.tick(AT + 40_000)
        assert await outcomes(world, "few_left") == []


@pytest.mark.rule("HM-146")
async def test_a_ticket_that_a_silence_keeps_closed_leaves_its_devices_over(environment: dict[str, str]) -> None:
    """Somebody resolves the integration's ticket and silences it: its devices are not hidden by that."""
    async with CorrelatorWorld.open(environment) as world:
        await down(world, AT, "device/d1")
        await gateways_ticket(world, EntryType.RESOLVED, "resolved", AT + 20_000, 2)
        await world.silence(Schedule(AT + 20_500, 3_600), GATEWAY)
        await world.feed(*fails("device/d2", AT + 21_000))
        await world.tick(AT + 21_900)
        await said(world)
        await world.tick(AT + 22_000)
        assert await said(world) == [f"open device/d1 after {GATEWAY}:{UNREACHABLE}", "open device/d2"]
        assert await world.rows("SELECT id FROM verdict WHERE waits_for IS NOT NULL") == []


@pytest.mark.rule("HM-140", "HM-146")
async def test_many_that_are_left_over_from_an_integrations_ticket_share_another(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await down(world, AT, *devices(6))
        await gateways_ticket(world, EntryType.RESOLVED, "resolved", AT + 20_000, 2)
        await world.silence(Schedule(AT + 20_500, 3_600), GATEWAY)
        await said(world)
        await world.tick(AT + 22_000)
        assert await said(world) == [f"open many {GATEWAY}", f"{LIST}: +6 -0"]


@pytest.mark.rule("HM-146")
async def test_who_waits_joins_a_ticket_that_somebody_has_reopened_meanwhile(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await down(world, AT)
        await gateways_ticket(world, EntryType.RESOLVED, "resolved", AT + 20_000, 2)
        await world.feed(*fails("device/d2", AT + 21_000))
        await gateways_ticket(world, EntryType.REOPENED, "open", AT + 21_200, 3)
        await world.tick(AT + 21_900)
        await said(world)
        await world.tick(AT + 22_000)
        assert await said(world) == [f"list {GATEWAY}:{UNREACHABLE}: +1 -0"]


@pytest.mark.rule("HM-146")
async def test_a_resolve_before_most_of_them_have_fired_is_early_too(environment: dict[str, str]) -> None:
    """One is on the list, four are about to fire: resolved at once, it comes back after one more open debounce."""
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, *devices(5))
        await world.feed(*(pending(subject, AT - 100) for subject in devices(4, 2)), *fails("device/d1", AT))
        await world.tick(AT + 500)
        await opened(world)
        await said(world)
        await resolved_by_somebody(world, AT + 1_000)
        assert await said(world) == ["comment"]
        await world.feed(*(fires(subject, AT + 1_900) for subject in devices(4, 2)))
        await world.tick(AT + 2_900)
        assert await said(world) == []
        await world.tick(AT + 3_000)
        assert await said(world) == [f"open many {GATEWAY}", f"{LIST}: +1 -0", f"{LIST}: +4 -0"]


@pytest.mark.rule("HM-146")
@pytest.mark.parametrize(("left", "comes_back"), [(4, True), (3, False)])
async def test_those_who_wait_are_down_as_well(environment: dict[str, str], left: int, comes_back: bool) -> None:
    """Five make many; one has fired since the resolve, and so many of the five are still down."""
    async with CorrelatorWorld.open(environment) as world:
        await world.put(BRISK.model_copy(update={"resolve_debounce_s": 60}))
        await together(world, AT)
        await opened(world)
        await resolved_by_somebody(world, AT + 20_000)
        await world.feed(*fails("device/d6", AT + 20_500))
        await world.feed(*(each for subject in devices(5 - left) for each in recovers(subject, AT + 21_000)))
        await world.tick(AT + 21_900)
        await said(world)
        await world.tick(AT + 22_000)
        assert (f"open many {GATEWAY}" in await said(world)) is comes_back


@pytest.mark.rule("HM-136", "HM-145")
async def test_a_silenced_device_that_is_about_to_fire_keeps_no_ticket_open(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await world.silence(Schedule(AT, 3_600), "device/d6")
        await world.feed(*recovers("device/d1", AT + 20_000), pending("device/d6", AT + 21_000))
        await world.tick(AT + 21_500)
        await said(world)
        await world.tick(AT + 22_000)
        assert (await said(world))[0] == f"recovered {GATEWAY}:{MANY}"


@pytest.mark.rule("HM-129")
async def test_a_watch_over_the_ticket_about_many_settles_nothing_of_the_integrations_own(
    environment: dict[str, str],
) -> None:
    """A silenced integration is down when somebody resolves the ticket about the devices behind it, and its silence
    ends right after."""
    async with CorrelatorWorld.open(environment) as world:
        await world.silence(Schedule(AT, 21), GATEWAY)
        await world.feed(*fails(GATEWAY, AT + 5_000, condition=UNREACHABLE))
        await together(world, AT + 10_000)
        await opened(world)
        await resolved_by_somebody(world, AT + 20_000)
        await said(world)
        await world.tick(AT + 21_500)
        assert (await said(world))[0] == f"open {GATEWAY}"


@pytest.mark.rule("HM-145")
async def test_who_is_heard_again_after_the_end_was_failing_at_it(environment: dict[str, str]) -> None:
    """Also where both are told in one batch: what counts is how it stood just before."""
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await world.feed(*recovers("device/d1", AT + 20_000))
        await world.tick(AT + 21_000)
        await said(world)
        heard = [change("device/d2", "firing", "pending_resolve", at=AT + 22_000, since=AT + 22_000)]
        heard += [change("device/d3", "firing", "pending_resolve", at=AT + 21_999, since=AT + 21_999)]
        await world.feed(*heard)
        await world.tick(AT + 22_500)
        lines = [line.split()[1] for line in await said(world) if line.startswith("open")]
        assert lines == ["device/d2", "device/d4", "device/d5"]


@pytest.mark.rule("HM-145", "HM-146")
async def test_a_list_that_is_gone_is_not_looked_at_again(environment: dict[str, str]) -> None:
    """Resolved early, few are left when it would come back: that ends it, and nothing of it ends the next one."""
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await resolved_by_somebody(world, AT + 20_000)
        await world.feed(*(each for subject in devices(3) for each in recovers(subject, AT + 21_000)))
        await world.tick(AT + 22_000)
        await said(world)
        await world.tick(AT + 60_000)
        assert await outcomes(world, "few_left") == []


@pytest.mark.rule("HM-71", "HM-144")
async def test_being_well_ends_what_is_watched_from_then_on(environment: dict[str, str]) -> None:
    """In one batch its fresh time ends, it recovers, is pending once more, and is well before it fires."""
    async with CorrelatorWorld.open(environment) as world:
        await down(world, AT, "device/d1", until=AT + 20_000)
        await world.tick(AT + 20_500)
        await said(world)
        again = [pending("device/d1", AT + 33_000)]
        again += [change("device/d1", "pending_open", "healthy", at=AT + 34_000, since=AT + 34_000)]
        await world.feed(*recovers("device/d1", AT + 30_000), *again)
        await world.tick(AT + 40_000)
        assert await said(world) == [
            "open device/d1",
            "recovered device/d1:device_offline",
            "list integration/hue-1:integration_unreachable: +0 -1",
        ]


@pytest.mark.rule("HM-129")
async def test_an_early_resolve_of_before_it_was_well_settles_nothing(environment: dict[str, str]) -> None:
    """In one batch it is well, fails again while silenced, and its silence ends."""
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*fails("device/d1", AT))
        await world.tick(AT + 500)
        await opened(world, "device_offline", "device/d1")
        more: dict[str, Any] = {"actor": ActorType.USER, "subject": "device/d1", "version": 2}
        await world.happen(EntryType.RESOLVED, state="resolved", at=AT + 1_000, **more)
        await world.silence(Schedule(AT + 4_000, 16), "device/d1")
        await said(world)
        await world.feed(*recovers("device/d1", AT + 2_900), *fails("device/d1", AT + 10_000))
        await world.tick(AT + 21_000)
        assert (await said(world))[0] == "open device/d1"


@pytest.mark.rule("HM-120", "HM-129")
async def test_a_silence_that_outlasts_an_early_resolve_calls_for_the_ticket(environment: dict[str, str]) -> None:
    """Also where the early resolve is over and the silence ends in one batch."""
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*fails("device/d1", AT))
        await world.tick(AT + 500)
        await opened(world, "device_offline", "device/d1")
        more: dict[str, Any] = {"actor": ActorType.USER, "subject": "device/d1", "version": 2}
        await world.happen(EntryType.RESOLVED, state="resolved", at=AT + 1_000, **more)
        await world.silence(Schedule(AT + 2_000, 3), "device/d1")
        await said(world)
        await world.tick(AT + 6_000)
        await world.tick(AT + 7_000)
        assert (await said(world))[0] == "open device/d1"


@pytest.mark.rule("HM-145", "HM-146")
async def test_what_ends_a_watch_of_the_next_moment_ends_it(environment: dict[str, str]) -> None:
    """Half a second before the ticket would come back, few have been down for long enough. All of it in one batch."""
    async with CorrelatorWorld.open(environment) as world:
        await world.put(BRISK.model_copy(update={"resolve_debounce_s": 1}))
        await world.in_force(4)
        await together(world, AT)
        await opened(world)
        await resolved_by_somebody(world, AT + 20_000)
        await world.feed(*recovers("device/d1", AT + 20_500))
        await world.tick(AT + 23_000)
        assert await outcomes(world, "few_left") == [(GATEWAY, 21_500, "nothing_to_resolve")]
        assert await outcomes(world, "still_unhealthy") == []


@pytest.mark.rule("HM-140")
@pytest.mark.parametrize("late", [False, True], ids=["as it happens", "later"])
async def test_who_was_flapping_at_the_instant_does_not_count_whatever_it_is_by_now(
    environment: dict[str, str], late: bool
) -> None:
    """Its reading turned before, and it fires after."""
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, *devices(9))
        await world.feed(change("device/d5", "healthy", "flapping", at=AT - 3_000, since=AT - 3_000))
        await world.feed(*(pending(subject, AT - 2_000) for subject in devices(4)))
        await world.feed(*(fires(subject, AT) for subject in devices(4)))
        if not late:
            await world.tick(AT + 500)
        await world.feed(change("device/d5", "flapping", "firing", at=AT + 3_000, since=AT - 3_000, reason="stable"))
        await world.tick(AT + 4_000)
        assert sorted(await said(world)) == [f"open {subject}" for subject in devices(5)]


@pytest.mark.rule("HM-65", "HM-67", "HM-140")
@pytest.mark.parametrize("answered", [True, False], ids=["opened", "on its way"])
async def test_who_has_a_ticket_of_its_own_is_not_asked_to_share_one(
    environment: dict[str, str], answered: bool
) -> None:
    """Publishing is asked for once more while another device is about to fire: whether the ticket service has answered
    by then changes nothing."""
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, *devices(9))
        await world.put(BRISK.model_copy(update={"rollup_threshold": 2}), publish_existing=True)
        await world.feed(*fails("device/d1", AT))
        await world.tick(AT + 500)
        if answered:
            await opened(world, "device_offline", "device/d1")
        await world.feed(pending("device/d2", AT + 1_000))
        await world.in_force(4, at=AT + 2_000)
        await world.tick(AT + 2_500)
        assert [line for line in await said(world) if line != "open device/d1"] == []
