"""Heartbeats put into the topic before a judge is measured with them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from confluent_kafka import Producer

from bench.judge.fleet import ORG, POLICY, TURN_MS, Said, past, well
from fettle_chassis.kafka import build_admin, build_consumer
from fettle_chassis.signing import Signer
from fettle_chassis.topics import ensure_topics
from fettle_contracts.topics import HEARTBEATS, JUDGEMENTS, TOPICS
from fettle_health_monitor.domain.control import (
    CONTROL_HEADER,
    NUMBER_HEADER,
    SIGNATURE_HEADER,
    Policy,
    Pulse,
    encode,
    kind,
    shard_key,
)
from fettle_health_monitor.settings import HealthSettings

PARTITIONS = 4


async def ensured(settings: HealthSettings) -> None:
    await ensure_topics(settings, [HEARTBEATS, JUDGEMENTS])


def fill(settings: HealthSettings, subjects: int, records: int) -> None:
    """A policy, every subject once, then `records` heartbeats in turn, all well and now. Blocks."""
    topic = Filled(settings)
    topic.control(POLICY, ORG, 1, 0)
    topic.put(well(subjects, records, PARTITIONS))


def fill_past(settings: HealthSettings, subjects: int, turns: int, kind: str) -> None:
    """The last minutes of a fleet with its troubles, as the broker would have taken them: a policy, then the heartbeats
    and a pulse to each partition every second, each at its own broker time. Blocks.

    The topic must not be there yet. While it is filled its times are the writer's; then it is as in operation.
    """
    asyncio.run(_create_for_the_past(settings))
    begins = int(time.time() * 1000) - turns * TURN_MS
    topic = Filled(settings)
    topic.control(POLICY, ORG, 1, begins)
    topic.put(_with_pulses(topic, past(subjects, turns, PARTITIONS, kind, begins), begins))
    asyncio.run(_go_on_as_in_operation(settings))


async def _create_for_the_past(settings: HealthSettings) -> None:
    config = {**TOPICS[HEARTBEATS].config(), "message.timestamp.type": "CreateTime"}
    async with _admin(settings) as admin:
        await admin.create_topics([NewTopic(settings.topic(HEARTBEATS), PARTITIONS, 1, topic_configs=config)])


async def _go_on_as_in_operation(settings: HealthSettings) -> None:
    topic = ConfigResource(ConfigResourceType.TOPIC, settings.topic(HEARTBEATS), TOPICS[HEARTBEATS].config())
    async with _admin(settings) as admin:
        await admin.alter_configs([topic])


@asynccontextmanager
async def _admin(settings: HealthSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = build_admin(settings)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


def _with_pulses(topic: Filled, said: Iterable[Said], begins: int) -> Iterator[Said]:
    beat = 0
    for each in said:
        while each.at >= begins + 1_000 * beat:
            for partition in range(PARTITIONS):
                pulse = Pulse(owner="before", beat=beat)
                topic.control(pulse, shard_key(partition), 0, begins + 1_000 * beat, partition)
            beat += 1
        yield each


class Filled:
    """The topic of heartbeats, written to as fast as the broker takes it."""

    def __init__(self, settings: HealthSettings) -> None:
        self._topic = settings.topic(HEARTBEATS)
        self._signer = Signer(settings.signing_keys)
        self._producer = Producer(
            {
                "bootstrap.servers": settings.kafka_bootstrap_servers,
                "enable.idempotence": True,
                "linger.ms": 20,
                "batch.size": 262_144,
                "queue.buffering.max.messages": 500_000,
            }
        )

    def put(self, said: Iterable[Said]) -> None:
        """Returns when the broker has all of it."""
        produce, topic = self._producer.produce, self._topic
        for partition, key, value, at in said:
            while True:
                try:
                    produce(topic, value, key, partition, timestamp=at)
                    break
                except BufferError:
                    self._producer.poll(0.05)
        self._producer.flush()

    def control(self, statement: Policy | Pulse, key: str, number: int, at: int, partition: int | None = None) -> None:
        """A signed control record, to every partition if none is named; `put` sees it through."""
        body = encode(statement)
        for each in range(PARTITIONS) if partition is None else (partition,):
            signature = self._signer.sign_control(
                topic=self._topic, partition=each, key=key.encode(), number=number, body=body
            )
            headers: list[tuple[str, str | bytes | None]] = [
                (CONTROL_HEADER, kind(statement)),
                (NUMBER_HEADER, str(number)),
                (SIGNATURE_HEADER, signature),
            ]
            self._producer.produce(self._topic, body, key, each, headers=headers, timestamp=at)


async def end_offsets(settings: HealthSettings, name: str = HEARTBEATS) -> dict[int, int]:
    """Where each partition of a topic ends now."""
    consumer = build_consumer(settings, client_id="ends")
    await consumer.start()
    try:
        ends = await consumer.end_offsets(
            [TopicPartition(settings.topic(name), partition) for partition in range(PARTITIONS)]
        )
        return {place.partition: int(end) for place, end in ends.items()}
    finally:
        await consumer.stop()
