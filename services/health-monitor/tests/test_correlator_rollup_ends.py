"""Tickets that devices share: how they end, and what becomes of those who still fail. On a real database."""

from collections import Counter

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
    heard,
    opened,
    pending,
    recovers,
    resolved_by_somebody,
    said,
    together,
)

from fettle_health_monitor.domain.correlator.silences import Schedule

OFFLINE = "device_offline"


@pytest.mark.rule("HM-144", "HM-210")
async def test_after_the_integrations_recovery_each_member_is_judged_afresh(environment: dict[str, str]) -> None:
    """Timeout 3 s and open debounce 2 s: a device that stays dead has its ticket five seconds after the recovery."""
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 10_000
        await behind(world, *devices(3))
        await world.feed(*fails("integration/hue-1", at, condition=UNREACHABLE))
        await world.feed(*fails("device/d1", at + 3_000, flap_count=2), *fails("device/d2", at + 3_000))
        await world.feed(*recovers("integration/hue-1", at + 20_000, condition=UNREACHABLE))
        await world.feed(pending("device/d3", at + 19_000))
        await world.tick(at + 20_500)
        assert (await said(world))[-1] == "recovered integration/hue-1:integration_unreachable"
        await world.feed(fires("device/d3", at + 21_000), *recovers("device/d2", at + 23_000))
        await world.tick(at + 24_999)
        assert await said(world) == [f"list integration/hue-1:{UNREACHABLE}: +0 -1"]
        await world.tick(at + 25_000)
        await world.tick(at + 26_000)
        assert [command.body["flap_count"] for command in await world.commands()] == [2, 0]
        assert await said(world) == ["open device/d1", "open device/d3"]
        assert Counter(await world.outcomes())["judged_afresh", "opened"] == 1


@pytest.mark.rule("HM-144")
async def test_a_fresh_timeout_is_as_long_as_the_judges(environment: dict[str, str]) -> None:
    """Three intervals of 20.7 s and an open debounce of 2 s, to the millisecond, also when a policy re-times it."""
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 10_000
        by_interval = BRISK.model_copy(update={"timeout_s": None})
        await world.put(by_interval)
        await world.in_force(4)
        await world.feed(world.profile("device/d1", integration="hue-1", interval_s=20.7))
        await world.feed(*fails("integration/hue-1", at, condition=UNREACHABLE, policy_version=4))
        await world.feed(*fails("device/d1", at + 3_000, policy_version=4))
        await world.feed(*recovers("integration/hue-1", at + 20_000, condition=UNREACHABLE, policy_version=4))
        await world.tick(at + 20_500)
        lasting = "SELECT due_clock - start_clock AS lasting_ms FROM watch WHERE kind = 'judged_afresh'"
        assert await world.rows(lasting) == [(64_100,)]
        await world.put(by_interval.model_copy(update={"open_debounce_s": 3}))
        await world.in_force(5, at=at + 20_600)
        await world.tick(at + 21_000)
        assert await world.rows(lasting) == [(65_100,)]


@pytest.mark.rule("HM-144")
@pytest.mark.parametrize("at_once", [False, True], ids=["later", "decided together"])
async def test_who_recovers_in_its_fresh_time_opens_nothing_and_its_verdict_has_an_end(
    environment: dict[str, str], at_once: bool
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 10_000
        await behind(world, "device/d1")
        await world.feed(*fails("integration/hue-1", at, condition=UNREACHABLE))
        await world.feed(pending("device/d1", at + 19_000))
        await world.feed(*recovers("integration/hue-1", at + 20_000, condition=UNREACHABLE))
        await world.tick(at + 20_500)
        await said(world)
        await world.feed(fires("device/d1", at + 21_000))
        if not at_once:
            await world.tick(at + 22_000)
        await world.feed(*recovers("device/d1", at + (21_400 if at_once else 24_000)))
        await world.tick(at + 60_000)
        assert await said(world) == []
        assert await world.rows("SELECT id FROM verdict") == []
        assert Counter(await world.outcomes())["firing", "called_off"] == 1


@pytest.mark.rule("HM-144")
async def test_a_recovery_does_not_cause_the_storm_that_the_rollup_prevented(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 10_000
        await behind(world, *devices(8))
        await world.feed(*fails("integration/hue-1", at, condition=UNREACHABLE))
        await world.feed(*(each for subject in devices(8) for each in fails(subject, at + 3_000)))
        await world.feed(*recovers("integration/hue-1", at + 20_000, condition=UNREACHABLE))
        await world.tick(at + 21_000)
        await said(world)
        await world.tick(at + 30_000)
        assert await said(world) == [
            "open many integration/hue-1",
            "list integration/hue-1:multiple_devices_offline: +8 -0",
        ]


@pytest.mark.rule("HM-145")
async def test_a_ticket_about_many_ends_when_few_are_down_for_the_resolve_debounce(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 10_000
        await together(world, at)
        await opened(world)
        await said(world)
        await world.feed(*recovers("device/d1", at + 20_000), heard("device/d2", at + 21_900))
        await world.tick(at + 21_999)
        assert await said(world) == ["list integration/hue-1:multiple_devices_offline: +0 -1"]
        await world.tick(at + 22_000)
        after = " after integration/hue-1:multiple_devices_offline"
        assert await said(world) == [
            "recovered integration/hue-1:multiple_devices_offline",
            *(f"open {subject}{after}" for subject in devices(3, 3)),
        ]
        again = change("device/d2", "pending_resolve", "firing", at=at + 23_000, since=at + 23_000)
        await world.feed(again)
        await world.tick(at + 24_000)
        assert await said(world) == ["open device/d2"]


@pytest.mark.rule("HM-239")
async def test_who_is_left_over_is_ticked_on_recovery_all_the_same(environment: dict[str, str]) -> None:
    """Of five two recover, and the ticket ends; of the three that are left one recovers then, one joins the ticket when
    that has come back, and recovers as its member, once."""
    listed = f"list integration/hue-1:{MANY}: "
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 10_000
        await together(world, at)
        await opened(world)
        await world.feed(*recovers("device/d1", at + 20_000), *recovers("device/d2", at + 20_000))
        await world.tick(at + 23_000)
        await said(world)
        await world.feed(*recovers("device/d3", at + 30_000))
        await world.tick(at + 30_500)
        assert await said(world) == [f"recovered device/d3:{OFFLINE}", f"{listed}+0 -1"]
        assert [row.subject for row in await world.rows("SELECT subject FROM former_member ORDER BY subject")] == [
            "device/d4",
            "device/d5",
        ]


@pytest.mark.rule("HM-239")
async def test_a_list_that_is_taken_over_goes_on_being_ticked_where_it_was(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 10_000
        await together(world, at)
        await opened(world)
        await world.feed(*fails("integration/hue-1", at + 10_000, condition=UNREACHABLE))
        await world.tick(at + 10_500)
        await said(world)
        await world.feed(*recovers("device/d3", at + 30_000))
        await world.tick(at + 30_500)
        assert sorted(await said(world)) == [
            f"list integration/hue-1:{UNREACHABLE}: +0 -1",
            f"list integration/hue-1:{MANY}: +0 -1",
        ]


@pytest.mark.rule("HM-239")
async def test_who_joins_again_is_down_on_the_list_and_no_former_member(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 10_000
        await behind(world, "device/d1")
        await world.feed(*fails("integration/hue-1", at, condition=UNREACHABLE), *fails("device/d1", at + 3_000))
        await world.feed(*recovers("integration/hue-1", at + 20_000, condition=UNREACHABLE))
        await world.tick(at + 20_500)
        assert len(await world.rows("SELECT subject FROM former_member")) == 1
        await world.feed(*fails("integration/hue-1", at + 24_000, condition=UNREACHABLE))
        await world.tick(at + 25_000)
        await world.tick(at + 26_000)
        assert (await said(world))[-1] == f"list integration/hue-1:{UNREACHABLE}: +1 -0"
        assert await world.rows("SELECT subject FROM former_member") == []
        await world.feed(*recovers("device/d1", at + 30_000))
        await world.tick(at + 30_500)
        assert await said(world) == [f"list integration/hue-1:{UNREACHABLE}: +0 -1"]


@pytest.mark.rule("HM-145")
async def test_it_does_not_end_when_they_are_many_again_before_that(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 10_000
        await together(world, at)
        await opened(world)
        await world.feed(*recovers("device/d1", at + 20_000))
        await world.tick(at + 20_500)
        await said(world)
        await world.feed(*fails("device/d6", at + 21_000))
        await world.tick(at + 60_000)
        assert await said(world) == ["list integration/hue-1:multiple_devices_offline: +1 -0"]


@pytest.mark.rule("HM-145", "HM-210")
async def test_those_that_are_about_to_fire_are_down_as_well(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 10_000
        await behind(world, *devices(5))
        await world.feed(*(pending(subject, at - 100) for subject in devices(4, 2)))
        await world.feed(fires("device/d1", at, flap_count=3))
        await world.tick(at + 2_500)
        assert await said(world) == [
            "open many integration/hue-1",
            "list integration/hue-1:multiple_devices_offline: +1 -0",
        ]
        await opened(world)
        back = [change(one, "pending_open", "healthy", at=at + 3_000, since=at + 3_000) for one in devices(4, 2)]
        await world.feed(*back)
        await world.tick(at + 3_999)
        assert await said(world) == []
        await world.tick(at + 4_501)
        assert [one.body["flap_count"] for one in await world.commands() if one.verb == "open"] == [3]
        assert await said(world) == [
            "recovered integration/hue-1:multiple_devices_offline",
            "open device/d1 after integration/hue-1:multiple_devices_offline",
        ]


@pytest.mark.rule("HM-142")
async def test_who_joins_and_recovers_in_one_batch_ends_as_it_did(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 10_000
        await behind(world, *devices(2))
        await world.feed(*fails("integration/hue-1", at, condition=UNREACHABLE))
        await world.feed(*fails("device/d2", at + 1_000))
        await world.tick(at + 2_000)
        await world.feed(*fails("device/d1", at + 5_000), *recovers("device/d1", at + 8_000))
        await world.feed(*recovers("device/d2", at + 8_000), *fails("device/d2", at + 11_000))
        await world.tick(at + 30_000)
        listed = await world.rows(
            "SELECT subject, recovered_at IS NOT NULL AS well FROM rollup_member ORDER BY subject"
        )
        assert [(row.subject, row.well) for row in listed] == [("device/d1", True), ("device/d2", False)]
        assert [line[-5:] for line in (await said(world))[-3:]] == ["+1 -0", "+0 -2", "+1 -0"]


@pytest.mark.rule("HM-146")
async def test_while_an_early_resolve_is_young_devices_wait_and_then_join(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 10_000
        await together(world, at)
        await opened(world)
        await said(world)
        await resolved_by_somebody(world, at + 20_000)
        assert await said(world) == ["comment"]
        await world.feed(*fails("device/d6", at + 21_000))
        await world.tick(at + 21_900)
        assert await said(world) == []
        await world.tick(at + 22_000)
        assert await said(world) == [
            "open many integration/hue-1",
            "list integration/hue-1:multiple_devices_offline: +5 -0",
            "list integration/hue-1:multiple_devices_offline: +1 -0",
        ]


@pytest.mark.rule("HM-146")
async def test_if_few_are_left_by_then_it_stays_resolved_and_they_get_their_own(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.put(BRISK.model_copy(update={"resolve_debounce_s": 60}))
        at = T0 + 10_000
        await together(world, at)
        await opened(world)
        await said(world)
        await resolved_by_somebody(world, at + 20_000)
        await world.feed(*(each for subject in devices(3) for each in recovers(subject, at + 21_000)))
        await world.tick(at + 23_000)
        after = " after integration/hue-1:multiple_devices_offline"
        assert [line for line in await said(world) if line.startswith("open")] == [
            f"open {subject}{after}" for subject in devices(2, 4)
        ]


@pytest.mark.rule("HM-142", "HM-145")
async def test_who_flaps_on_a_list_is_down_until_it_is_stable(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 10_000
        await together(world, at)
        await opened(world)
        await world.feed(heard("device/d1", at + 20_000))
        await world.feed(change("device/d1", "pending_resolve", "flapping", at=at + 21_000, since=at + 21_000))
        await world.tick(at + 40_000)
        assert [line for line in await said(world) if line.startswith(("open device", "recovered"))] == []
        await world.feed(change("device/d1", "flapping", "healthy", at=at + 41_000, since=at + 35_000))
        await world.tick(at + 42_999)
        assert [line for line in await said(world) if line.startswith(("open device", "recovered"))] == []
        await world.tick(at + 43_000)
        assert [line for line in await said(world) if line.startswith("recovered")] == [
            "recovered integration/hue-1:multiple_devices_offline"
        ]


@pytest.mark.rule("HM-63", "HM-144")
@pytest.mark.parametrize("first", ["healthy", "pending_open"])
async def test_who_comes_up_healthy_in_a_new_log_waits_for_nothing(environment: dict[str, str], first: str) -> None:
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 10_000
        await behind(world, "device/d1")
        await world.feed(*fails("integration/hue-1", at, condition=UNREACHABLE))
        await world.feed(pending("device/d1", at + 8_500))
        await world.feed(*recovers("integration/hue-1", at + 10_000, condition=UNREACHABLE))
        await world.feed(fires("device/d1", at + 10_500))
        await world.tick(at + 11_000)
        assert await world.rows("SELECT 1 FROM verdict WHERE waits_for = 'device/d1'")
        await world.feed(change("device/d1", None, first, at=at + 12_000, generation=2))
        if first != "healthy":
            await world.feed(change("device/d1", first, "healthy", at=at + 12_100, generation=2))
        assert Counter(await world.outcomes())["firing", "called_off"] == 1
        await world.feed(world.clock(0, at + 30_000, generation=2, clock=18_000))
        assert not await world.rows("SELECT 1 FROM verdict UNION ALL SELECT 1 FROM watch")


@pytest.mark.rule("HM-146", "HM-248")
async def test_one_about_many_that_comes_back_settles_nothing_of_the_integrations_own(
    environment: dict[str, str],
) -> None:
    """Both are there, as the merge was refused, and somebody resolves one after the other."""
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 10_000
        await together(world, at)
        await opened(world)
        await world.feed(*fails("integration/hue-1", at + 10_000, condition=UNREACHABLE))
        await world.tick(at + 11_000)
        await opened(world, UNREACHABLE)
        (merges,) = [one for one in await world.commands() if one.verb == "resolve"]
        await world.answer(merges, "rejected", code="parent_invalid")
        await resolved_by_somebody(world, at + 20_000)
        await resolved_by_somebody(world, at + 20_500, UNREACHABLE)
        await said(world)
        await world.tick(at + 22_000)
        assert await said(world) == ["open many integration/hue-1", f"list integration/hue-1:{MANY}: +5 -0"]
        await world.tick(at + 22_500)
        assert (await said(world))[0] == "open integration/hue-1"


@pytest.mark.rule("HM-63", "HM-146")
async def test_nobody_waits_for_an_early_resolve_that_is_looked_at_no_more(environment: dict[str, str]) -> None:
    """The integration fires on for another condition, which is silenced."""
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 10_000
        await waits_for_the_integration(world, at)
        await world.silence(Schedule(at + 1_300, 86_400), "integration/hue-1")
        other = "integration_credentials_invalid"
        await world.feed(change("integration/hue-1", "firing", "firing", at=at + 2_000, condition=other))
        await world.tick(at + 2_500)
        assert (await said(world))[-1] == "open device/d1"


@pytest.mark.rule("HM-82", "HM-146")
async def test_an_integration_that_comes_up_healthy_in_a_new_log_ends_the_wait_for_it(
    environment: dict[str, str],
) -> None:
    """As behind any recovery the device is judged afresh."""
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 10_000
        await waits_for_the_integration(world, at)
        await said(world)
        anew = change("integration/hue-1", None, "healthy", at=at + 1_500, generation=2, shard=1)
        await world.feed(anew, world.clock(1, at + 1_500, generation=2, clock=0))
        for after in range(1_500, 12_000, 500):
            await world.feed(world.clock(1, at + after, generation=2, clock=after - 1_500))
            await world.tick(at + after, 0)
        assert await said(world) == ["open device/d1"]
        assert not await world.rows("SELECT 1 FROM verdict")


async def waits_for_the_integration(world: CorrelatorWorld, at: int) -> None:
    """The integration fires at this instant, somebody resolves its ticket, and the device behind it waits."""
    await behind(world, "device/d1")
    await world.feed(*fails("integration/hue-1", at, condition=UNREACHABLE))
    await world.tick(at + 500)
    await opened(world, UNREACHABLE)
    await resolved_by_somebody(world, at + 600, UNREACHABLE)
    await world.feed(*fails("device/d1", at + 1_000))
    await world.tick(at + 1_200)
    assert await world.rows("SELECT 1 FROM verdict WHERE waits_for = 'integration/hue-1'")
