"""Whether heartbeats are lost does not depend on how the shards' messages arrive."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
from correlator_facts import BRISK, T0, change, next_place
from correlator_world import CorrelatorWorld
from loss_facts import GONE, evidence, fall_silent, fires, fleet, heard, interval, says_offline, silent, states, story
from rollup_facts import devices, said
from sqlalchemy import text

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.domain.correlator.silences import Schedule
from fettle_health_monitor.domain.judgements import Change, InForce


@pytest_asyncio.fixture
async def world(environment: Mapping[str, str]) -> AsyncIterator[CorrelatorWorld]:
    async with CorrelatorWorld.open(environment) as world:
        yield world


def by(shard: int, *changes: Change) -> list[Change]:
    return [_by(shard, each) for each in changes]


def _by(shard: int, each: Change) -> Change:
    fields: dict[str, Any] = {name: getattr(each, name) for name in each.__struct_fields__}
    return type(each)(**fields | {"shard": shard})


@pytest.mark.rule("HM-150")
async def test_who_fires_waits_until_all_shards_have_told_who_is_silent(world: CorrelatorWorld) -> None:
    everybody = await fleet(world)
    ahead, behind = everybody[:4], everybody[4:]
    await world.tick(GONE - 3_000)
    await world.feed(*by(1, *(silent(each, GONE - 1_900) for each in ahead)))
    await world.feed(*by(1, *(fires(each, GONE + 100) for each in ahead)), world.clock(1, GONE + 1_000))
    assert await states(world) == {"pending_open": 4, "healthy": 8}
    await world.feed(*(silent(each, GONE - 2_000) for each in behind), *(fires(each, GONE) for each in behind))
    await world.tick(GONE + 1_000, 0)
    assert await states(world) == {"unknown": 12}
    assert await story(world, ahead[0], GONE - 1) == [(0, "pending_open", "unknown")]


@pytest.mark.rule("HM-150")
async def test_where_half_are_silent_who_fires_waits_for_those_of_the_last_moment(world: CorrelatorWorld) -> None:
    everybody = await fleet(world, 20)
    told, untold = everybody[:11], everybody[11:]
    await world.feed(*by(1, *(silent(each, GONE - 2_000) for each in told)))
    await world.tick(GONE - 1_000)
    await world.feed(*by(1, fires(told[0], GONE)), world.clock(1, GONE + 1_000))
    assert await states(world) == {"pending_open": 11, "healthy": 9}
    await world.feed(*(silent(each, GONE - 500) for each in untold))
    await world.tick(GONE + 1_000, 0)
    assert await states(world) == {"unknown": 20}


@pytest.mark.rule("HM-150")
async def test_what_comes_behind_somebody_who_must_have_fired_waits(world: CorrelatorWorld) -> None:
    everybody = await fleet(world)
    last = everybody[11]
    await world.feed(*(silent(each, GONE - 2_000) for each in everybody))
    await world.tick(GONE - 1_000)
    await world.feed(*by(1, heard(last, GONE + 100, "pending_open")), world.clock(1, GONE + 1_000))
    await world.feed(*(fires(each, GONE) for each in everybody[:11]))
    await world.tick(GONE + 1_000, 0)
    assert await story(world, last, GONE - 1) == [(0, "pending_open", "unknown"), (100, "unknown", "healthy")]


@pytest.mark.rule("HM-150")
async def test_who_is_first_heard_in_the_same_batch_is_counted_with_its_own_timeout(world: CorrelatorWorld) -> None:
    slow = {"match": {"subject": "device/d12"}, "timeout_s": 301}
    policy = BRISK.model_validate(BRISK.to_dict() | {"overrides": [slow]})
    await world.put(policy)
    await world.in_force(4)
    everybody = devices(12)
    began = GONE - 400_000
    await world.feed(
        *(world.profile(each, integration=f"hue-{number % 2}") for number, each in enumerate(everybody)),
        *(
            change(each, None, "healthy", at=began, condition=None, evidence=evidence(began, deadline=None))
            for each in everybody
        ),
        *(silent(each, GONE - 2_000) for each in everybody[:11]),
        *(fires(each, GONE) for each in everybody[:11]),
        *(world.clock(shard, GONE + 1_000) for shard in range(2)),
    )
    assert (await interval(world)).counted == 11
    assert (await states(world)) == {"unknown": 11, "healthy": 1}


@pytest.mark.rule("HM-160")
async def test_who_is_heard_behind_its_change_in_a_batch_is_not_silent(world: CorrelatorWorld) -> None:
    well = change("device/d1", None, "healthy", at=T0)
    await world.feed(
        world.profile("device/d1"), well, silent("device/d1", T0 + 100), says_offline("device/d1", T0 + 200)
    )
    (row,) = await world.rows("SELECT evidence FROM subject")
    assert (row.evidence["deadline"], row.evidence["status"]) == (None, "offline")
    await world.feed(heard("device/d1", T0 + 300, "pending_open"), silent("device/d1", T0 + 5_000))
    await world.feed(says_offline("device/d1", T0 + 5_100), heard("device/d1", T0 + 5_200, "pending_open"))
    (row,) = await world.rows("SELECT evidence FROM subject")
    assert row.evidence["status"] == "ok"


@pytest.mark.rule("HM-127")
async def test_a_silence_ends_after_what_happened_before_its_end(world: CorrelatorWorld) -> None:
    """Its subject has fired by then, which waits for a slower shard."""
    first, *_ = await fleet(world)
    await world.silence(Schedule(GONE - 99_500, 100), first)
    await world.feed(*by(1, silent(first, GONE - 2_000)))
    await world.tick(GONE - 1_000)
    await world.feed(*by(1, fires(first, GONE)), world.clock(1, GONE + 1_000))
    await world.tick(GONE + 2_000)
    assert await said(world) == [f"open {first}", "comment"]


@pytest.mark.rule("HM-71")
async def test_a_ticket_resolved_early_looks_at_what_happened_before(world: CorrelatorWorld) -> None:
    """Its subject was heard by then, which waits for a slower shard because somebody else fires."""
    first, second, *_ = await fleet(world)
    await world.feed(*by(1, silent(first, GONE - 12_000), fires(first, GONE - 10_000)), silent(second, GONE - 2_000))
    await world.tick(GONE - 1_000)
    (opened,) = await world.commands()
    await world.answer(opened)
    await world.happen(
        EntryType.RESOLVED, state="resolved", actor=ActorType.USER, at=GONE - 1_500, version=2, subject=first
    )
    await world.clear()
    await world.feed(*by(1, heard(first, GONE + 500)), fires(second, GONE), world.clock(1, GONE + 1_500))
    await world.tick(GONE + 5_000)
    assert f"open {first}" not in await said(world)


@pytest.mark.rule("HM-151")
async def test_a_silence_that_will_recur_holds_only_while_it_does(world: CorrelatorWorld) -> None:
    everybody = await fleet(world, 15)
    await world.tick(GONE - 3_000)
    for each in everybody[10:]:
        await world.silence(Schedule(GONE - 500_000, 400, "FREQ=DAILY;COUNT=3", "UTC"), each)
    await fall_silent(world, everybody[:10])
    assert await states(world) == {"firing": 10, "healthy": 5}


@pytest.mark.rule("HM-151")
async def test_silences_count_as_they_hold_when_it_is_decided(world: CorrelatorWorld) -> None:
    """Those of three of twelve end after the first two have fired, all in one batch."""
    everybody = await fleet(world)
    for each in everybody[:3]:
        await world.silence(Schedule(GONE - 97_998, 98), each)
    await world.feed(*(silent(each, GONE - 2_000 + number) for number, each in enumerate(everybody)))
    await world.feed(
        *(fires(each, GONE + number) for number, each in enumerate(everybody)),
        *(world.clock(shard, GONE + 1_000) for shard in range(2)),
    )
    assert ((await interval(world)).begun_at, (await interval(world)).counted) == (GONE + 2, 12)
    assert await states(world) == {"firing": 2, "unknown": 10}


@pytest.mark.rule("HM-130", "HM-150")
async def test_where_silences_cannot_be_read_everybody_counts(world: CorrelatorWorld) -> None:
    everybody = await fleet(world, 15)
    for each in everybody[10:]:
        await world.silence(Schedule(GONE - 500_000, 86_400), each)
    async with unit_of_work(world.database) as work:
        await work.connection.execute(text("ALTER TABLE silence RENAME TO unread"))
    await fall_silent(world, everybody[:12])
    assert (await interval(world)).counted == 15


@pytest.mark.rule("HM-157", "HM-228")
@pytest.mark.parametrize(
    ("resolve_debounce_s", "put_at", "ends", "by"),
    [(31, 30_000, True, 5), (5, 30_000, True, 5), (60, 30_000, False, 5), (60, 45_000, True, 4)],
)
async def test_another_policy_says_how_long_few_are_unknown_before_heartbeats_are_lost_again_in_the_same_batch(
    world: CorrelatorWorld, resolve_debounce_s: int, put_at: int, ends: bool, by: int
) -> None:
    everybody = await fleet(world)
    await world.put(BRISK.model_copy(update={"resolve_debounce_s": 30}))
    await world.in_force(4, at=GONE - 500_000)
    await fall_silent(world, everybody)
    await world.feed(heard(everybody[0], GONE + 6_999), heard(everybody[1], GONE + 7_000))
    await world.tick(GONE + 7_500)
    await world.feed(*(heard(each, GONE + 7_600) for each in everybody[2:]))
    await world.feed(*(heard(each, GONE + 9_700, "pending_resolve") for each in everybody))
    await world.tick(GONE + 12_000)
    await said(world)
    await world.put(BRISK.model_copy(update={"resolve_debounce_s": resolve_debounce_s}))
    again = GONE + 50_000
    in_force: dict[str, Any] = {"generation": 1, "org": "acme", "version": 5, "enabled": True, "at": GONE + put_at}
    await world.feed(
        *(InForce(shard=shard, place=next_place(), **in_force) for shard in range(2)),
        *(silent(each, again - 2_000 + number) for number, each in enumerate(everybody)),
        *(fires(each, again + number) for number, each in enumerate(everybody)),
        *(world.clock(shard, again + 1_000) for shard in range(2)),
    )
    assert len(await world.rows("SELECT id FROM loss")) == 2
    resolves = [each for each in await world.commands() if each.verb == "resolve"]
    assert [each.body["evidence"]["partition"] for each in resolves] == ([0] if ends else [])
    query = "SELECT policy_version FROM outcome WHERE cause = 'recovered' AND subject = 'other/heartbeats'"
    assert [row.policy_version for row in await world.rows(query)] == ([by] if ends else [])
