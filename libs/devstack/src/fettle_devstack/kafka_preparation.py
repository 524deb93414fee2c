"""What makes Kafka start in two seconds in place of six: done once, kept in the cache."""

import shutil
import tempfile
import time
from pathlib import Path

from fettle_devstack import cache, java
from fettle_devstack.failures import StartFailed
from fettle_devstack.kafka_node import Node, answers
from fettle_devstack.ports import free_port
from fettle_devstack.progress import Progress

_FORMATTED = "formatted"
_WITHIN_S = 120.0


def prepared(cache_folder: Path, jars: Path, progress: Progress) -> Path:
    """The entry of the cache that was prepared for these jars and this Java, on first use.

    Blocks a quarter of a minute then. Raises `StartFailed` when an empty log cannot be made, or `Interrupted`. When
    only the archive of classes cannot be made a line says so: Kafka starts without.
    """

    def fill(entry: Path) -> None:
        progress.say("preparing fast starts of Kafka (once for all clones)")
        with tempfile.TemporaryDirectory() as workshop:
            log = Path(workshop) / "kafka.log"
            node = Node(Path(workshop), free_port(), free_port(), jars)
            node.format(log)
            shutil.copytree(node.data, entry / _FORMATTED)
            try:
                _record(node, entry, log, progress)
            except StartFailed as error:
                progress.say(f"not prepared, Kafka starts more slowly: {error}")

    return cache.entry(cache_folder, f"{jars.name}-java-{java.VERSION}", fill)


def formatted(entry: Path) -> Path:
    """An empty log, as Kafka's own tool made it."""
    return entry / _FORMATTED


def _record(node: Node, entry: Path, log: Path, progress: Progress) -> None:
    """Starts and stops a broker; Java writes the archive as it ends."""
    broker = node.start(log, java.recording(entry), grace_s=_WITHIN_S)
    try:
        deadline = time.monotonic() + _WITHIN_S
        while not answers(node.port):
            progress.check()
            if broker.status is not None or time.monotonic() > deadline:
                raise StartFailed("Kafka", "did not answer", log, log.read_text()[-500:])
            time.sleep(0.05)
    finally:
        broker.stop()
