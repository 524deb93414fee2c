"""Devices that fail together: which tickets are asked for. On a real database."""

from collections import Counter

import pytest
from correlator_facts import BRISK, QUIET, T0, change, next_place
from correlator_world import CorrelatorWorld
from rollup_facts import (
    UNREACHABLE,
    behind,
    devices,
    fails,
    fires,
    opened,
    pending,
    recovers,
    said,
    together,
)

from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.adapters.correlator import views
from fettle_health_monitor.domain.correlator.silences import Schedule
from fettle_health_monitor.domain.judgements import InForce


@pytest.mark.rule("HM-140")
async def test_many_devices_get_one_ticket_when_the_first_of_them_fires(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await together(world)
        assert await said(world) == [
            "open many integration/hue-1",
            "list integration/hue-1:multiple_devices_offline: +5 -0",
        ]
        assert Counter(await world.outcomes()) == {("firing", "opened"): 1, ("firing", "joined"): 4}


@pytest.mark.rule("HM-292")
async def test_the_ticket_about_many_is_about_an_integration_that_is_no_subject_itself(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await together(world)
        assert (await said(world))[0] == "open many integration/hue-1"
        known = await world.rows("SELECT subject FROM subject ORDER BY subject")
        assert [row.subject for row in known] == devices(9)


@pytest.mark.rule("HM-140", "AC-183")
async def test_the_ticket_about_many_says_what_was_counted(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await together(world)
        seen = next(sent.body["evidence"] for sent in await world.commands() if "kind" in sent.body)
        assert (seen["failing"], seen["threshold"], seen["window_s"], seen["first"]) == (5, 5, 300, "device/d1")


@pytest.mark.rule("HM-140")
@pytest.mark.parametrize(
    ("apart_ms", "shared"), [(299_999, True), (300_000, False)], ids=["inside the window", "at its edge"]
)
async def test_only_the_window_before_the_firing_counts(
    environment: dict[str, str], apart_ms: int, shared: bool
) -> None:
    """The window is half-open: what turned exactly its length ago is outside."""
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 400_000
        await behind(world, *devices(5))
        await world.tick(T0 + 90_000)
        await world.feed(pending("device/d1", at - apart_ms))
        await world.feed(*(pending(subject, at - 2_000) for subject in devices(4, 2)))
        await world.feed(fires("device/d2", at))
        await world.tick(at + 1_000)
        assert await said(world) == (
            ["open many integration/hue-1", "list integration/hue-1:multiple_devices_offline: +1 -0"]
            if shared
            else ["open device/d2"]
        )


@pytest.mark.rule("HM-140")
@pytest.mark.parametrize(("recovered_at", "shared"), [(0, False), (1, True)], ids=["by then", "a moment later"])
async def test_who_was_well_again_by_then_does_not_count_and_who_was_not_does(
    environment: dict[str, str], recovered_at: int, shared: bool
) -> None:
    """Whatever is known by the time of the decision: what counts is how things stood at the firing's instant."""
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 10_000
        await behind(world, *devices(5))
        await world.feed(*(pending(subject, at - 2_000) for subject in devices(5)))
        await world.feed(fires("device/d1", at))
        await world.feed(change("device/d5", "pending_open", "healthy", at=at + recovered_at, since=at + recovered_at))
        await world.tick(at + 1_000)
        assert (await said(world))[0] == ("open many integration/hue-1" if shared else "open device/d1")


@pytest.mark.rule("HM-140")
async def test_devices_elsewhere_and_without_an_integration_share_nothing(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, *devices(4))
        await behind(world, "device/d5", integration="hue-2")
        subjects = [*devices(5), "device/lonely"]
        await world.feed(*(each for subject in subjects for each in fails(subject, T0 + 10_000)))
        await world.tick(T0 + 11_000)
        assert Counter(await said(world)) == Counter(f"open {subject}" for subject in subjects)


@pytest.mark.rule("HM-141")
async def test_singles_that_members_had_are_merged(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 10_000
        await behind(world, *devices(5))
        await world.feed(*fails("device/d1", at))
        await world.tick(at + 1_000)
        assert await said(world) == ["open device/d1"]
        await world.happen(EntryType.OPENED, subject="device/d1", version=1)
        await world.feed(*(each for subject in devices(4, 2) for each in fails(subject, at + 20_000)))
        await world.tick(at + 21_000)
        assert await said(world) == [
            "open many integration/hue-1",
            "merged device/d1:device_offline -> integration/hue-1:multiple_devices_offline",
            "list integration/hue-1:multiple_devices_offline: +5 -0",
        ]


@pytest.mark.rule("HM-141")
async def test_a_single_of_the_same_batch_is_merged_whatever_its_device_is_called(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 10_000
        await world.feed(*(world.profile(subject, integration="hue-1") for subject in devices(5)))
        await world.feed(*fails("device/d1", at), *(each for one in devices(4, 2) for each in fails(one, at + 2_500)))
        await world.tick(at + 5_000)
        assert (await said(world))[:3] == [
            "open device/d1",
            "open many integration/hue-1",
            "merged device/d1:device_offline -> integration/hue-1:multiple_devices_offline",
        ]


@pytest.mark.rule("HM-63")
@pytest.mark.rule("HM-141")
@pytest.mark.parametrize("again_by", ["the end of a silence", "publishing"])
async def test_a_single_that_is_asked_for_once_more_is_merged_once(environment: dict[str, str], again_by: str) -> None:
    """The ticket service has not answered yet when verdicts about both devices are decided together."""
    few, at = BRISK.model_copy(update={"rollup_threshold": 2}), T0 + 10_000
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, *devices(2))
        await world.put(few)
        await world.in_force(4, at=at - 1_000)
        await world.feed(*fails("device/d1", at, policy_version=4))
        await world.tick(at + 500)
        assert await said(world) == ["open device/d1"]
        if again_by == "publishing":
            await world.put(few.model_copy(update={"publish_tickets": False}))
            await world.in_force(5, at=at + 600)
        else:
            await world.silence(Schedule(at + 1_000, 2), "device/d1")
            await world.silence(Schedule(at + 1_000, 2), "device/d2")
        await world.feed(*fails("device/d2", at + 2_000, policy_version=5 if again_by == "publishing" else 4))
        await world.tick(at + 2_500)
        assert await said(world) == []
        if again_by == "publishing":
            await world.put(few, publish_existing=True)
            await world.in_force(6, at=at + 3_000)
        await world.tick(at + 4_000)
        lines = [line for line in await said(world) if line != "comment"]
        assert lines == [
            "open device/d1",
            "open many integration/hue-1",
            "merged device/d1:device_offline -> integration/hue-1:multiple_devices_offline",
            "list integration/hue-1:multiple_devices_offline: +2 -0",
        ]


@pytest.mark.rule("HM-142")
async def test_a_device_joins_its_integrations_ticket_and_is_ticked_when_it_recovers(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 10_000
        await behind(world, *devices(2))
        await world.feed(*fails("integration/hue-1", at, condition=UNREACHABLE))
        await world.feed(*fails("device/d1", at + 3_000), *fails("device/d2", at + 3_500))
        await world.tick(at + 10_000)
        assert await said(world) == ["open integration/hue-1", "list integration/hue-1:integration_unreachable: +2 -0"]
        await world.feed(*recovers("device/d1", at + 20_000))
        await world.tick(at + 21_000)
        assert await said(world) == ["list integration/hue-1:integration_unreachable: +0 -1"]
        await world.feed(*fails("device/d1", at + 40_000))
        await world.tick(at + 41_000)
        assert await said(world) == ["list integration/hue-1:integration_unreachable: +1 -0"]


@pytest.mark.rule("HM-142")
async def test_singles_of_the_last_window_are_merged_into_the_integrations_ticket(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 400_000
        await behind(world, *devices(2))
        await world.feed(*fails("device/d1", at - 300_000))
        await world.tick(at - 299_000)
        await world.feed(*fails("device/d2", at - 299_999))
        await world.tick(at - 298_000)
        assert await said(world) == ["open device/d1", "open device/d2"]
        await world.feed(*fails("integration/hue-1", at, condition=UNREACHABLE))
        await world.tick(at + 1_000)
        assert await said(world) == [
            "open integration/hue-1",
            "merged device/d2:device_offline -> integration/hue-1:integration_unreachable",
            "list integration/hue-1:integration_unreachable: +1 -0",
        ]


@pytest.mark.rule("HM-143")
async def test_the_integrations_ticket_takes_the_list_over(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 10_000
        await together(world, at)
        await said(world)
        await opened(world)
        await world.feed(*fails("integration/hue-1", at + 30_000, condition=UNREACHABLE))
        await world.tick(at + 31_000)
        assert await said(world) == [
            "open integration/hue-1",
            "merged integration/hue-1:multiple_devices_offline -> integration/hue-1:integration_unreachable",
            "list integration/hue-1:integration_unreachable: +5 -0",
        ]
        await world.feed(*fails("device/d6", at + 40_000), *recovers("device/d1", at + 40_000))
        await world.tick(at + 41_000)
        assert await said(world) == [
            "list integration/hue-1:multiple_devices_offline: +0 -1",
            "list integration/hue-1:integration_unreachable: +1 -1",
        ]


@pytest.mark.rule("HM-141")
async def test_a_member_is_shown_with_the_ticket_that_it_shares(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 10_000
        await together(world, at)
        await opened(world)
        await world.feed(*recovers("device/d1", at + 20_000))
        await world.tick(at + 21_000)
        async with world.database.reading() as connection:
            shown = [await views.subject(connection, "acme", subject) for subject in devices(2)]
        assert [row and row.ticket_number for row in shown] == [None, 1]


@pytest.mark.rule("HM-147")
async def test_what_is_not_published_shares_nothing(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, *devices(6))
        failed = [each for subject in devices(6) for each in fails(subject, T0 + 10_000, policy_version=2)]
        await world.feed(*failed)
        await world.tick(T0 + 11_000)
        assert await said(world) == []
        assert Counter(await world.outcomes()) == {("firing", "unpublished"): 6}


@pytest.mark.rule("HM-63", "HM-64")
async def test_a_storm_read_twice_in_other_batches_opens_nothing_twice(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + 10_000
        await behind(world, *devices(20))
        story = [pending(subject, at - 2_000 + 10 * number) for number, subject in enumerate(devices(20))]
        story += [fires(subject, at + 10 * number) for number, subject in enumerate(devices(20))]
        await world.feed(*story[:7])
        await world.feed(*story[3:])
        await world.tick(at + 1_000)
        await world.feed(*story)
        await world.tick(at + 5_000)
        lines = await said(world)
        assert lines[0] == "open many integration/hue-1"
        assert sum(int(line.partition("+")[2].split()[0]) for line in lines[1:]) == 20
        assert Counter(await world.outcomes()) == {("firing", "opened"): 1, ("firing", "joined"): 19}


@pytest.mark.rule("HM-305")
async def test_who_is_left_over_is_decided_by_the_policy_of_its_own_shard(environment: dict[str, str]) -> None:
    """The ticket about many ends by the clock of a shard whose policy publishes; the other shard's does not."""
    async with CorrelatorWorld.open(environment) as world:
        at, elsewhere = T0 + 10_000, devices(2, 4)
        await behind(world, *devices(5))
        for subject in devices(5):
            await world.feed(*fails(subject, at, shard=int(subject in elsewhere)))
        await world.tick(at + 1_000)
        await opened(world)
        await said(world)
        unpublished = (await world.put(QUIET)).version.version
        begun = InForce(
            shard=1, generation=1, place=next_place(), org="acme", version=unpublished, enabled=True, at=at + 15_000
        )
        await world.feed(begun)
        await world.feed(*recovers("device/d1", at + 20_000))
        await world.tick(at + 23_000)
        after = " after integration/hue-1:multiple_devices_offline"
        assert [line for line in await said(world) if line.startswith("open")] == [
            f"open {subject}{after}" for subject in devices(2, 2)
        ]
        assert Counter(await world.outcomes())["left_over", "unpublished"] == 2
