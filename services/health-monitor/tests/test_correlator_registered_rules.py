"""Times that run for a subject when the registry says something else of it, by which other rules count. On a real
database."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
from correlator_facts import BRISK, T0
from correlator_world import SHARDS, CorrelatorWorld
from loss_facts import GONE, fall_silent, fleet, heard, story
from rollup_facts import (
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
from test_correlator_fresh_times import BACK, another, judged_afresh, recovered, resumed, unlucky

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.health_policy import HealthPolicy
from fettle_contracts.identity import SubjectRef
from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.adapters.correlator import control_log, watches
from fettle_health_monitor.domain.correlator.clocks import ShardClock
from fettle_health_monitor.domain.correlator.registration import Registration

ELSEWHERE = Registration(integration="hue-3")
TIMEOUT, DEBOUNCE, BRISKER = {"timeout_s": 9}, {"open_debounce_s": 9}, {"timeout_s": 1, "open_debounce_s": 1}


@pytest_asyncio.fixture
async def world(environment: Mapping[str, str]) -> AsyncIterator[CorrelatorWorld]:
    async with CorrelatorWorld.open(environment) as world:
        yield world


async def rules(world: CorrelatorWorld, match: Mapping[str, str], fields: Mapping[str, Any]) -> HealthPolicy:
    """An override that has been in force for long. Without it timeouts are 3 s and open debounces 2 s."""
    policy = HealthPolicy.model_validate(BRISK.to_dict() | {"overrides": [{"match": match, **fields}]})
    decided = await world.put(policy)
    await world.in_force(decided.version.version)
    return policy


async def enter(world: CorrelatorWorld, entry: Registration, at: int, subject: str = "device/d1") -> None:
    await world.tick(at)
    await enter_now(world, entry, subject)


async def enter_now(world: CorrelatorWorld, entry: Registration, subject: str = "device/d1") -> None:
    async with unit_of_work(world.database) as work:
        await world.registry.enter(work, "acme", {SubjectRef.parse(subject): entry}, by="ann@acme.test")


@pytest.mark.rule("HM-303")
@pytest.mark.parametrize(
    ("match", "fields", "entry", "entered", "opens"),
    [
        ({"integration": "hue-3"}, DEBOUNCE, ELSEWHERE, 1_200, 12_000),
        ({"integration": "hue-3"}, BRISKER, ELSEWHERE, 1_000, 2_000),
        ({"integration": "hue-3"}, BRISKER, ELSEWHERE, 4_000, 4_000),
        ({"integration": "hue-1"}, DEBOUNCE, ELSEWHERE, 1_200, 5_000),
        ({"model": "tower"}, TIMEOUT, Registration(model="tower"), 1_200, 11_000),
        ({"model": "tower"}, TIMEOUT, Registration(name="Front door"), 1_200, 5_000),
    ],
    ids=["longer", "shorter", "overdue", "away from the longer", "another model", "another name"],
)
async def test_who_is_judged_afresh_is_so_by_the_rules_of_where_it_is_by_now(
    world: CorrelatorWorld,
    match: Mapping[str, str],
    fields: Mapping[str, Any],
    entry: Registration,
    entered: int,
    opens: int,
) -> None:
    await rules(world, match, fields)
    at = await recovered(world)
    await enter(world, entry, at + entered)
    await world.tick(at + 60_000)
    assert await judged_afresh(world, at) == [opens]


@pytest.mark.rule("HM-303")
@pytest.mark.parametrize(
    ("fields", "come", "opens"),
    [
        (DEBOUNCE, (1_200, 3_000), (12_000, 12_000)),
        (BRISKER, (1_000, 1_500), (2_000, 2_000)),
        (BRISKER, (2_500, 4_000), (2_500, 4_000)),
        (BRISKER, (4_000, 1_000), (4_000, 2_000)),
        (DEBOUNCE, (1_200, 5_500), (12_000, 5_000)),
    ],
    ids=["longer", "shorter", "overdue", "overdue on one", "run out on one"],
)
async def test_each_of_several_that_are_entered_is_so_from_how_far_its_own_shard_has_come(
    world: CorrelatorWorld, fields: Mapping[str, Any], come: tuple[int, int], opens: tuple[int, int]
) -> None:
    """Two of each shard are judged afresh; one of each is entered, both at once."""
    at = T0 + 30_000
    await rules(world, {"integration": "hue-3"}, fields)
    shards = {"device/d1": 0, "device/d2": 1, "device/d3": 0, "device/d4": 1}
    await behind(world, *shards)
    await world.feed(*fails("integration/hue-1", at - 20_000, condition=UNREACHABLE))
    for subject, shard in shards.items():
        await world.feed(*fails(subject, at - 17_000, shard=shard))
    await world.feed(*recovers("integration/hue-1", at, condition=UNREACHABLE))
    await world.tick(at + 500)
    for shard, has_come in enumerate(come):
        await world.tick(at + has_come, shard)
    async with unit_of_work(world.database) as work:
        entered = {SubjectRef.parse(subject): ELSEWHERE for subject in ("device/d1", "device/d2")}
        await world.registry.enter(work, "acme", entered, by="ann@acme.test")
    await world.tick(at + 60_000)
    rows = await world.rows("SELECT subject, at FROM outcome WHERE cause = 'judged_afresh' AND outcome = 'opened'")
    expected = dict(zip(shards, (*opens, 5_000, 5_000), strict=True))
    assert {row.subject: row.at - at for row in rows} == expected


@pytest.mark.rule("HM-303")
async def test_an_interval_that_is_entered_counts_for_who_is_judged_afresh(world: CorrelatorWorld) -> None:
    """Three of its intervals and at least 30 s."""
    await another(world, T0 - 1, timeout_s=None)
    at = await recovered(world)
    await enter(world, Registration(interval_s=10), at + 1_200)
    await world.tick(at + 190_000)
    assert await judged_afresh(world, at) == [32_000]


@pytest.mark.rule("HM-303", "HM-229")
async def test_who_is_entered_while_the_org_is_off_is_judged_afresh_by_that_later(world: CorrelatorWorld) -> None:
    policy = await rules(world, {"integration": "hue-3"}, DEBOUNCE)
    at = await recovered(world)
    await another(world, at + 1_000, enabled=False, overrides=policy.overrides)
    await enter(world, ELSEWHERE, at + 30_000)
    await world.tick(at + 60_000)
    assert await judged_afresh(world, at) == []
    await another(world, at + 61_000, overrides=policy.overrides)
    await world.tick(at + 120_000)
    assert await judged_afresh(world, at) == [73_000]


@pytest.mark.rule("HM-304")
async def test_a_verdict_that_waits_is_decided_behind_where_its_device_is_by_then(world: CorrelatorWorld) -> None:
    """It fires while it is judged afresh behind hue-1, and hue-3 has a ticket of its own."""
    at = T0 + 30_000
    await behind(world, "device/d1")
    await world.feed(*fails("integration/hue-1", at - 20_000, condition=UNREACHABLE), pending("device/d1", at - 1_000))
    await world.feed(*recovers("integration/hue-1", at, condition=UNREACHABLE))
    await world.feed(*fails("integration/hue-3", at + 500, condition=UNREACHABLE), fires("device/d1", at + 1_000))
    await enter(world, ELSEWHERE.model_copy(update={"name": "Front door"}), at + 2_000)
    await said(world)
    await world.tick(at + 60_000)
    (listing,) = [command.body for command in await world.commands() if command.verb == "update-checklist"]
    assert (listing["ticket"]["dedup_key"], [one["name"] for one in listing["add"]]) == (
        f"integration/hue-3:{UNREACHABLE}",
        ["Front door"],
    )


@pytest.mark.rule("HM-304")
@pytest.mark.parametrize(("threshold", "tickets"), [(3, ["many integration/hue-1"]), (4, devices(3))])
async def test_so_it_is_by_the_policy_of_then(world: CorrelatorWorld, threshold: int, tickets: list[str]) -> None:
    at = T0 + 30_000
    await behind(world, *devices(3))
    await world.feed(*fails("integration/hue-1", at - 20_000, condition=UNREACHABLE))
    await world.feed(*(pending(one, at - 1_000) for one in devices(3)))
    await world.feed(*recovers("integration/hue-1", at, condition=UNREACHABLE))
    await world.feed(*(fires(one, at + 1_000) for one in devices(3)))
    await another(world, at + 2_000, rollup_threshold=threshold)
    await said(world)
    await world.tick(at + 60_000)
    opening = [line.removeprefix("open ") for line in await said(world) if line.startswith("open")]
    assert [line.split(" after ")[0] for line in opening] == ["integration/hue-1", *tickets]


@pytest.mark.rule("HM-304", "HM-146")
@pytest.mark.parametrize("moves", [False, True], ids=["stays", "moves"])
async def test_so_is_one_that_waits_until_it_is_known_what_becomes_of_a_resolved_ticket(
    world: CorrelatorWorld, moves: bool
) -> None:
    """That about many devices behind hue-1 is asked for again, and takes in who is behind hue-1 by then."""
    at = T0 + 10_000
    await together(world, at)
    await opened(world)
    await resolved_by_somebody(world, at + 20_000)
    await world.feed(*fails("device/d6", at + 21_000))
    await said(world)
    entry = ELSEWHERE if moves else Registration(integration="hue-1")
    await enter(world, entry.model_copy(update={"name": "Front door"}), at + 21_500, "device/d6")
    await world.tick(at + 22_000)
    again, *others = await world.commands()
    assert (again.verb, again.body["subject"]["id"]) == ("open", "hue-1")
    (its,) = [each for each in others if each.verb == "open" or len(each.body["add"]) == 1]
    if moves:
        assert (its.verb, its.body["subject"]) == ("open", {"type": "device", "id": "d6", "name": "Front door"})
    else:
        assert (its.verb, [one["name"] for one in its.body["add"]]) == ("update-checklist", ["Front door"])


@pytest.mark.rule("HM-303", "HM-70")
@pytest.mark.parametrize(("fields", "reopens"), [(DEBOUNCE, 9_000), (BRISKER, 1_200)], ids=["longer", "overdue"])
async def test_a_ticket_resolved_early_is_asked_for_again_by_the_rules_of_where_its_device_is(
    world: CorrelatorWorld, fields: Mapping[str, Any], reopens: int
) -> None:
    at = T0 + 30_000
    await rules(world, {"integration": "hue-3"}, fields)
    await behind(world, "device/d1")
    await world.feed(*fails("device/d1", at - 10_000))
    await world.tick(at)
    one: dict[str, Any] = {"subject": "device/d1", "version": 1}
    await world.happen(EntryType.OPENED, **one)
    gone = one | {"version": 2, "state": "resolved", "actor": ActorType.USER, "at": at}
    await world.happen(EntryType.RESOLVED, **gone)
    await enter(world, ELSEWHERE, at + 1_200)
    await world.tick(at + 60_000)
    rows = await world.rows("SELECT at FROM outcome WHERE cause = 'still_unhealthy'")
    assert [row.at - at for row in rows] == [reopens]


@pytest.mark.rule("HM-303")
@pytest.mark.parametrize(
    ("fields", "entered", "pending", "fires"),
    [
        (TIMEOUT, 1_200, 9_000, 11_000),
        (TIMEOUT, 4_000, 3_000, 5_000),
        (DEBOUNCE, 1_200, 3_000, 12_000),
        (DEBOUNCE, 4_000, 3_000, 12_000),
        (BRISKER, 1_200, 1_200, 2_200),
        (BRISKER, 4_500, 3_000, 4_500),
    ],
    ids=["timeout", "it has passed", "debounce", "it runs", "overdue timeout", "overdue debounce"],
)
async def test_so_is_who_was_not_heard_when_lost_heartbeats_came_back(
    world: CorrelatorWorld, fields: Mapping[str, Any], entered: int, pending: int, fires: int
) -> None:
    await rules(world, {"integration": "hue-3"}, fields)
    subject = await resumed(world)
    await enter(world, ELSEWHERE, BACK + entered, subject)
    expected = [(pending, "unknown", "pending_open"), (fires, "pending_open", "firing")]
    assert await unlucky(world, BACK + 60_000, subject) == expected


@pytest.mark.rule("HM-303")
@pytest.mark.parametrize(
    ("fields", "come", "pending"),
    [
        (TIMEOUT, (1_200, 2_000), (9_000, 9_000)),
        (BRISKER, (1_200, 2_000), (1_200, 2_000)),
        (BRISKER, (2_000, 500), (2_000, 1_000)),
        (TIMEOUT, (1_200, 4_000), (9_000, 3_000)),
    ],
    ids=["longer", "overdue", "overdue on one", "passed on one"],
)
async def test_so_is_each_of_several_that_were_not_heard_by_its_own_shard(
    world: CorrelatorWorld, fields: Mapping[str, Any], come: tuple[int, int], pending: tuple[int, int]
) -> None:
    await rules(world, {"integration": "hue-3"}, fields)
    everybody = await fleet(world, shards=SHARDS)
    await fall_silent(world, everybody, shards=SHARDS)
    for number, each in enumerate(everybody[:10]):
        await world.feed(heard(each, BACK - 1 + number, shard=number % SHARDS))
    for shard, has_come in enumerate(come):
        await world.tick(BACK + 500, shard)
        await world.tick(BACK + has_come, shard)
    async with unit_of_work(world.database) as work:
        entered = {SubjectRef.parse(subject): ELSEWHERE for subject in everybody[10:]}
        await world.registry.enter(work, "acme", entered, by="ann@acme.test")
    await world.tick(BACK + 60_000)
    shown = [(await story(world, subject, BACK))[0] for subject in everybody[10:]]
    assert shown == [(BACK - GONE + at, "unknown", "pending_open") for at in pending]


@pytest.mark.rule("HM-303")
async def test_a_log_that_begins_anew_beside_an_entry_keeps_what_runs_on_its_clock(world: CorrelatorWorld) -> None:
    """The entry waits for it, and holds meanwhile nothing that the batch needs later: it is not deadlocked."""
    await rules(world, {"integration": "hue-3"}, DEBOUNCE)
    at = await recovered(world)
    query = "SELECT partition, shard, generation, start_clock, due_clock - start_clock AS lasting FROM watch"
    [before] = await world.rows(query)
    async with unit_of_work(world.database) as batch:
        clock = ShardClock(before.shard, before.generation + 1, at + 5_000, 100)
        await watches.begin_anew(batch.connection, [(before.partition, clock)], [])
        entering = asyncio.create_task(enter_now(world, ELSEWHERE))
        await world.somebody_waits_for_a_lock()
        async with asyncio.timeout(10):
            await control_log.next_number(batch.connection)
    await entering
    [after] = await world.rows(query)
    assert (before.lasting, after.lasting) == (5_000, 12_000)
    assert (after.generation, after.start_clock) == (before.generation + 1, 100)
