"""A partition read again from somewhere in its past, with a client of its own and outside any group."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from fettle_chassis.failures import TransientError
from fettle_chassis.kafka import build_consumer
from fettle_chassis.settings import ServiceSettings
from fettle_health_monitor.adapters.judge.bare_records import bare, offer_bare_records
from fettle_health_monitor.adapters.judge.heartbeat_log import Bounds
from fettle_health_monitor.domain.judge.shard import HeartbeatRecord, Place, place_of

_WITHIN_S = 15.0
_POLL_MS = 500


class PastLog:
    """One partition, open for reading. Every question raises `TransientError` when the broker does not answer in time
    or has no such records any more."""

    def __init__(self, consumer: Any, where: TopicPartition) -> None:
        self._consumer = consumer
        self._where = where

    async def bounds(self) -> Bounds:
        async with _in_time(self._where):
            start = await self._consumer.beginning_offsets([self._where])
            end = await self._consumer.end_offsets([self._where])
        return Bounds(start[self._where], end[self._where])

    async def first_at(self, instant: int) -> int:
        """The offset of the first record that the broker took at this instant (milliseconds) or later; the end of the
        log when there is none."""
        async with _in_time(self._where):
            found = (await self._consumer.offsets_for_times({self._where: max(instant, 0)}))[self._where]
        return (await self.bounds()).end if found is None else int(found.offset)

    async def place_at(self, offset: int) -> Place | None:
        """The record that stands at this offset, None when there is none (any more)."""
        start, end = await self.bounds()
        if not start <= offset < end:
            return None
        async with aclosing(self.records(offset, offset + 1)) as found:
            async for records in found:
                return place_of(records[0])
        return None

    async def records(self, start: int, end: int) -> AsyncGenerator[Sequence[HeartbeatRecord], None]:
        """The records from `start` up to, but without, `end`, some thousand at a time."""
        self._consumer.seek(self._where, start)
        position = start
        while position < end:
            async with _in_time(self._where):
                batch: Sequence[HeartbeatRecord] = ()
                while not batch and position < end:
                    batch = (await self._consumer.getmany(self._where, timeout_ms=_POLL_MS)).get(self._where, ())
                    position = await self._consumer.position(self._where)
            within = batch if not batch or batch[-1].offset < end else [one for one in batch if one.offset < end]
            if within:
                yield within


@asynccontextmanager
async def past_log(settings: ServiceSettings, topic: str, partition: int) -> AsyncIterator[PastLog]:
    """`topic` without the installation's prefix. Raises what is transient when the broker is away."""
    offer_bare_records()
    consumer: AIOKafkaConsumer = build_consumer(
        settings, client_id=f"past-{uuid4()}", auto_offset_reset="none", key_deserializer=bare
    )
    try:
        await consumer.start()
        where = TopicPartition(settings.topic(topic), partition)
        consumer.assign([where])
        log = PastLog(consumer, where)
        await log.bounds()  # a client that is stopped while it connects leaves the connection behind
        yield log
    finally:
        await consumer.stop()


@asynccontextmanager
async def _in_time(where: TopicPartition) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_WITHIN_S):
            yield
    except TimeoutError:
        raise TransientError(f"no answer about {where.topic}[{where.partition}]") from None
    except OffsetOutOfRangeError:
        raise TransientError(f"{where.topic}[{where.partition}] has lost records while they were read") from None
