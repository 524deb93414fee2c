"""The log of events read back from now, for one org, with a client of its own and outside of any group.

A log can only be read forward, so it is taken in stretches, the newest first and each twice as long as the one before,
up to a day: whoever runs out of time or events has the newest of them whole.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from fettle_chassis.failures import TransientError
from fettle_chassis.kafka import build_admin, build_consumer
from fettle_chassis.records import Record, read
from fettle_chassis.settings import ServiceSettings
from fettle_contracts.times import to_ms

NEWEST_STRETCH, LONGEST_STRETCH = timedelta(minutes=15), timedelta(days=1)
AT_ONCE = 500
FETCHED_BYTES = 131_072
"""Of a partition at a time. More is read past the end of each stretch for nothing, less asks too often."""
ANSWER_WITHIN_S = 10.0
_POLL_MS = 200

Offsets = dict[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class KeptFrom:
    """From when on the log surely has everything that was written to it."""

    since: datetime


@dataclass(frozen=True, slots=True)
class Reached:
    """The end of a stretch: everything from `since` on has been read."""

    since: datetime


class OutOfTime(Exception):
    """The time was over in the middle of a stretch."""


class PastEvents:
    """Reads topics (named without prefix) between two moments of broker time."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings

    async def back(
        self, org: str, topics: Sequence[str], since: datetime, until: datetime, within_s: float
    ) -> AsyncGenerator[KeptFrom | Sequence[Record] | Reached, None]:
        """First how far back the log goes, then the org's records (their key is the org, or begins with it and a
        slash), `AT_ONCE` at a time or some more, with a mark after each stretch. The last mark is at `since`, or as far
        back as the log goes; after `within_s` seconds it ends without. Raises TransientError when Kafka does not
        answer."""
        deadline = asyncio.get_running_loop().time() + within_s
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    admin, consumer = build_admin(self._settings), self._consumer()
                    stack.push_async_callback(admin.close)
                    stack.push_async_callback(consumer.stop)
                    await admin.start()
                    await consumer.start()
                    partitions = await _partitions(admin, [self._settings.topic(name) for name in topics])
                    kept_from = await _kept_from(admin, sorted({one.topic for one in partitions}), until)
                    ends: Offsets = await consumer.end_offsets(partitions)
                    ends = await _offsets_at(consumer, ends, until)
                yield KeptFrom(kept_from)
                length, end, since = NEWEST_STRETCH, until, max(since, kept_from)
                while end > since:
                    begin = max(since, end - length)
                    async with asyncio.timeout(ANSWER_WITHIN_S):
                        starts = await _offsets_at(consumer, ends, begin)
                    async for records in self._between(consumer, starts, ends, org.encode(), deadline):
                        yield records
                    yield Reached(begin)
                    ends, end, length = starts, begin, min(length * 2, LONGEST_STRETCH)
        except TimeoutError:
            raise TransientError("Kafka does not answer about what happened") from None
        except OutOfTime:
            return

    def _consumer(self) -> AIOKafkaConsumer:
        return build_consumer(
            self._settings,
            client_id=f"preview-{uuid4()}",
            max_poll_records=AT_ONCE,
            max_partition_fetch_bytes=FETCHED_BYTES,
        )

    async def _between(
        self, consumer: AIOKafkaConsumer, starts: Offsets, ends: Offsets, org: bytes, deadline: float
    ) -> AsyncIterator[Sequence[Record]]:
        """Raises OutOfTime."""
        loop, below, prefix = asyncio.get_running_loop(), org + b"/", self._settings.topic_prefix
        left = {where: end for where, end in ends.items() if starts[where] < end}
        consumer.assign(list(left))
        for where in left:
            consumer.seek(where, starts[where])
        found: list[Record] = []  # those of a few orgs among many are handed on together: each time costs a thread
        while left:
            if loop.time() >= deadline:
                raise OutOfTime
            batches: Mapping[TopicPartition, Sequence[Any]] = await consumer.getmany(*left, timeout_ms=_POLL_MS)
            for where, records in batches.items():
                end = left[where]
                found += [
                    read(raw, prefix)
                    for raw in records
                    if (key := raw.key) is not None and (key.startswith(below) or key == org) and raw.offset < end
                ]
            for where in list(left):
                if await consumer.position(where) >= left[where]:
                    consumer.pause(where)
                    del left[where]
            if len(found) >= AT_ONCE or (found and not left):
                yield found
                found = []


async def _partitions(admin: AIOKafkaAdminClient, topics: list[str]) -> list[TopicPartition]:
    described: Iterable[Any] = await admin.describe_topics(topics) if topics else ()
    return [TopicPartition(topic["topic"], one["partition"]) for topic in described for one in topic["partitions"]]


async def _kept_from(admin: AIOKafkaAdminClient, topics: list[str], now: datetime) -> datetime:
    """From when on all of the topics surely still have what was written to them."""
    kept_from = now - timedelta(days=36_500)
    for topic in topics:
        answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        settings = {entry[0]: entry[1] for answer in answers for entry in answer.resources[0][4]}
        kept_ms = int(settings.get("retention.ms") or -1)
        if kept_ms >= 0:
            kept_from = max(kept_from, now - timedelta(milliseconds=min(kept_ms, 10**12)))
    return kept_from


async def _offsets_at(consumer: AIOKafkaConsumer, ends: Offsets, moment: datetime) -> Offsets:
    """Of the first records at this moment or later, by partition; of none where there is none before `ends`."""
    if not ends:
        return {}
    async with asyncio.timeout(ANSWER_WITHIN_S):
        found = await consumer.offsets_for_times(dict.fromkeys(ends, max(to_ms(moment), 0)))
    return {where: min(end, found[where].offset) if found.get(where) else end for where, end in ends.items()}
