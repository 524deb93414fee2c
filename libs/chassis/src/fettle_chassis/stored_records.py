"""Looking at what stands in topics, without a group and without a trace, and sending dead letters where they came from.

Topics are named without prefix; one that does not exist holds nothing. Everything here raises KafkaError, OSError or
TimeoutError when Kafka does not answer within `PATIENCE_S`.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from fettle_chassis.kafka import build_admin, build_consumer, build_producer
from fettle_chassis.settings import ServiceSettings
from fettle_contracts.dead_letters import DLQ_HEADERS, DLQ_PARTITION

PATIENCE_S = 10.0


class NoSource(Exception):
    """A dead letter that does not say where it came from, or came from a partition that is not there any more."""


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as it stands in a topic. `headers` in their order, names may repeat."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    @property
    def size(self) -> int:
        """Bytes of its key, value and headers."""
        named = sum(len(name) + len(value or b"") for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + named

    def header(self, name: str) -> str | None:
        """The first header of that name as text."""
        found = next((value for header, value in self.headers if header == name), None)
        return None if found is None else found.decode(errors="replace")


class SentTo(NamedTuple):
    """Where a record was put."""

    topic: str
    partition: int
    offset: int


@asynccontextmanager
async def producing(settings: ServiceSettings, client_id: str) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that gives up after 5 s and never delivers later what it said had failed."""
    made = build_producer(settings, client_id=client_id, idempotent=False)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await made.start()
        yield made
    finally:
        await made.stop()


@asynccontextmanager
async def reading(settings: ServiceSettings, client_id: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of no group. What it asks for stands there: a broker that waited for more would keep the next place
    waiting, too."""
    made = build_consumer(settings, client_id=client_id, fetch_max_wait_ms=10)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await made.start()
        yield made
    finally:
        await made.stop()


async def newest_records(
    settings: ServiceSettings, topics: Sequence[str], count: int, client_id: str
) -> list[StoredRecord]:
    """The last `count` records of some topics together, newest first."""
    async with stored_logs(settings, topics, client_id) as logs:
        found = [record for log in logs async for record in log.between(max(log.begin, log.end - count), log.end)]
    found.sort(key=lambda record: (record.timestamp_ms, record.offset), reverse=True)
    return found[:count]


@dataclass(frozen=True, slots=True)
class StoredLog:
    """A partition as it stands: records from offset `begin` to before `end`. `topic` is its name without prefix."""

    topic: str
    place: TopicPartition
    begin: int
    end: int
    consumer: AIOKafkaConsumer

    async def between(self, start: int, stop: int) -> AsyncIterator[StoredRecord]:
        """Its records from `start` to before `stop`, in order. One log is read at a time."""
        if start >= stop:
            return
        self.consumer.assign([self.place])
        self.consumer.seek(self.place, start)
        async for record in _until(self.consumer, {self.place: stop}):
            yield record


@asynccontextmanager
async def stored_logs(
    settings: ServiceSettings, topics: Sequence[str], client_id: str
) -> AsyncIterator[list[StoredLog]]:
    """All partitions of those of the topics that exist."""
    found = [(topic, place) for topic, places in (await _places(settings, topics)).items() for place in places]
    if not found:
        yield []
        return
    places = [place for _, place in found]
    async with reading(settings, client_id) as consumer:
        consumer.assign(places)
        begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
        yield [StoredLog(topic, place, begins[place], ends[place], consumer) for topic, place in found]


async def record_at(
    settings: ServiceSettings, topic: str, partition: int, offset: int, client_id: str
) -> StoredRecord | None:
    """The record at a place, None when nothing stands there any more or yet."""
    place = TopicPartition(settings.topic(topic), partition)
    if place not in (await _places(settings, [topic])).get(topic, ()):
        return None
    async with reading(settings, client_id) as consumer:
        consumer.assign([place])
        begin, end = (await consumer.beginning_offsets([place]))[place], (await consumer.end_offsets([place]))[place]
        if not begin <= offset < end:
            return None
        consumer.seek(place, offset)
        async for record in _until(consumer, {place: end}):
            return record if record.offset == offset else None
    return None


async def every_record(settings: ServiceSettings, topic: str, client_id: str) -> AsyncIterator[StoredRecord]:
    """All records of a topic that stand there now, each partition's in order."""
    places = (await _places(settings, [topic])).get(topic, [])
    if not places:
        return
    async with reading(settings, client_id) as consumer:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        await consumer.seek_to_beginning(*places)
        async for record in _until(consumer, ends):
            yield record


async def send_again(settings: ServiceSettings, letters: Sequence[StoredRecord], client_id: str) -> list[SentTo]:
    """Puts dead letters back into the topic and partition that they came from, with the headers that they came with.
    Raises NoSource at the first one that does not say from where."""
    places = []
    async with producing(settings, client_id) as sender:
        for letter in letters:
            topic, partition = letter.topic.removesuffix(".dlq"), letter.header(DLQ_PARTITION) or ""
            if not (partition.isascii() and partition.isdigit()):
                raise NoSource(f"{letter.topic} {letter.offset} does not say where it came from")
            if int(partition) not in await sender.partitions_for(topic):
                raise NoSource(f"{letter.topic} {letter.offset} came from partition {partition}, which is not there")
            own = [(name, value) for name, value in letter.headers if name not in DLQ_HEADERS]
            sent = await sender.send_and_wait(
                topic, letter.value, key=letter.key, partition=int(partition), headers=own
            )
            places.append(SentTo(sent.topic, sent.partition, sent.offset))
    return places


async def _places(settings: ServiceSettings, topics: Sequence[str]) -> dict[str, list[TopicPartition]]:
    """The partitions of those topics that exist, by their names without prefix."""
    admin = build_admin(settings)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await admin.start()
        there = set(await admin.list_topics())
        wanted = [settings.topic(topic) for topic in topics if settings.topic(topic) in there]
        described = await admin.describe_topics(wanted) if wanted else []
    finally:
        await admin.close()
    return {
        topic["topic"].removeprefix(settings.topic_prefix): [
            TopicPartition(topic["topic"], number) for number in range(len(topic["partitions"]))
        ]
        for topic in described
    }


async def _until(consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> AsyncIterator[StoredRecord]:
    """Raises TimeoutError when nothing comes for `PATIENCE_S`."""
    async with asyncio.timeout(PATIENCE_S) as patience:
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for place, records in (await consumer.getmany(timeout_ms=200)).items():
                patience.reschedule(asyncio.get_running_loop().time() + PATIENCE_S)
                for record in records:
                    if record.offset < ends[place]:
                        yield StoredRecord(
                            topic=place.topic,
                            partition=place.partition,
                            offset=record.offset,
                            timestamp_ms=record.timestamp,
                            key=record.key,
                            value=record.value,
                            headers=tuple(record.headers),
                        )
