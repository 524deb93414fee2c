"""Topics are created with the table's settings; one that judging cannot trust stops the service."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from fettle_chassis.failures import StartRefused
from fettle_chassis.kafka import build_admin
from fettle_chassis.settings import ServiceSettings
from fettle_chassis.topics import ensure_topics
from fettle_contracts.topics import HEARTBEATS, ORGS, SIGNALS


@pytest.fixture
def settings(environment: dict[str, str]) -> ServiceSettings:
    return ServiceSettings.load(environment)


@pytest.fixture
async def admin(settings: ServiceSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = build_admin(settings)
    await admin.start()
    yield admin
    await admin.close()


async def config(admin: AIOKafkaAdminClient, topic: str) -> dict[str, Any]:
    [answer] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    return {entry[0]: entry[1] for entry in answer.resources[0][4]}


@pytest.mark.rule("OP-25")
async def test_what_is_missing_is_created_as_the_table_says(
    settings: ServiceSettings, admin: AIOKafkaAdminClient
) -> None:
    assert await ensure_topics(settings, [HEARTBEATS, ORGS]) == {
        HEARTBEATS: settings.topic_partitions,
        ORGS: 1,
        f"{HEARTBEATS}.dlq": 1,
        f"{ORGS}.dlq": 1,
    }
    heartbeats = await config(admin, settings.topic(HEARTBEATS))
    assert heartbeats["message.timestamp.type"] == "LogAppendTime"
    assert heartbeats["unclean.leader.election.enable"] == "false"
    assert heartbeats["retention.ms"] == str(7 * 86_400_000)
    assert heartbeats["min.insync.replicas"] == "1"
    assert (await config(admin, settings.topic(ORGS)))["cleanup.policy"] == "compact"
    assert (await config(admin, settings.topic(f"{ORGS}.dlq")))["retention.ms"] == str(30 * 86_400_000)
    other = settings.model_copy(update={"topic_partitions": 9})
    assert (await ensure_topics(other, [HEARTBEATS]))[HEARTBEATS] == settings.topic_partitions


@pytest.mark.rule("OP-25")
async def test_with_topics_not_ours_to_manage_what_is_missing_is_said(
    settings: ServiceSettings, admin: AIOKafkaAdminClient, capsys: pytest.CaptureFixture[str]
) -> None:
    hands_off = settings.model_copy(update={"kafka_manage_topics": False})
    with pytest.raises(StartRefused, match=rf"FETTLE_KAFKA_MANAGE_TOPICS is off.*{settings.topic(SIGNALS)}"):
        await ensure_topics(hands_off, [SIGNALS])
    assert settings.topic(SIGNALS) not in await admin.list_topics()
    await ensure_topics(settings, [SIGNALS])
    assert SIGNALS in await ensure_topics(hands_off, [SIGNALS])


@pytest.mark.rule("OP-25")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("message.timestamp.type", "CreateTime"),
        ("cleanup.policy", "compact"),
        ("unclean.leader.election.enable", "true"),
    ],
)
async def test_heartbeats_that_cannot_be_judged_by_stop_the_service(
    settings: ServiceSettings, admin: AIOKafkaAdminClient, key: str, value: str
) -> None:
    name = settings.topic(HEARTBEATS)
    good = {"message.timestamp.type": "LogAppendTime", "unclean.leader.election.enable": "false"}
    await admin.create_topics([NewTopic(name, 1, 1, topic_configs=good | {key: value})])
    with pytest.raises(StartRefused) as refused:
        await ensure_topics(settings, [HEARTBEATS])
    line = str(refused.value)
    assert "\n" not in line
    assert f"topic {name} has {key}={value}" in line
    assert "kafka-configs.sh" in line
    assert f"--entity-name {name} --add-config {key}=" in line
