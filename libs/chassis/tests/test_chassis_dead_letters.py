"""What writes dead letters, while the broker is away."""

from base64 import b64encode
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError

from fettle_chassis.dead_letters import DeadLetters
from fettle_chassis.kafka import build_producer
from fettle_chassis.settings import ServiceSettings
from fettle_devstack.ports import free_port


@pytest.mark.rule("KF-35")
async def test_who_starts_again_and_again_leaves_no_producer_open(monkeypatch: pytest.MonkeyPatch) -> None:
    made = list[AIOKafkaProducer]()

    def build(*settings: Any, **more: Any) -> AIOKafkaProducer:
        made.append(build_producer(*settings, **more))
        return made[-1]

    monkeypatch.setattr("fettle_chassis.dead_letters.build_producer", build)
    letters = DeadLetters(
        ServiceSettings.load(
            {
                "FETTLE_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}",
                "FETTLE_DATABASE_URL": "postgresql://nobody@127.0.0.1:1",
                "FETTLE_SIGNING_KEYS": f"k1:{b64encode(bytes(32)).decode()}",
            }
        ),
        "echo",
    )
    for _ in range(2):
        with pytest.raises(KafkaConnectionError):
            await letters.start()
    assert [producer._closed for producer in made] == [True, True]
