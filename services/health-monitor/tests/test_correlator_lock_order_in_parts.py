"""A batch that holds the beginnings of several logs is taken in by parts, and takes its locks in the same order as any
other. On a real database."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import pytest
import pytest_asyncio
from correlator_facts import T0, change, next_place
from correlator_world import SHARDS, CorrelatorWorld
from test_correlator_controls import hello

from fettle_chassis.unit_of_work import unit_of_work
from fettle_health_monitor.adapters.correlator import control_log, policies, progress
from fettle_health_monitor.domain.control import Announced
from fettle_health_monitor.domain.judgements import Change, Hello, Unobserved


@pytest_asyncio.fixture
async def world(environment: Mapping[str, str]) -> AsyncIterator[CorrelatorWorld]:
    async with CorrelatorWorld.open(environment) as world:
        yield world


def begins(shard: int) -> Hello:
    return hello(shard, f"n{shard}", generation=2)


def fails(shard: int, org: str) -> Change:
    return change("device/d1", None, "pending_open", at=T0 + 1_000, org=org, shard=shard, generation=2)


async def greeted(world: CorrelatorWorld) -> list[int]:
    return sorted(shard for shard, _, said in await world.controls_written() if isinstance(said, Announced))


@pytest.mark.rule("HM-316", "HM-341", "HM-77")
async def test_hellos_of_several_logs_wait_for_a_policy_and_it_not_for_them(world: CorrelatorWorld) -> None:
    async with unit_of_work(world.database) as putting:
        await policies.lock_orgs(putting.connection, {"acme"})
        batch = asyncio.create_task(world.feed(begins(0), begins(1), fails(1, "acme")))
        await world.somebody_waits_for_a_lock()
        async with asyncio.timeout(10):
            await control_log.next_number(putting.connection)
    await batch
    assert await greeted(world) == [0, 1]


@pytest.mark.rule("HM-316", "HM-341", "HM-77")
async def test_hellos_that_come_in_another_order_by_another_partition_are_answered_in_one(
    world: CorrelatorWorld,
) -> None:
    await world.feed(*(world.clock(shard, T0) for shard in range(SHARDS)), partition=1)
    first, second = begins(0), begins(1)
    async with unit_of_work(world.database) as other:
        await control_log.next_number(other.connection)
        batches = [asyncio.create_task(world.feed(second, first, partition=0))]
        await world.somebody_waits_for_a_lock()
        batches.append(asyncio.create_task(world.feed(first, second, partition=1)))
        await world.somebody_waits_for_a_lock(2)
    async with asyncio.timeout(10):
        await asyncio.gather(*batches)
    assert await greeted(world) == [0, 1]


@pytest.mark.rule("HM-316", "HM-341")
async def test_the_orgs_of_all_parts_are_taken_in_one_order(world: CorrelatorWorld) -> None:
    await world.tell("zoo")
    async with unit_of_work(world.database) as other:
        await policies.lock_orgs(other.connection, {"acme"})
        batch = asyncio.create_task(world.feed(begins(0), fails(0, "zoo"), begins(1), fails(1, "acme")))
        await world.somebody_waits_for_a_lock()
        async with asyncio.timeout(10):
            await policies.lock_orgs(other.connection, {"zoo"})
    await batch
    found = await world.rows("SELECT org, state FROM subject ORDER BY org")
    assert [tuple(row) for row in found] == [("acme", "pending_open"), ("zoo", "pending_open")]


@pytest.mark.rule("HM-316", "HM-341", "HM-61")
async def test_what_the_parts_put_on_record_of_the_shards_waits_for_another_batch_and_that_not_for_it(
    world: CorrelatorWorld,
) -> None:
    """The other one tells that shard 0 moves again, and then of the hole in the log of shard 1."""
    await world.feed(world.clock(1, T0 + 70_000))
    async with world.database.reading() as connection:
        stood = await progress.lock(connection, {0})
    assert stood[0, 0].stalled
    moves = world.clock(0, T0 + 75_000, generation=2, clock=0)
    moved = replace(progress.advance(stood[0, 0], 0, 0, (2, *moves.place), moves), stalled=False)
    hole = Unobserved(shard=1, generation=2, place=next_place(), from_at=T0 + 70_000, to_at=T0 + 80_000)
    async with unit_of_work(world.database) as other:
        await progress.record_stalls(other.connection, stood, {(0, 0): moved})
        batch = asyncio.create_task(world.feed(hole, moves))
        await world.somebody_waits_for_a_lock()
        async with asyncio.timeout(10):
            await progress.record_unobserved(other.connection, [hole])
    await batch
    found = await world.rows("SELECT shard, kind, to_at FROM shard_gap ORDER BY shard")
    assert [tuple(row) for row in found] == [(0, "stalled", T0 + 75_000), (1, "unobserved", T0 + 80_000)]
