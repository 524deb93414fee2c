"""Somebody on Kafka in the ticket service's place: every command is answered as applied, as soon as it comes."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

from confluent_kafka import Consumer, Message, TopicPartition

from bench.tickets.traffic import producer
from fettle_contracts.results import COMMAND_RESULT
from fettle_contracts.topics import COMMANDS, RESULTS
from fettle_workflow_engine.settings import WorkflowSettings

_IDS = UUID(int=3)


@dataclass(frozen=True, slots=True)
class Given:
    """A command as the engine published it; `at` is broker time in ms."""

    key: bytes
    headers: list[tuple[str, bytes]]
    value: bytes
    at: int


class Responder(threading.Thread):
    """Answers until `stop`, one that `withholds` from `release` on. From the end of the topic as it was when this was
    made; results have the form and the size of the ticket service's own."""

    def __init__(self, settings: WorkflowSettings, *, withholds: bool = False) -> None:
        super().__init__(daemon=True)
        self._withheld: list[tuple[str, Given]] | None = [] if withholds else None
        self._producer = producer(settings.kafka_bootstrap_servers)
        self._results = settings.topic(RESULTS)
        self._consumer = Consumer(
            {"bootstrap.servers": settings.kafka_bootstrap_servers, "group.id": "bench", "fetch.wait.max.ms": 10}
        )
        self._consumer.assign(self._ends(settings.topic(COMMANDS)))
        self._stopped = threading.Event()
        self.given: dict[str, Given] = {}
        """By their ids."""

    def run(self) -> None:
        while not self._stopped.is_set():
            for message in self._consumer.consume(500, timeout=0.005):
                given = _given(message)
                self._take(dict(given.headers)["ce_id"].decode(), given)
            self._producer.poll(0)
        self._producer.flush(10)
        self._consumer.close()

    def release(self) -> None:
        """Answers what was withheld; all of it has been acknowledged when this returns."""
        withheld, self._withheld = self._withheld or [], None
        for id, given in withheld:
            self._answer(id, given)
        if self._producer.flush(30):
            raise RuntimeError("the broker did not take all results")

    def stop(self) -> None:
        self._stopped.set()
        self.join()

    def _take(self, id: str, given: Given) -> None:
        self.given.setdefault(id, given)
        if self._withheld is None:
            self._answer(id, given)
        else:
            self._withheld.append((id, given))

    def _answer(self, id: str, given: Given) -> None:
        kind = dict(given.headers)["ce_type"].decode()
        ticket = json.loads(given.value)["ticket"]["id"]
        data = {
            "org": given.key.decode(),
            "command_id": id,
            "verb": kind.split(".")[3],
            "outcome": "applied",
            "reason": None,
            "ticket": {"id": ticket, "number": 1, "state": "open", "version": 2},
        }
        headers = {
            "ce_specversion": b"1.0",
            "ce_source": b"fettle/ticket-service",
            "ce_time": b"2026-11-23T12:00:00.000Z",
            "content-type": b"application/json",
            "ce_id": uuid5(_IDS, id).hex.encode(),
            "ce_type": COMMAND_RESULT.encode(),
            "ce_causationid": id.encode(),
            "ce_causationdepth": b"2",
        }
        value = json.dumps(data, separators=(",", ":")).encode()
        self._producer.produce(self._results, value, given.key, headers=list(headers.items()))

    def _ends(self, topic: str) -> list[TopicPartition]:
        places = []
        for partition in self._consumer.list_topics(topic, timeout=10).topics[topic].partitions:
            _, end = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
            places.append(TopicPartition(topic, partition, end))
        return places


def _given(message: Message) -> Given:
    headers: Sequence[tuple[str, bytes]] = message.headers() or []  # type: ignore[assignment]
    key, value = message.key(), message.value()
    assert key is not None
    assert value is not None
    return Given(bytes(key), list(headers), bytes(value), message.timestamp()[1])
