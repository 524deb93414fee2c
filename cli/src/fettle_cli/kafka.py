"""Kafka as the commands use it: topics as they are, and every failure as a CliError.

Importing this takes a second or two; commands import it when they run.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from fettle_chassis.kafka import build_admin
from fettle_chassis.settings import ServiceSettings, SettingsError
from fettle_chassis.stored_records import PATIENCE_S, NoSource
from fettle_cli.failures import CliError, UsageError
from fettle_cli.installation import Installation

T = TypeVar("T")

CLIENT = "fettle-cli"
_NO_KEYS = "none:" + "A" * 43 + "="


@dataclass(frozen=True, slots=True)
class TopicAsIs:
    """A topic on the broker, by its name without prefix, with the settings that it has."""

    name: str
    partitions: int
    config: dict[str, str]


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
    except NoSource as error:
        raise CliError(str(error)) from None
    except (KafkaError, TimeoutError, OSError) as error:
        raise CliError(
            f"Kafka at {settings.kafka_bootstrap_servers} does not answer ({_name(error)}): is it running? "
            "`fettle up` starts one; FETTLE_KAFKA_BOOTSTRAP_SERVERS names another"
        ) from None


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
