"""A fleet that reports until what it reports to has caught up, and then once more."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from confluent_kafka import Producer

from bench.lateness import PARTITIONS, integration
from fettle_contracts.partitions import partition_for
from fettle_contracts.topics import HEARTBEATS
from fettle_health_monitor.settings import HealthSettings

EVERY_S = 1.0


class Burst:
    """One org's devices: `silent` of them fall silent together, `well` others, behind the same integrations and of a
    patient model, stay well."""

    def __init__(self, settings: HealthSettings, org: str, silent: int, well: int) -> None:
        self.caught_up = threading.Event()
        self.introduced = threading.Event()
        self._topic = settings.topic(HEARTBEATS)
        self._producer = Producer({"bootstrap.servers": settings.kafka_bootstrap_servers, "linger.ms": 5})
        keys = [f"{org}/device/{number}".encode() for number in range(silent + well)]
        self._to = [(key, partition_for(key, PARTITIONS)) for key in keys]
        self._silent = silent

    def report(self) -> float:
        """Everybody says where it belongs; those who will fall silent report each second until `caught_up`, then
        everybody, and a second later those for the last time, as fast as can be. Blocks; answers how long that last
        time took, in seconds."""
        self._say(self._introductions())
        self.introduced.set()
        while not self.caught_up.wait(EVERY_S):
            self._say(self._again())
        self._say(self._introductions())
        time.sleep(EVERY_S)
        return self._say(self._again())

    def _introductions(self) -> Iterator[bytes]:
        for number in range(len(self._to)):
            model = b"" if number < self._silent else b',"model":"patient"'
            yield b'{"integration":"%s"%s}' % (integration(number), model)

    def _again(self) -> Iterator[bytes]:
        for _ in range(self._silent):
            yield b""

    def _say(self, values: Iterator[bytes]) -> float:
        begun = time.perf_counter()
        for value, (key, place) in zip(values, self._to, strict=False):
            self._producer.produce(self._topic, value, key, place)
        self._producer.flush()
        return time.perf_counter() - begun
