"""Kafka clients that are not ours: librdkafka (confluent-kafka), kcat, and the tools in Kafka's own jars."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from fettle_contracts.topics import COMMANDS
from tests.installation import Installation, eventually


@dataclass(frozen=True)
class Received:
    """One record as an outside subscriber sees it."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: str
    headers: Mapping[str, str]
    value: bytes

    @property
    def id(self) -> str:
        return self.headers["ce_id"]

    def json(self) -> Any:
        return json.loads(self.value)


def producer(bootstrap: str) -> Producer:
    """An idempotent librdkafka producer that places keys as Java does, waits up to two minutes for the broker, and is
    back within two seconds of it."""
    return Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "message.timeout.ms": 120_000,
            "reconnect.backoff.max.ms": 1_000,
            "log_level": 0,
        }
    )


def read_all(bootstrap: str, *topics: str) -> list[Received]:
    """Every record that the topics hold now, in order within each partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"outside-{time.monotonic_ns()}",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": False,
        }
    )
    received: list[Received] = []
    try:
        ends: dict[tuple[str, int], int] = {}
        starts: list[TopicPartition] = []
        for topic in topics:
            for partition in consumer.list_topics(topic, timeout=30).topics[topic].partitions:
                low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
                if high > low:
                    ends[topic, partition] = high
                    starts.append(TopicPartition(topic, partition, low))
        consumer.assign(starts)
        while ends:
            for message in consumer.consume(5000, timeout=1.0):
                if message.error() is not None:
                    raise KafkaException(message.error())
                record = _received(message)
                place = (record.topic, record.partition)
                if record.offset < ends.get(place, 0):
                    received.append(record)
                if record.offset + 1 >= ends.get(place, 0):
                    ends.pop(place, None)
    finally:
        consumer.close()
    return received


def wait_for(bootstrap: str, topic: str, wanted: Callable[[Received], bool], within_s: float = 60.0) -> Received:
    """The first record of the topic, from its beginning, that is wanted. AssertionError when none comes in time."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"outside-{time.monotonic_ns()}",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            message = consumer.poll(0.5)
            if message is not None and message.error() is None:
                record = _received(message)
                if wanted(record):
                    return record
    finally:
        consumer.close()
    raise AssertionError(f"no wanted record on {topic} within {within_s:.0f} s")


def _received(message: Any) -> Received:
    return Received(
        topic=message.topic(),
        partition=message.partition(),
        offset=message.offset(),
        timestamp_ms=message.timestamp()[1],
        key=(message.key() or b"").decode(errors="replace"),
        headers={name: (value or b"").decode(errors="replace") for name, value in message.headers() or []},
        value=message.value() or b"",
    )


def kcat(bootstrap: str, topic: str, lines: str) -> None:
    """Sends `key|value` lines with kcat, placed as Java's clients would. Skips, loudly, where kcat is not installed."""
    program = shutil.which("kcat")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("kcat is missing: apt-get install kcat")
        pytest.skip("kcat is missing: apt-get install kcat")
    command = [program, "-P", "-K|", "-X", "partitioner=murmur2_random", "-b", bootstrap, "-t", topic]
    subprocess.run(command, input=lines.encode(), check=True, timeout=60)


def dead_letter(installation: Installation, org: str, value: str) -> dict[str, Any]:
    """Sends a command of the org that no service can read: where it is put aside, by what names it in a path."""
    topic, bootstrap = installation.topic(COMMANDS), installation.environment["FETTLE_KAFKA_BOOTSTRAP_SERVERS"]
    client = producer(bootstrap)
    client.produce(topic, value.encode(), org)
    client.flush(30)

    def put_aside() -> list[Received]:
        return [one for one in read_all(bootstrap, f"{topic}.dlq") if one.key == org]

    [record] = eventually(put_aside, "the record is put aside")
    return {"topic": COMMANDS, "offset": record.offset}


class Beating:
    """Devices that report every `interval_s` from a thread of their own until told to fall silent.

    Heartbeats that the broker never acknowledged are kept in `lost`; tests look at it.
    """

    def __init__(self, bootstrap: str, topic: str, org: str, interval_s: float = 0.5) -> None:
        self._producer, self._topic, self._org, self._interval_s = producer(bootstrap), topic, org, interval_s
        self._values: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self.lost: list[str] = []
        self._thread = threading.Thread(target=self._beat, name="heartbeats", daemon=True)

    def __enter__(self) -> Beating:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._producer.flush(60)

    def alive(self, *subjects: str, **value: Any) -> None:
        """The subjects (`device/x1`) report from now on, each with this value."""
        with self._lock:
            for subject in subjects:
                self._values[subject] = json.dumps(value).encode() if value else b""

    def silent(self, *subjects: str) -> None:
        with self._lock:
            for subject in subjects:
                self._values.pop(subject, None)

    def _beat(self) -> None:
        while not self._ended.wait(self._interval_s):
            with self._lock:
                now = dict(self._values)
            for subject, value in now.items():
                self._producer.produce(
                    self._topic, key=f"{self._org}/{subject}", value=value, on_delivery=self._delivered
                )
            self._producer.poll(0)

    def _delivered(self, error: Any, message: Any) -> None:
        if error is not None:
            self.lost.append(message.key().decode())


def console_producer(bootstrap: str, topic: str, lines: str) -> None:
    """Sends `key|value` lines with the console producer of Kafka's own jars."""
    from fettle_devstack import kafka_tool

    command = [
        *kafka_tool("org.apache.kafka.tools.ConsoleProducer"),
        *("--bootstrap-server", bootstrap, "--topic", topic),
        *("--reader-property", "parse.key=true", "--reader-property", "key.separator=|"),
    ]
    subprocess.run(command, input=lines.encode(), check=True, timeout=60)
