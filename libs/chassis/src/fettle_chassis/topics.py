"""Topics are created and checked at start, from the topic table of contracts."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from fettle_chassis.dead_letters import MAX_BYTES
from fettle_chassis.failures import StartRefused
from fettle_chassis.kafka import build_admin
from fettle_chassis.patience import patiently
from fettle_chassis.service import Part
from fettle_chassis.settings import ServiceSettings
from fettle_contracts.topics import TOPICS, Topic

log = structlog.get_logger(__name__)

_DEFAULT_PARTITIONS = 12
_BROKER_DEFAULT = -1
_CHECKED = ("message.timestamp.type", "cleanup.policy", "unclean.leader.election.enable")
"""What a topic whose time is judged by must have; anything else is the operator's to tune."""


async def ensure_topics(settings: ServiceSettings, names: Iterable[str]) -> dict[str, int]:
    """Creates what is missing of `names` (of the table, without prefix) and their dead-letter topics, with the table's
    settings, then checks what must not be otherwise.

    Returns partition counts by name (without prefix). Raises `StartRefused` with one line: when topics are missing and
    `FETTLE_KAFKA_MANAGE_TOPICS` is off (the commands to create them are logged), or when a heartbeats topic has no
    LogAppendTime or is compacted (it names topic, setting, and the command that repairs it). Waits up to 60 s for a
    broker that is away.
    """
    wanted = _with_dead_letters(names)

    async def ensured() -> dict[str, int]:
        admin = build_admin(settings)
        try:
            await admin.start()
            return await _ensure(admin, settings, wanted)
        finally:
            await admin.close()

    return await patiently(ensured)


class Topics(Part):
    """`ensure_topics` as a part: at start, nothing at stop."""

    name = "topics"

    def __init__(self, settings: ServiceSettings, *names: str) -> None:
        self._settings = settings
        self._names = names
        self._partitions: dict[str, int] = {}

    async def start(self) -> None:
        self._partitions = await ensure_topics(self._settings, self._names)

    def partitions(self, name: str) -> int:
        """How many partitions the topic has; known after start (KeyError before)."""
        return self._partitions[name]


def _with_dead_letters(names: Iterable[str]) -> list[Topic]:
    wanted = [TOPICS[name] for name in dict.fromkeys(names)]
    return wanted + [TOPICS[topic.dlq] for topic in wanted if topic.dlq]


async def _ensure(admin: AIOKafkaAdminClient, settings: ServiceSettings, wanted: list[Topic]) -> dict[str, int]:
    present = await _partitions(admin)
    missing = [topic for topic in wanted if settings.topic(topic.name) not in present]
    if missing:
        await _create(admin, settings, missing)
        present = await _visible(admin, [settings.topic(topic.name) for topic in wanted])
    for topic in wanted:
        if topic.timestamp_required:
            await _check(admin, settings, topic)
    return {topic.name: present[settings.topic(topic.name)] for topic in wanted}


async def _partitions(admin: AIOKafkaAdminClient) -> dict[str, int]:
    """Partition counts of the topics whose every partition has a leader."""
    return {
        topic["topic"]: len(topic["partitions"])
        for topic in await admin.describe_topics()
        if topic["partitions"] and all(part["leader"] >= 0 for part in topic["partitions"])
    }


async def _visible(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, int]:
    """Waits until new topics are there for everyone: a consumer that asks too early asks again after minutes only."""
    async with asyncio.timeout(20.0):
        while True:
            present = await _partitions(admin)
            if present.keys() >= set(names):
                return present
            await asyncio.sleep(0.05)


async def _create(admin: AIOKafkaAdminClient, settings: ServiceSettings, missing: list[Topic]) -> None:
    if not settings.kafka_manage_topics:
        for topic in missing:
            log.error("topics.missing", topic=settings.topic(topic.name), create=_command(settings, topic))
        names = ", ".join(settings.topic(topic.name) for topic in missing)
        raise StartRefused(f"topics are missing and FETTLE_KAFKA_MANAGE_TOPICS is off: {names}")
    answer = await admin.create_topics([_new(settings, topic) for topic in missing])
    for name, code, message in answer.topic_errors:
        if code == 0:
            log.info("topics.created", topic=name)
        elif (error := for_code(code)) is not TopicAlreadyExistsError:
            raise StartRefused(f"topic {name} cannot be created: {message or error.__name__}")


def _new(settings: ServiceSettings, topic: Topic) -> NewTopic:
    factor = settings.kafka_replication_factor
    return NewTopic(
        settings.topic(topic.name),
        _count(settings, topic),
        factor or _BROKER_DEFAULT,
        replica_assignments=None if factor else {},
        topic_configs=_config(settings, topic),
    )


def _count(settings: ServiceSettings, topic: Topic) -> int:
    return (
        settings.topic_partitions or topic.partitions if topic.partitions == _DEFAULT_PARTITIONS else topic.partitions
    )


def _config(settings: ServiceSettings, topic: Topic) -> dict[str, str]:
    config = topic.config()
    if settings.kafka_min_isr:
        config["min.insync.replicas"] = str(settings.kafka_min_isr)
    if topic.name.endswith(".dlq"):
        config["max.message.bytes"] = str(MAX_BYTES)
    return config


def _command(settings: ServiceSettings, topic: Topic) -> str:
    factor = settings.kafka_replication_factor
    parts = [
        f"kafka-topics.sh --bootstrap-server {settings.kafka_bootstrap_servers} --create",
        f"--topic {settings.topic(topic.name)} --partitions {_count(settings, topic)}",
        *([f"--replication-factor {factor}"] if factor else []),
        *(f"--config {name}={value}" for name, value in _config(settings, topic).items()),
    ]
    return " ".join(parts)


async def _check(admin: AIOKafkaAdminClient, settings: ServiceSettings, topic: Topic) -> None:
    name = settings.topic(topic.name)
    needed = {key: topic.config()[key] for key in _CHECKED}
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    found: dict[str, Any] = {entry[0]: entry[1] for answer in answers for entry in answer.resources[0][4]}
    for key, value in needed.items():
        if found.get(key) != value:
            raise StartRefused(
                f"topic {name} has {key}={found.get(key)} but must have {value}; repair it with: "
                f"kafka-configs.sh --bootstrap-server {settings.kafka_bootstrap_servers} --alter --entity-type topics "
                f"--entity-name {name} --add-config {key}={value}"
            )
