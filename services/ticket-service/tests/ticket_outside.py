"""An outside system with a client that is not ours: it writes commands and reads what comes of them."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from fettle_chassis.signing import Signer
from fettle_contracts.cloudevents import CloudEvent, to_binary
from fettle_contracts.orgs import ORG, Org
from fettle_ticket_service.settings import TicketSettings

WITHIN_S = 60.0


@dataclass(frozen=True)
class Found:
    """A record as an outside reader sees it."""

    key: str
    headers: dict[str, str]
    value: bytes

    @property
    def data(self) -> Any:
        return json.loads(self.value)


class Outside:
    """An outside system with librdkafka: it writes commands and reads what comes of them."""

    def __init__(self, settings: TicketSettings) -> None:
        self._settings = settings
        self._servers = {"bootstrap.servers": settings.kafka_bootstrap_servers}
        self._producer = Producer({**self._servers, "partitioner": "murmur2_random"})

    def send(self, topic: str, key: str, value: bytes, headers: dict[str, str]) -> None:
        self._producer.produce(
            self._settings.topic(topic), value, key, headers=[(name, text.encode()) for name, text in headers.items()]
        )
        assert self._producer.flush(10) == 0

    def command(self, verb: str, id: str, **data: Any) -> None:
        headers = {
            "ce_specversion": "1.0",
            "ce_id": id,
            "ce_source": "helpdesk",
            "ce_type": f"fettle.ticket.command.{verb}.v1",
            "ce_time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "content-type": "application/json",
        }
        body = {"org": "acme", "actor": {"type": "user", "id": "ann@acme.test"}, **data}
        self.send("ticket.commands", body["org"], json.dumps(body).encode(), headers)

    def signed(self, verb: str, id: str, **data: Any) -> None:
        """A command of the health monitor."""
        text = json.dumps({"org": "acme", "actor": {"type": "health_monitor"}, **data}).encode()
        event = CloudEvent(
            id=id,
            source="fettle/health-monitor",
            type=f"fettle.ticket.command.{verb}.v1",
            time=datetime.now(UTC),
            data=text,
            key="acme",
        )
        headers, value = to_binary(Signer(self._settings.signing_keys).sign_event(event))
        self.send("ticket.commands", "acme", value, {header: text.decode() for header, text in headers})

    def org(self, name: str, *, deleted: bool = False) -> None:
        now = datetime.now(UTC)
        data = Org(org=name, name=name.title(), created_at=now, deleted=deleted).to_json()
        event = CloudEvent(id=name, source="fettle/console", type=ORG, time=now, data=data, key=name)
        headers, value = to_binary(Signer(self._settings.signing_keys).sign_event(event))
        self.send("orgs", name, value, {header: text.decode() for header, text in headers})

    async def wait_for(self, topic: str, wanted: Callable[[Found], bool]) -> Found:
        """The first message of the topic, from its beginning, that is wanted."""
        return await asyncio.to_thread(self._wait_for, self._settings.topic(topic), wanted)

    def _wait_for(self, topic: str, wanted: Callable[[Found], bool]) -> Found:
        consumer = Consumer({**self._servers, "group.id": "outside", "enable.auto.commit": False})
        try:
            partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
            until = time.monotonic() + WITHIN_S
            while time.monotonic() < until:
                message = consumer.poll(0.5)
                if message is not None and message.error() is None and wanted(found := _read(message)):
                    return found
        finally:
            consumer.close()
        raise AssertionError(f"nothing wanted on {topic} within {WITHIN_S:.0f} s")


def _read(message: Any) -> Found:
    headers = {name: value.decode() for name, value in message.headers() or []}
    return Found((message.key() or b"").decode(), headers, message.value() or b"")
