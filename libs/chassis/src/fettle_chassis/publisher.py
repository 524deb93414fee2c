"""Sends outbox rows to Kafka: one batch per topic and partition, in the rows' order, acknowledged as a whole."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerClosed

from fettle_chassis import metrics
from fettle_chassis.kafka import build_producer
from fettle_chassis.outbox import headers_from_text
from fettle_chassis.outbox_queue import Row
from fettle_chassis.patience import to_its_end
from fettle_chassis.settings import ServiceSettings
from fettle_contracts.partitions import partition_for

_BATCH_BYTES = 950_000
"""A row of the largest size fits, and the broker's limit of a little over a million is kept."""

_ACKNOWLEDGED_WITHIN_S = 15.0
_GONE_WITHIN_S = 3.0


@dataclass(slots=True)
class Chunk:
    """Rows ready to be sent: their ids, and batches by topic (full name) and partition."""

    ids: list[int] = field(default_factory=list)
    batches: dict[tuple[str, int], list[Any]] = field(default_factory=dict)
    messages: Counter[str] = field(default_factory=Counter)
    futures: list[asyncio.Future[Any]] = field(default_factory=list)


class Publisher:
    """One producer's life. After any failure it is thrown away: what it knows of sequences may be wrong."""

    def __init__(self, settings: ServiceSettings, client_id: str) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer = build_producer(settings, client_id=client_id, max_batch_size=_BATCH_BYTES)
        self.proven = False
        """Whether anything has been acknowledged."""
        self._starting: asyncio.Task[None] | None = None
        self._flying: set[asyncio.Future[Any]] = set()

    async def start(self) -> None:
        """Raises KafkaError or TimeoutError when the broker does not answer."""
        self._starting = asyncio.create_task(self._producer.start())
        async with asyncio.timeout(_ACKNOWLEDGED_WITHIN_S):
            # Left half-way a client loses sight of its connection; `discard` gives it the time to end by itself.
            await asyncio.shield(self._starting)

    async def prepare(self, rows: Sequence[Row]) -> Chunk:
        """Puts rows into batches. Waits for topics' metadata at most."""
        chunk = Chunk()
        counts: dict[str, int] = {}
        async with asyncio.timeout(_ACKNOWLEDGED_WITHIN_S):
            for row in rows:
                chunk.ids.append(row["id"])
                headers = headers_from_text(row["headers"])
                for topic in row["topics"].split(","):
                    if topic not in counts:
                        counts[topic] = len(await self._producer.partitions_for(self._settings.topic(topic)))
                    partition = row["partition"]
                    if partition is None:
                        partition = partition_for(row["key"], counts[topic])
                    self._append(chunk, topic, partition, row, headers)
        return chunk

    def _append(self, chunk: Chunk, topic: str, partition: int, row: Row, headers: list[tuple[str, bytes]]) -> None:
        batches = chunk.batches.setdefault((self._settings.topic(topic), partition), [])
        record = {"timestamp": None, "key": row["key"], "value": row["value"], "headers": headers}
        if not batches or batches[-1].append(**record) is None:
            batch = self._producer.create_batch()
            batch.append(**record)
            batches.append(batch)
        chunk.messages[topic] += 1

    async def send(self, chunk: Chunk) -> None:
        """Hands the batches to the producer, in order per partition; does not wait for acknowledgements."""
        async with asyncio.timeout(_ACKNOWLEDGED_WITHIN_S):
            for (topic, partition), batches in chunk.batches.items():
                for batch in batches:
                    batch.close()  # a closed batch does not linger
                    chunk.futures.append(future := await self._producer.send_batch(batch, topic, partition=partition))
                    self._flying.add(future)
                    future.add_done_callback(self._flying.discard)

    async def acknowledged(self, chunk: Chunk) -> None:
        """Returns when every topic has every message, at once when asked again. Raises KafkaError or TimeoutError when
        not."""
        async with asyncio.timeout(_ACKNOWLEDGED_WITHIN_S):
            await asyncio.gather(*chunk.futures)
        self.proven = True
        for topic, count in chunk.messages.items():
            metrics.OUTBOX_PUBLISHED.labels(topic).inc(count)
        chunk.messages.clear()

    async def discard(self) -> None:
        """Ends the producer at once, also if cancelled meanwhile. What it still holds is dropped, so that it cannot
        arrive behind newer messages that its successor sends; the rows are still there."""
        await to_its_end(self._discard())

    async def _discard(self) -> None:
        for future in list(self._flying):
            future.cancel()
        try:
            if self._starting is not None:
                await _ended(self._starting)
            if (sending := self._producer._sender.sender_task) is not None:
                sending.cancel()
                await self._producer.client.close()
                await _ended(sending)
        finally:
            self._producer._message_accumulator.fail_all(ProducerClosed())
            with suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(_GONE_WITHIN_S):
                    await self._producer.stop()


async def _ended(task: "asyncio.Task[None]") -> None:
    """Waits for a task of the client's, a short while, then cancels it."""
    await asyncio.wait([task], timeout=_GONE_WITHIN_S)
    task.cancel()
    await asyncio.wait([task], timeout=_GONE_WITHIN_S)
    if task.done() and not task.cancelled():
        task.exception()
