"""A shard's past judged once more, from what is kept and what stands in the log."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import get_ident
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.structs import ConsumerRecord
from judge_bugs import READ, bury_what_was_cut_off, judging, leave_one_out, poisoned
from judge_world import World
from sqlalchemy import text

from fettle_chassis.database import Database, DatabasePart
from fettle_chassis.kafka import build_admin, build_consumer
from fettle_chassis.signing import Verifier
from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.partitions import partition_for
from fettle_contracts.topics import HEARTBEATS
from fettle_health_monitor.adapters.judge.bare_records import bare, offer_bare_records
from fettle_health_monitor.adapters.judge.control_records import SignedReader
from fettle_health_monitor.domain.judge.shard import Shard
from fettle_health_monitor.domain.judgements import Change, Judgement
from fettle_health_monitor.domain.why.subject_log import Extraction
from fettle_health_monitor.judge import replaying
from fettle_health_monitor.judge.replaying import AT_A_TIME, Busy, NotKept, Past, Replays, Start

KEY = "acme/device/x1"


@asynccontextmanager
async def replays(world: World) -> AsyncIterator[tuple[Replays, Database]]:
    settings = world.settings
    database = Database(settings.database_dsn("health"))
    part = DatabasePart(database, "fettle_health_monitor")
    await part.start()
    verifier, topic = Verifier(settings.signing_keys), settings.topic(HEARTBEATS)
    try:
        yield Replays(settings, database, lambda place: SignedReader(verifier, topic, place)), database
    finally:
        await part.stop()


async def replayed(past: Past) -> list[str]:
    start = await past.oldest_start(0)
    assert start is not None
    _, end = await past.log.bounds()
    told: list[float] = []
    _, said = await past.judged(start, end, of_device, told.append)
    assert told[-1] == 1.0
    return [str(change.to_state) for change in said if isinstance(change, Change)]


def of_device(judgement: Judgement) -> bool:
    return isinstance(judgement, Change) and judgement.subject == "device/x1"


@pytest.mark.rule("HM-172")
async def test_a_record_that_was_set_aside_is_left_out_as_the_judge_did(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with World(environment).open() as world:
        place = await leave_one_out(world, KEY, monkeypatch)
        bury_what_was_cut_off()

        async with replays(world) as (opened, database):
            async with opened.past(place) as past:
                assert await replayed(past) == world.states("device/x1") == ["healthy", "pending_open", "firing"]
            async with unit_of_work(database) as work:
                await work.connection.execute(text("DELETE FROM crash"))
            async with opened.past(place) as past:
                assert await replayed(past) == world.states("device/x1"), "the log alone says it too"
            with monkeypatch.context() as broken:
                broken.setattr(READ, poisoned())
                async with opened.past(place) as past:
                    assert await replayed(past) == world.states("device/x1"), "also where the bug still is"


@pytest.mark.rule("HM-172")
async def test_a_bug_that_nobody_has_set_aside_is_one_in_a_replay_too(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with World(environment).open() as world:
        place = partition_for(KEY.encode(), world.partitions[HEARTBEATS])
        async with world.judge():
            await world.until(judging)
            await world.send(KEY.encode(), b'{"name":"poison"}', place)
            await world.reaches("device/x1", "healthy")
        async with replays(world) as (opened, _), opened.past(place) as past:
            monkeypatch.setattr(READ, poisoned())
            with pytest.raises(ZeroDivisionError):
                await replayed(past)


@pytest.mark.rule("HM-172")
async def test_a_state_whose_record_is_gone_is_no_start(environment: dict[str, str]) -> None:
    async with World(environment).open() as world:
        place = partition_for(KEY.encode(), world.partitions[HEARTBEATS])
        async with world.judge():
            await world.until(judging)
            await world.beat(KEY)
            await world.reaches("device/x1", "pending_open")
        async with replays(world) as (opened, _):
            async with opened.past(place) as past:
                start = await past.newest_start(0)
                assert start is not None
                assert await past.newest_start(start.at) == start
                assert await past.oldest_start(start.at + 1) is None
            await delete_before(world, place, start.offset + 1)
            async with opened.past(place) as past:
                assert await past.newest_start(start.at) is None


@pytest.mark.rule("HM-173")
async def test_only_so_many_replay_at_a_time(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fettle_health_monitor.judge.replaying._WAITS_S", 0.1)
    async with World(environment).open() as world, replays(world) as (opened, _):
        with pytest.raises(NotKept, match="shard 0 has no checkpoint yet"):
            async with opened.past(0):
                pass
        async with world.judge():
            await world.until(judging)
        async with opened.past(0), opened.past(0):
            assert AT_A_TIME == 2
            with pytest.raises(Busy):
                async with opened.past(0):
                    pass


@pytest.mark.rule("HM-173")
async def test_what_takes_long_in_a_replay_leaves_the_event_loop_alone(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with World(environment).open() as world:
        place = partition_for(KEY.encode(), world.partitions[HEARTBEATS])
        async with world.judge():
            await world.until(judging)
            await world.beat(KEY)
            await world.reaches("device/x1", "pending_open")
        threads: dict[str, set[int]] = {}

        def watched(owner: Any, name: str) -> None:
            real, seen = getattr(owner, name), threads.setdefault(name, set())

            def call(*arguments: Any, **named: Any) -> Any:
                seen.add(get_ident())
                return real(*arguments, **named)

            monkeypatch.setattr(owner, name, call)

        watched(replaying, "unpacked")
        watched(Start, "shard")
        watched(Shard, "fold")
        watched(Extraction, "take")
        watched(replaying, "Extraction")
        async with replays(world) as (opened, _), opened.past(place) as past:
            assert await replayed(past) == world.states("device/x1")
            start = await past.oldest_start(0)
            assert start is not None
            await past.subject_log(start, KEY.encode(), start.at + 3_600_000)
        assert all(threads.values()), threads
        assert not {name for name, seen in threads.items() if get_ident() in seen}


async def delete_before(world: World, partition: int, offset: int) -> None:
    admin: Any = build_admin(world.settings)
    await admin.start()
    try:
        where = TopicPartition(world.settings.topic(HEARTBEATS), partition)
        await admin.delete_records({where: RecordsToDelete(before_offset=offset)})
    finally:
        await admin.close()


@pytest.mark.rule("HM-51")
async def test_what_a_consumer_that_asks_gets_from_the_broker_has_no_wrapper(environment: dict[str, str]) -> None:
    """Elsewhere the same method is called on records of the test's own making: here the client calls it, or not."""
    assert offer_bare_records()
    async with World(environment).open() as world:
        await world.beat(KEY)
        for asked in (bare, None):
            consumer = build_consumer(
                world.settings, client_id="seam", auto_offset_reset="earliest", key_deserializer=asked
            )
            await consumer.start()
            try:
                consumer.assign([TopicPartition(world.settings.topic(HEARTBEATS), partition_for(KEY.encode(), 2))])
                async with asyncio.timeout(60):
                    while not (found := await consumer.getmany(timeout_ms=500)):
                        pass
            finally:
                await consumer.stop()
            ((record,),) = found.values()
            assert record.key == KEY.encode()
            assert isinstance(record, ConsumerRecord) is (asked is None)
