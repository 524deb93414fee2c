"""Kafka as the commands use it: topics as they are, dead letters, one record sent. Every failure is a CliError.

Importing this takes a second or two; commands import it when they run.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from fettle_chassis.kafka import build_admin, build_consumer, build_producer
from fettle_chassis.settings import ServiceSettings, SettingsError
from fettle_cli.failures import CliError, UsageError
from fettle_cli.installation import Installation
from fettle_contracts.dead_letters import DLQ_HEADERS, DLQ_PARTITION

T = TypeVar("T")

PATIENCE_S = 10.0
_NO_KEYS = "none:" + "A" * 43 + "="


@dataclass(frozen=True, slots=True)
class TopicAsIs:
    """A topic on the broker, by its name without prefix, with the settings that it has."""

    name: str
    partitions: int
    config: dict[str, str]


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

    def header(self, name: str) -> str | None:
        """The first header of that name as text."""
        found = next((value for header, value in self.headers if header == name), None)
        return None if found is None else found.decode(errors="replace")


def kafka_settings(installation: Installation) -> ServiceSettings:
    """Settings for reading and writing topics. Raises UsageError when a setting is wrong.

    Services need signing keys to start; a command that signs nothing does without.
    """
    environ = {"FETTLE_SIGNING_KEYS": _NO_KEYS, **installation.service_environ()}
    try:
        return ServiceSettings.load(environ)
    except SettingsError as error:
        raise UsageError(str(error)) from None


def run(settings: ServiceSettings, work: Coroutine[Any, Any, T]) -> T:
    """Runs the work to its end. Raises CliError when Kafka does not answer or refuses."""
    try:
        return asyncio.run(work)
    except (KafkaError, TimeoutError, OSError) as error:
        raise CliError(
            f"Kafka at {settings.kafka_bootstrap_servers} does not answer ({_name(error)}): is it running? "
            "`fettle up` starts one; FETTLE_KAFKA_BOOTSTRAP_SERVERS names another"
        ) from None


@asynccontextmanager
async def producer(settings: ServiceSettings) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that gives up after 5 s and never delivers later what it said had failed."""
    made = build_producer(settings, client_id="fettle-cli", idempotent=False)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await made.start()
        yield made
    finally:
        await made.stop()


@asynccontextmanager
async def reader(settings: ServiceSettings) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of no group, for looking at topics without a trace."""
    made = build_consumer(settings, client_id="fettle-cli")
    try:
        async with asyncio.timeout(PATIENCE_S):
            await made.start()
        yield made
    finally:
        await made.stop()


@asynccontextmanager
async def _admin(settings: ServiceSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = build_admin(settings)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await admin.start()
        yield admin
    finally:
        await admin.close()


async def topics_as_they_are(settings: ServiceSettings) -> dict[str, TopicAsIs]:
    """The installation's topics by their names without prefix."""
    async with _admin(settings) as admin:
        named = [name for name in await admin.list_topics() if name.startswith(settings.topic_prefix)]
        if not named:
            return {}
        described = await admin.describe_topics(named)
        configs = await _configs(admin, named)
    found = (
        TopicAsIs(topic["topic"].removeprefix(settings.topic_prefix), len(topic["partitions"]), configs[topic["topic"]])
        for topic in described
    )
    return {topic.name: topic for topic in found}


async def newest_records(settings: ServiceSettings, topics: Sequence[str], count: int) -> list[StoredRecord]:
    """The last `count` records of some topics together, newest first. Names without prefix; absent ones hold none."""
    places = [place for found in (await _places(settings, topics)).values() for place in found]
    if not places:
        return []
    async with reader(settings) as consumer:
        consumer.assign(places)
        ends, begins = await consumer.end_offsets(places), await consumer.beginning_offsets(places)
        for place in places:
            consumer.seek(place, max(begins[place], ends[place] - count))
        found = [record async for record in _until(consumer, ends)]
    found.sort(key=lambda record: (record.timestamp_ms, record.offset), reverse=True)
    return found[:count]


async def record_at(settings: ServiceSettings, topic: str, partition: int, offset: int) -> StoredRecord | None:
    """The record at a place, None when nothing stands there any more or yet."""
    place = TopicPartition(settings.topic(topic), partition)
    if place not in (await _places(settings, [topic])).get(topic, ()):
        return None
    async with reader(settings) as consumer:
        consumer.assign([place])
        begin, end = (await consumer.beginning_offsets([place]))[place], (await consumer.end_offsets([place]))[place]
        if not begin <= offset < end:
            return None
        consumer.seek(place, offset)
        async for record in _until(consumer, {place: end}):
            return record if record.offset == offset else None
    return None


async def every_record(settings: ServiceSettings, topic: str) -> AsyncIterator[StoredRecord]:
    """All records of a topic that stand there now, each partition's in order; none when there is no such topic."""
    places = (await _places(settings, [topic])).get(topic, [])
    if not places:
        return
    async with reader(settings) as consumer:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        await consumer.seek_to_beginning(*places)
        async for record in _until(consumer, ends):
            yield record


class SentTo(NamedTuple):
    """Where a record was put."""

    topic: str
    partition: int
    offset: int


async def send_again(settings: ServiceSettings, letters: Sequence[StoredRecord]) -> list[SentTo]:
    """Puts dead letters back into the topic and partition that they came from, with the headers that they came with.
    Raises CliError for one that does not say from where."""
    places = []
    async with producer(settings) as sender:
        for letter in letters:
            topic, partition = letter.topic.removesuffix(".dlq"), letter.header(DLQ_PARTITION) or ""
            if not (partition.isascii() and partition.isdigit()):
                raise CliError(f"{letter.topic} {letter.offset} does not say where it came from")
            own = [(name, value) for name, value in letter.headers if name not in DLQ_HEADERS]
            sent = await sender.send_and_wait(
                topic, letter.value, key=letter.key, partition=int(partition), headers=own
            )
            places.append(SentTo(sent.topic, sent.partition, sent.offset))
    return places


async def _places(settings: ServiceSettings, topics: Sequence[str]) -> dict[str, list[TopicPartition]]:
    """The partitions of those topics that exist, by their names without prefix."""
    async with _admin(settings) as admin:
        there = set(await admin.list_topics())
        wanted = [settings.topic(topic) for topic in topics if settings.topic(topic) in there]
        described = await admin.describe_topics(wanted) if wanted else []
    return {
        topic["topic"].removeprefix(settings.topic_prefix): [
            TopicPartition(topic["topic"], number) for number in range(len(topic["partitions"]))
        ]
        for topic in described
    }


async def _until(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> AsyncIterator[StoredRecord]:
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


async def _configs(admin: Any, names: Sequence[str]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    answers = await admin.describe_configs(resources)
    return {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for answer in answers
        for resource in answer.resources
    }


def _name(error: BaseException) -> str:
    return type(error).__name__
