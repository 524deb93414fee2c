"""Transactions that come beside one another take their locks in one order: none waits for one that waits for it. On a
real database."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import pytest
import pytest_asyncio
from correlator_facts import T0, next_place
from correlator_world import CorrelatorWorld
from sqlalchemy import text
from test_correlator_fresh_times import recovered
from test_correlator_registry import remove

from fettle_chassis.told_orgs import ToldOrg
from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work
from fettle_contracts.identity import SubjectRef
from fettle_contracts.orgs import Org
from fettle_health_monitor.adapters.correlator import control_log, policies, progress, watches
from fettle_health_monitor.adapters.correlator.progress import Progress
from fettle_health_monitor.domain.correlator.clocks import ShardClock
from fettle_health_monitor.domain.correlator.registration import Registration
from fettle_health_monitor.domain.judgements import Judgement, Unwatched


@pytest_asyncio.fixture
async def world(environment: Mapping[str, str]) -> AsyncIterator[CorrelatorWorld]:
    async with CorrelatorWorld.open(environment) as world:
        yield world


async def told(world: CorrelatorWorld, *names: str, deleted: bool = False) -> None:
    """These orgs in one batch, each with a new name."""
    world.later(1)
    batch = [ToldOrg(Org(org=org, name="New", created_at=world.wall, deleted=deleted), world.wall) for org in names]
    async with unit_of_work(world.database) as work:
        await world.orgs.handle(work, batch)


@pytest.mark.rule("HM-316")
@pytest.mark.parametrize("deleted", [False, True], ids=["renamed", "deleted"])
async def test_orgs_that_are_told_wait_for_a_policy_and_it_not_for_them(world: CorrelatorWorld, deleted: bool) -> None:
    async with unit_of_work(world.database) as putting:
        await policies.lock_orgs(putting.connection, {"acme"})
        telling = asyncio.create_task(told(world, "zoo", "aardvark", "acme", deleted=deleted))
        await world.somebody_waits_for_a_lock()
        async with asyncio.timeout(10):
            await control_log.next_number(putting.connection)
    await telling
    found = await world.rows("SELECT org, name, deleted FROM org ORDER BY org")
    assert [tuple(row) for row in found] == [(org, "New", deleted) for org in ("aardvark", "acme", "zoo")]
    found = await world.rows("SELECT org, max(version) AS newest FROM policy_version GROUP BY org ORDER BY org")
    assert [tuple(row) for row in found] == [("aardvark", 1), ("acme", 4 if deleted else 3), ("zoo", 1)]


@pytest.mark.rule("HM-316")
async def test_orgs_that_are_told_together_are_taken_in_one_order(world: CorrelatorWorld) -> None:
    await told(world, "zoo")
    async with unit_of_work(world.database) as batch:
        await policies.lock_orgs(batch.connection, {"acme"})
        telling = asyncio.create_task(told(world, "zoo", "acme"))
        await world.somebody_waits_for_a_lock()
        async with asyncio.timeout(10):
            await policies.lock_orgs(batch.connection, {"zoo"})
    await telling


@pytest.mark.rule("HM-316", "HM-69")
async def test_a_removal_waits_for_a_log_that_begins_anew_and_it_not_for_the_removal(world: CorrelatorWorld) -> None:
    """The shard does not know the subject, so its watch ends with the removal."""
    at = await recovered(world)
    query = "SELECT partition, shard, generation FROM watch WHERE subject = 'device/d1'"
    [watch] = await world.rows(query)
    await world.feed(world.clock(watch.shard, at + 1_000, generation=2, clock=5))
    async with unit_of_work(world.database) as batch:
        await watches.begin_anew(batch.connection, [(watch.partition, ShardClock(watch.shard, 3, at + 5_000, 100))], [])
        removing = asyncio.create_task(remove(world, "device/d1"))
        await world.somebody_waits_for_a_lock()
        async with asyncio.timeout(10):
            await control_log.next_number(batch.connection)
    await removing
    assert await world.rows(query) == []


@pytest.mark.rule("HM-316", "HM-78")
@pytest.mark.parametrize("listed", [False, True], ids=["named", "not watched"])
async def test_a_batch_about_subjects_waits_for_entries_of_them_and_they_not_for_it(
    world: CorrelatorWorld, listed: bool
) -> None:
    """Each is about two subjects, in the other order."""

    def said(subject: str) -> Judgement:
        if not listed:
            return world.profile(subject, model="T100")
        place = next_place()
        return Unwatched(shard=0, generation=1, place=place, org="acme", subject=subject, reason="list_only", at=T0 + 1)

    async def enter(work: UnitOfWork, subject: str) -> None:
        entries = {SubjectRef.parse(subject): Registration(name="T")}
        assert await world.registry.enter(work, "acme", entries, by="ann@acme.test") is not None

    async with unit_of_work(world.database) as entering:
        await enter(entering, "device/b")
        batch = asyncio.create_task(world.feed(said("device/a"), said("device/b")))
        await world.somebody_waits_for_a_lock()
        async with asyncio.timeout(10):
            await enter(entering, "device/a")
    await batch
    found = await world.rows("SELECT subject, registered, heard_model, unwatched FROM subject ORDER BY subject")
    heard = (None, "list_only") if listed else ("T100", None)
    assert [tuple(row) for row in found] == [(subject, True, *heard) for subject in ("device/a", "device/b")]


@pytest.mark.rule("HM-316", "HM-61")
async def test_shards_that_move_again_are_taken_in_one_order(world: CorrelatorWorld) -> None:
    """Each partition of `health.judgements` tells of it."""
    async with unit_of_work(world.database) as work:
        stall = text("INSERT INTO shard_gap VALUES (:shard, 'stalled', :since, NULL)")
        await work.connection.execute(stall, [{"shard": shard, "since": T0} for shard in (1, 0)])
    moved = {(0, shard): Progress(0, shard, (1, 1, 0), ShardClock(shard, 1, T0 + 90_000, 90_000)) for shard in (1, 0)}
    stood = {seen: replace(each, stalled=True) for seen, each in moved.items()}

    async def move() -> None:
        async with unit_of_work(world.database) as work:
            await progress.record_stalls(work.connection, stood, moved)

    lock = text("SELECT FROM shard_gap WHERE shard = :shard FOR UPDATE")
    async with unit_of_work(world.database) as other:
        await other.connection.execute(lock, {"shard": 0})
        moving = asyncio.create_task(move())
        await world.somebody_waits_for_a_lock()
        async with asyncio.timeout(10):
            await other.connection.execute(lock, {"shard": 1})
    await moving
    found = await world.rows("SELECT shard, to_at FROM shard_gap ORDER BY shard")
    assert [tuple(row) for row in found] == [(0, T0 + 90_000), (1, T0 + 90_000)]
