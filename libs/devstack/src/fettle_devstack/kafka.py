"""Apache Kafka as one KRaft node on this machine."""

import base64
import struct
import time
import uuid
from pathlib import Path

from fettle_devstack import java
from fettle_devstack.artifacts import fetched, pinned
from fettle_devstack.embedded import EmbeddedServer, exchange
from fettle_devstack.failures import StartFailed
from fettle_devstack.home import Home
from fettle_devstack.leashed import Leashed
from fettle_devstack.ports import free_port
from fettle_devstack.progress import Progress
from fettle_devstack.settings import DevstackSettings

VERSION = "4.3.1"
_NAME = f"kafka-{VERSION}"
_FIRST_ANSWER_WITHIN_S = 120.0

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


def jars(settings: DevstackSettings, progress: Progress) -> Path:
    """The folder with Kafka's jars, downloaded on first use."""
    return fetched(_NAME, pinned(_NAME), settings, progress)


def kafka_tool(main_class: str) -> list[str]:
    """The beginning of a command line that runs one of Kafka's own tools, `org.apache.kafka.tools.ConsoleProducer`
    for one. Downloads Kafka on first use."""
    return [*(str(word) for word in java.command(jars(DevstackSettings.load(), Progress()))), main_class]


class Node:
    """The files of one node in `folder`, and the command lines over them."""

    def __init__(self, folder: Path, port: int, controller_port: int, jar_folder: Path) -> None:
        self.folder, self._jars = folder, jar_folder
        self._data = folder / "data"
        self._settings = folder / "server.properties"
        self._logging = folder / "log4j2.properties"
        folder.mkdir(parents=True, exist_ok=True)
        self._settings.write_text(_CONFIGURATION.format(port=port, controller=controller_port, data=self._data))
        self._logging.write_text(_LOGGING)

    def format(self, log: Path, flags: tuple[str, ...], keeps: tuple[int, ...] = ()) -> None:
        """Makes an empty log with a cluster id of its own, unless there is one. Raises `StartFailed`."""
        if (self._data / "meta.properties").exists():
            return
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        words: java.Command = [
            "kafka.tools.StorageTool",
            "format",
            "--ignore-formatted",
            "-t",
            cluster,
            "-c",
            self._settings,
        ]
        if Leashed.start([*self._java(flags), *words], folder=self.folder, log=log, keeps=keeps).wait():
            raise StartFailed("Kafka", "could not format its storage", log, "")

    def start(self, log: Path, flags: tuple[str, ...], keeps: tuple[int, ...] = (), grace_s: float = 20.0) -> Leashed:
        words = [*self._java(flags), "kafka.Kafka", self._settings]
        return Leashed.start(words, folder=self.folder, log=log, keeps=keeps, grace_s=grace_s)

    def _java(self, flags: tuple[str, ...]) -> java.Command:
        return java.command(self._jars, f"-Dlog4j2.configurationFile={self._logging}", *flags)


def answers(port: int) -> bool:
    """Whether the broker answers an ApiVersions request (version 0), the first that every client sends."""
    request = struct.pack(">hhih", 18, 0, 7, -1)
    answer = exchange(port, struct.pack(">i", len(request)) + request, 8)
    return len(answer) == 8 and struct.unpack(">ii", answer)[1] == 7


class EmbeddedKafka(EmbeddedServer):
    """A broker of our own; log and identity stay in `home/kafka`."""

    name = "Kafka"
    port_setting = "FETTLE_KAFKA_PORT"

    def __init__(self, settings: DevstackSettings, home: Home, progress: Progress) -> None:
        super().__init__(home, settings.kafka_port, progress)
        self._settings = settings

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def launch(self) -> Leashed:
        jar_folder = jars(self._settings, self.progress)
        flags = java.archive(self._settings.cache, jar_folder, self._train, self.progress)
        node = Node(self.home.path / "kafka", self.port, free_port(), jar_folder)
        node.format(self.log, flags, self.home.keeps)
        return node.start(self.log, flags, self.home.keeps)

    def answers(self) -> bool:
        return answers(self.port)

    def _train(self, folder: Path, flag: str) -> None:
        """Starts and stops a broker on an empty log; Java writes the archive as it ends."""
        port, log = free_port(), folder / "train.log"
        node = Node(folder, port, free_port(), jars(self._settings, self.progress))
        node.format(log, ())
        broker = node.start(log, (flag,), grace_s=_FIRST_ANSWER_WITHIN_S)
        try:
            deadline = time.monotonic() + _FIRST_ANSWER_WITHIN_S
            while not answers(port):
                self.progress.check()
                if broker.status is not None or time.monotonic() > deadline:
                    raise StartFailed("Kafka", "did not answer", log, log.read_text()[-500:])
                time.sleep(0.05)
        finally:
            broker.stop()
