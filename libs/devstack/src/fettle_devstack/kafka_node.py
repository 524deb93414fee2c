"""One KRaft node: its files in a folder, and the command lines over them."""

import base64
import shutil
import struct
import uuid
from pathlib import Path

from fettle_devstack import java
from fettle_devstack.embedded import exchange
from fettle_devstack.failures import StartFailed
from fettle_devstack.leashed import Leashed

_CONFIGURATION = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=1000
broker.session.timeout.ms=4000
log.cleaner.dedupe.buffer.size=16777216
log.index.size.max.bytes=1048576
log.segment.delete.delay.ms=5000
"""
"""One node with short waits; what else clients can see is Kafka's own default.

A broker that was killed is let in again when its last session has run out.
"""

_LOGGING = """\
status = warn
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSS} %p %m (%c)%n
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
logger.settings.name = org.apache.kafka.common.config
logger.settings.level = warn
"""


class Node:
    """A node with its files in `folder`, made if missing. Its log is empty until it is formatted."""

    def __init__(self, folder: Path, port: int, controller_port: int, jars: Path) -> None:
        self.folder, self.port, self._jars = folder, port, jars
        self.data = folder / "data"
        self._settings = folder / "server.properties"
        self._logging = folder / "log4j2.properties"
        folder.mkdir(parents=True, exist_ok=True)
        self._settings.write_text(_CONFIGURATION.format(port=port, controller=controller_port, data=self.data))
        self._logging.write_text(_LOGGING)

    @property
    def is_formatted(self) -> bool:
        return (self.data / "meta.properties").exists()

    def format(self, log: Path) -> None:
        """Makes an empty log with Kafka's own tool, which takes a second. Raises `StartFailed`."""
        words: java.Command = ["kafka.tools.StorageTool", "format", "-t", _drawn(), "-c", self._settings]
        if Leashed.start([*self._java(()), *words], folder=self.folder, log=log).wait():
            raise StartFailed("Kafka", "could not format its storage", log, "")

    def format_like(self, formatted: Path) -> None:
        """Makes an empty log as `formatted` was made, under an identity of its own."""
        half = self.data.with_suffix(".half")
        shutil.rmtree(half, ignore_errors=True)
        shutil.copytree(formatted, half)
        meta = half / "meta.properties"
        lines = (line.partition("=") for line in meta.read_text().splitlines() if not line.startswith("#"))
        new = {"cluster.id": _drawn(), "directory.id": _drawn()}
        meta.write_text("".join(f"{name}={new.get(name, value)}\n" for name, _, value in lines))
        half.rename(self.data)

    def start(self, log: Path, flags: tuple[str, ...], keeps: tuple[int, ...] = (), grace_s: float = 20.0) -> Leashed:
        words = [*self._java(flags), "kafka.Kafka", self._settings]
        return Leashed.start(words, folder=self.folder, log=log, keeps=keeps, grace_s=grace_s)

    def _java(self, flags: tuple[str, ...]) -> java.Command:
        return java.command(self._jars, f"-Dlog4j2.configurationFile={self._logging}", *flags)


def _drawn() -> str:
    """A random identity as Kafka writes it: 22 characters, of which the first is no dash."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        continue
    return text


def answers(port: int) -> bool:
    """Whether the broker answers an ApiVersions request (version 0), the first that every client sends."""
    request = struct.pack(">hhih", 18, 0, 7, -1)
    answer = exchange(port, struct.pack(">i", len(request)) + request, 8)
    return len(answer) == 8 and struct.unpack(">ii", answer)[1] == 7
