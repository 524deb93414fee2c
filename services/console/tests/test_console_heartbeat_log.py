"""The lasting connection that heartbeats are appended over, where it is never made."""

import socket
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from tests.client.api_document import NOWHERE

from fettle_chassis.kafka import build_producer
from fettle_console.adapters import heartbeat_log
from fettle_console.adapters.heartbeat_log import HeartbeatLog, KafkaAway
from fettle_console.settings import ConsoleSettings


@pytest.mark.rule("AC-12")
async def test_a_console_that_stops_while_it_connects_leaves_no_producer_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker takes the connection and says nothing."""
    made = list[AIOKafkaProducer]()

    def build(*settings: Any, **more: Any) -> AIOKafkaProducer:
        made.append(build_producer(*settings, **more))
        return made[-1]

    monkeypatch.setattr(heartbeat_log, "WITHIN_S", 0.2)
    monkeypatch.setattr("fettle_console.adapters.heartbeat_log.build_producer", build)
    with socket.create_server(("127.0.0.1", 0)) as broker:
        address = f"127.0.0.1:{broker.getsockname()[1]}"
        log = HeartbeatLog(ConsoleSettings.load({**NOWHERE, "FETTLE_KAFKA_BOOTSTRAP_SERVERS": address}))
        with pytest.raises(KafkaAway):
            await log.append([(b"acme/device/t17", b"{}")])
        await log.stop()
    assert [producer._closed for producer in made] == [True]
