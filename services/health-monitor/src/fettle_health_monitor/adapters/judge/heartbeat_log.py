"""One partition of `device.heartbeats` looked at from outside: where it begins and ends, and what stands at a place."""

import asyncio
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from fettle_chassis.failures import TransientError
from fettle_chassis.kafka import build_consumer
from fettle_chassis.patience import patiently
from fettle_chassis.service import Part
from fettle_chassis.settings import ServiceSettings
from fettle_health_monitor.domain.judge.shard import Place, place_of

_WITHIN_S = 15.0


class Bounds(NamedTuple):
    """The first offset that is still there, and the one that the next record will get."""

    start: int
    end: int


class HeartbeatLog(Part):
    """Reads single records with a client of its own, outside the consumer group. One question at a time."""

    name = "heartbeat log"

    def __init__(self, settings: ServiceSettings, topic: str) -> None:
        self._settings = settings
        self._topic = settings.topic(topic)
        self._consumer: AIOKafkaConsumer | None = None
        self._asking = asyncio.Lock()

    async def start(self) -> None:
        await patiently(self._connect)

    async def stop(self) -> None:
        if self._consumer is not None:
            await self._consumer.stop()
            self._consumer = None

    async def bounds(self, partition: int) -> Bounds:
        """Raises `TransientError` when the broker does not answer in time."""
        async with self._asking:
            return await self._bounds(TopicPartition(self._topic, partition))

    async def place_at(self, partition: int, offset: int) -> Place | None:
        """The record at this offset, None when there is none (any more). Raises `TransientError`."""
        where = TopicPartition(self._topic, partition)
        async with self._asking:
            start, end = await self._bounds(where)
            if not start <= offset < end:
                return None
            consumer = self._client()
            consumer.assign([where])
            try:
                consumer.seek(where, offset)
                async with asyncio.timeout(_WITHIN_S):
                    record = await consumer.getone(where)
            except OffsetOutOfRangeError:
                return None  # the log was deleted, or made anew, since its bounds were read
            except TimeoutError:
                raise TransientError(f"offset {offset} of {self._topic}[{partition}] could not be read") from None
            finally:
                consumer.unsubscribe()
        return place_of(record) if record.offset == offset else None

    async def _bounds(self, where: TopicPartition) -> Bounds:
        consumer = self._client()
        try:
            async with asyncio.timeout(_WITHIN_S):
                start = await consumer.beginning_offsets([where])
                end = await consumer.end_offsets([where])
        except TimeoutError:
            raise TransientError(f"no answer about {self._topic}[{where.partition}]") from None
        return Bounds(start[where], end[where])

    async def _connect(self) -> None:
        consumer = build_consumer(self._settings, client_id="judge-log", auto_offset_reset="none")
        try:
            await consumer.start()
        except BaseException:
            await consumer.stop()
            raise
        self._consumer = consumer

    def _client(self) -> Any:
        if self._consumer is None:
            raise RuntimeError("not started")
        return self._consumer
