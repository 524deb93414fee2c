"""Where the rules about shared tickets turn, a millisecond or a member apart. On a real database."""

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
    heard,
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


async def opens(world: CorrelatorWorld) -> list[str]:
    """Which tickets have been asked for since the last time."""
    return [line.removeprefix("open ").split(" after ")[0] for line in await said(world) if line.startswith("open")]


async def gateway_down(world: CorrelatorWorld, *members: str) -> None:
    await behind(world, *devices(9))
    await world.feed(*fails(GATEWAY, AT, condition=UNREACHABLE))
    await world.tick(AT + 500)
    await opened(world, UNREACHABLE)
    await world.feed(*(each for subject in members for each in fails(subject, AT + 1_000)))
    await world.tick(AT + 2_000)
    await said(world)


@pytest.mark.rule("HM-140")
@pytest.mark.parametrize(("failing", "shared"), [(4, False), (5, True)])
async def test_one_device_makes_many(environment: dict[str, str], failing: int, shared: bool) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, *devices(9))
        await world.feed(*(pending(subject, AT - 2_000) for subject in devices(failing)), fires("device/d1", AT))
        await world.tick(AT + 500)
        assert await opens(world) == ([f"many {GATEWAY}"] if shared else ["device/d1"])


@pytest.mark.rule("HM-140")
@pytest.mark.parametrize(("late", "shared"), [(-1, False), (0, False), (1, True)])
async def test_who_is_well_again_at_the_very_instant_does_not_count(
    environment: dict[str, str], late: int, shared: bool
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, *devices(9))
        await world.feed(*(pending(subject, AT - 2_000) for subject in devices(5)), fires("device/d1", AT))
        await world.feed(change("device/d5", "pending_open", "healthy", at=AT + late, since=AT + late))
        await world.tick(AT + 500)
        assert await opens(world) == ([f"many {GATEWAY}"] if shared else ["device/d1"])


@pytest.mark.rule("HM-136", "HM-140")
@pytest.mark.parametrize(
    ("start", "end", "shared"),
    [(-1_000, 0, True), (-1_000, 1_000, False), (0, 1_000, False), (1, 1_001, True)],
    ids=["ends then", "ends after", "begins then", "begins a moment later"],
)
async def test_who_is_silenced_at_the_very_instant_does_not_count(
    environment: dict[str, str], start: int, end: int, shared: bool
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, *devices(9))
        await world.silence(Schedule(AT + start, (end - start) // 1000), "device/d5")
        await world.feed(*(pending(subject, AT - 2_000) for subject in devices(5)), fires("device/d1", AT))
        await world.tick(AT + 500)
        assert await opens(world) == ([f"many {GATEWAY}"] if shared else ["device/d1"])


@pytest.mark.rule("HM-142", "HM-144")
@pytest.mark.parametrize(
    ("after", "outcome"), [(-1, "joined"), (1, "opened")], ids=["a moment before", "a moment after"]
)
async def test_a_device_fires_just_when_its_integrations_ticket_ends(
    environment: dict[str, str], after: int, outcome: str
) -> None:
    """Joined or not: whoever was not well at the end has its ticket a full timeout and open debounce later."""
    async with CorrelatorWorld.open(environment) as world:
        await gateway_down(world)
        await world.feed(*recovers(GATEWAY, AT + 20_000, condition=UNREACHABLE))
        await world.feed(*fails("device/d1", AT + 20_000 + after))
        await world.tick(AT + 24_999)
        assert await opens(world) == []
        await world.tick(AT + 25_000)
        assert await opens(world) == ["device/d1"]
        rows = await world.rows("SELECT outcome FROM outcome WHERE subject = 'device/d1' ORDER BY at")
        assert rows[0].outcome == outcome


@pytest.mark.rule("HM-144")
@pytest.mark.parametrize(("turned", "waits"), [(-1, True), (1, False)], ids=["a moment before", "a moment after"])
async def test_a_device_turns_just_when_its_integrations_ticket_ends(
    environment: dict[str, str], turned: int, waits: bool
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await gateway_down(world)
        await world.feed(*recovers(GATEWAY, AT + 20_000, condition=UNREACHABLE))
        await world.feed(pending("device/d1", AT + 20_000 + turned), fires("device/d1", AT + 22_000 + turned))
        await world.tick(AT + 22_500)
        assert await opens(world) == ([] if waits else ["device/d1"])


@pytest.mark.rule("HM-144")
@pytest.mark.parametrize(
    ("heard_at", "asked"),
    [(-1, []), (0, ["device/d1"]), (1, ["device/d1"])],
    ids=["a moment before", "then", "a moment after"],
)
async def test_a_device_is_heard_just_when_its_fresh_time_ends(
    environment: dict[str, str], heard_at: int, asked: list[str]
) -> None:
    """A timer goes before a record of its instant."""
    async with CorrelatorWorld.open(environment) as world:
        await gateway_down(world, "device/d1")
        await world.feed(*recovers(GATEWAY, AT + 20_000, condition=UNREACHABLE))
        await world.feed(heard("device/d1", AT + 25_000 + heard_at))
        await world.tick(AT + 26_000)
        assert await opens(world) == asked


@pytest.mark.rule("HM-145")
@pytest.mark.parametrize(
    ("joins", "ends"), [(-1, False), (0, False), (1, True)], ids=["a moment before", "then", "a moment after"]
)
async def test_they_are_many_again_just_when_few_have_lasted(
    environment: dict[str, str], joins: int, ends: bool
) -> None:
    """Few since 20 s, for a resolve debounce of 2 s."""
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await said(world)
        await world.feed(*recovers("device/d1", AT + 20_000))
        at = AT + 22_000 + joins
        await world.feed(change("device/d6", None, "firing", at=at, since=at))
        await world.tick(AT + 23_000)
        assert (f"recovered {GATEWAY}:{MANY}" in await said(world)) is ends


@pytest.mark.rule("HM-145")
@pytest.mark.parametrize(
    ("about_to_fire", "ends"),
    [
        ((AT + 22_001, None), True),
        ((AT + 22_000, None), False),
        ((AT + 21_000, AT + 22_001), False),
        ((AT + 21_000, AT + 22_000), True),
    ],
    ids=["pending a moment later", "pending then", "well a moment later", "well then"],
)
async def test_who_is_about_to_fire_just_when_few_have_lasted(
    environment: dict[str, str], about_to_fire: tuple[int, int | None], ends: bool
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await said(world)
        turned, well = about_to_fire
        await world.feed(*recovers("device/d1", AT + 20_000), pending("device/d6", turned))
        if well is not None:
            await world.feed(change("device/d6", "pending_open", "healthy", at=well, since=well))
        await world.tick(AT + 22_500)
        assert (f"recovered {GATEWAY}:{MANY}" in await said(world)) is ends


async def few_left(world: CorrelatorWorld) -> list[tuple[int, str]]:
    """When few had lasted on the list, and what came of it."""
    rows = await world.rows("SELECT at, outcome FROM outcome WHERE cause = 'few_left' ORDER BY at")
    return [(row.at - AT, row.outcome) for row in rows]


@pytest.mark.rule("HM-144", "HM-145")
async def test_fresh_times_end_just_when_few_have_lasted(environment: dict[str, str]) -> None:
    """Four have a fresh time until 25 s; the fifth fires at 23 s, when their silence has become their own."""
    async with CorrelatorWorld.open(environment) as world:
        await gateway_down(world, *devices(4))
        await world.feed(*recovers(GATEWAY, AT + 20_000, condition=UNREACHABLE), *fails("device/d5", AT + 23_000))
        await world.tick(AT + 24_000)
        assert await opens(world) == [f"many {GATEWAY}"]
        await world.tick(AT + 25_000)
        assert await opens(world) == []
        await world.tick(AT + 40_000)
        assert await few_left(world) == []


@pytest.mark.rule("HM-145")
async def test_many_by_another_policy_are_looked_at_when_they_are_few_again(environment: dict[str, str]) -> None:
    """Four are down, and few, for one second and a half; then four are many."""
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await world.feed(*recovers("device/d1", AT + 20_000))
        await world.put(BRISK.model_copy(update={"rollup_threshold": 4}))
        await world.in_force(4, at=AT + 21_500)
        await world.tick(AT + 40_000)
        assert await few_left(world) == [(22_000, "called_off")]
        await world.feed(*recovers("device/d2", AT + 41_000, policy_version=4))
        await world.tick(AT + 43_000)
        assert await few_left(world) == [(22_000, "called_off"), (43_000, "resolved")]


@pytest.mark.rule("HM-143", "HM-145")
@pytest.mark.parametrize(
    ("fires_at", "resolution"), [(-1, "merged"), (0, "merged"), (1, "recovered")], ids=["before", "then", "after"]
)
async def test_the_integration_fires_just_when_few_have_lasted(
    environment: dict[str, str], fires_at: int, resolution: str
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await said(world)
        await world.feed(*recovers("device/d1", AT + 20_000))
        await world.feed(*fails(GATEWAY, AT + 22_000 + fires_at, condition=UNREACHABLE))
        await world.tick(AT + 23_000)
        ended = [line.split()[0] for line in await said(world) if line.split()[1] == f"{GATEWAY}:{MANY}"]
        assert ended == [resolution]


@pytest.mark.rule("HM-70", "HM-71")
@pytest.mark.parametrize(
    ("heard_at", "comes_back"), [(-1, False), (0, True), (1, True)], ids=["a moment before", "then", "a moment after"]
)
async def test_a_device_is_heard_just_when_its_early_resolve_is_over(
    environment: dict[str, str], heard_at: int, comes_back: bool
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*fails("device/d1", AT))
        await world.tick(AT + 500)
        await opened(world, "device_offline", "device/d1")
        more: dict[str, Any] = {"actor": ActorType.USER, "subject": "device/d1", "version": 2}
        await world.happen(EntryType.RESOLVED, state="resolved", at=AT + 5_000, **more)
        await said(world)
        await world.feed(heard("device/d1", AT + 7_000 + heard_at))
        await world.tick(AT + 8_000)
        assert await opens(world) == (["device/d1"] if comes_back else [])


@pytest.mark.rule("HM-146")
@pytest.mark.parametrize(
    ("fires_at", "by"), [(-1, 22_000), (0, 22_000), (1, 22_001)], ids=["a moment before", "then", "a moment after"]
)
async def test_a_device_fires_just_when_the_early_resolve_is_over(
    environment: dict[str, str], fires_at: int, by: int
) -> None:
    """It waits, or finds the ticket reopened; in either case it joins."""
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await resolved_by_somebody(world, AT + 20_000)
        await world.feed(*fails("device/d6", AT + 22_000 + fires_at))
        await world.tick(AT + 23_000)
        rows = await world.rows("SELECT at, outcome FROM outcome WHERE subject = 'device/d6'")
        assert [(row.at - AT, row.outcome) for row in rows] == [(by, "joined")]


@pytest.mark.rule("HM-146")
@pytest.mark.parametrize(
    ("well", "comes_back"), [(-1, False), (0, False), (1, True)], ids=["a moment before", "then", "a moment after"]
)
async def test_a_member_recovers_just_when_the_early_resolve_is_over(
    environment: dict[str, str], well: int, comes_back: bool
) -> None:
    """Five make many, and five are on the list."""
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await resolved_by_somebody(world, AT + 20_000)
        await said(world)
        await world.feed(*recovers("device/d1", AT + 22_000 + well))
        await world.tick(AT + 22_500)
        assert (f"many {GATEWAY}" in await opens(world)) is comes_back


@pytest.mark.rule("HM-141")
async def test_the_ticket_that_a_member_has_had_for_long_is_merged(environment: dict[str, str]) -> None:
    """It was heard again, and failed with the others before that was confirmed. One that just stays dead is not of
    them."""
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, *devices(9))
        for subject in ("device/d5", "device/d9"):
            await world.feed(*fails(subject, AT - 400_000))
        await world.feed(heard("device/d5", AT - 3_000))
        await world.feed(change("device/d5", "pending_resolve", "firing", at=AT - 2_500, since=AT - 2_500))
        await world.feed(*(pending(subject, AT - 2_000) for subject in devices(4)), fires("device/d1", AT))
        await world.tick(AT + 500)
        merged = [line for line in await said(world) if line.startswith("merged")]
        assert merged == [f"merged device/d5:device_offline -> {GATEWAY}:{MANY}"]


@pytest.mark.rule("HM-69", "HM-82", "HM-144")
@pytest.mark.parametrize("at_once", [False, True], ids=["resolving", "not decided yet"])
async def test_an_integration_that_is_removed_and_heard_again_has_not_recovered(
    environment: dict[str, str], at_once: bool
) -> None:
    """Its ticket ends with the removal, and nobody behind it has a fresh time for anything later."""
    async with CorrelatorWorld.open(environment) as world:
        await gateway_down(world)
        await world.feed(change(GATEWAY, "firing", None, at=AT + 3_000, condition=UNREACHABLE))
        if not at_once:
            await world.tick(AT + 3_100)
        await world.feed(change(GATEWAY, None, "healthy", at=AT + 3_200, condition=None))
        await world.tick(AT + 3_500)
        await world.feed(*fails("device/d1", AT + 6_000))
        await world.tick(AT + 60_000)
        assert await opens(world) == ["device/d1"]
        rows = await world.rows("SELECT cause, at FROM outcome WHERE subject = :gateway ORDER BY at", gateway=GATEWAY)
        assert [row.cause for row in rows] == ["firing", "forgotten"]


@pytest.mark.rule("HM-67", "HM-146")
async def test_devices_join_a_ticket_that_publishing_brings_back(environment: dict[str, str]) -> None:
    """They need not wait any more: whether the resolve was too early is not the question by then."""
    async with CorrelatorWorld.open(environment) as world:
        await gateway_down(world)
        by_somebody: dict[str, Any] = {"actor": ActorType.USER, "subject": GATEWAY, "condition": UNREACHABLE}
        await world.happen(EntryType.RESOLVED, state="resolved", at=AT + 2_000, version=2, **by_somebody)
        await world.put(BRISK.model_copy(update={"resolve_debounce_s": 9}), publish_existing=True)
        await world.feed(*fails("device/d1", AT + 2_500))
        await world.in_force(4, at=AT + 3_000)
        await world.tick(AT + 3_500)
        lines = [line for line in await said(world) if line != "comment"]
        assert set(lines) == {f"open {GATEWAY}", f"list {GATEWAY}:{UNREACHABLE}: +1 -0"}


@pytest.mark.rule("HM-307", "HM-146")
async def test_who_is_left_over_from_a_ticket_comes_before_who_has_waited_for_it(environment: dict[str, str]) -> None:
    """With the three that have waited they are many: nobody gets a ticket of its own that would be merged at once."""
    async with CorrelatorWorld.open(environment) as world:
        await gateway_down(world, *devices(2))
        await resolved_by_somebody(world, AT + 2_100, UNREACHABLE)
        late = ("device/d7", "device/d6", "device/d5")
        await world.feed(*(each for place, one in enumerate(late) for each in fails(one, AT + 2_500 + place)))
        await world.silence(Schedule(AT + 3_000, 86_400), GATEWAY)
        await said(world)
        await world.tick(AT + 4_100)
        opening, listing = await world.commands()
        assert (opening.verb, opening.body["subject"]["id"]) == ("open", "hue-1")
        assert [f"device/{one['id']}" for one in listing.body["add"]] == [*devices(2), *late]
