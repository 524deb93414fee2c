"""Apache Kafka on this machine."""

from pathlib import Path

from fettle_devstack import java
from fettle_devstack.artifacts import fetched, pinned
from fettle_devstack.embedded import EmbeddedServer
from fettle_devstack.home import Home
from fettle_devstack.kafka_node import Node, answers
from fettle_devstack.kafka_preparation import formatted, prepared
from fettle_devstack.leashed import Leashed
from fettle_devstack.ports import free_port
from fettle_devstack.progress import Progress
from fettle_devstack.settings import DevstackSettings

VERSION = "4.3.1"
_NAME = f"kafka-{VERSION}"


def jars(settings: DevstackSettings, progress: Progress) -> Path:
    """The folder with Kafka's jars, downloaded on first use."""
    return fetched(_NAME, pinned(_NAME), settings, progress)


def kafka_tool(main_class: str) -> list[str]:
    """The beginning of a command line that runs one of Kafka's own tools, `org.apache.kafka.tools.ConsoleProducer`
    for one. Downloads Kafka on first use."""
    return [*(str(word) for word in java.command(jars(DevstackSettings.load(), Progress()))), main_class]


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
        entry = prepared(self._settings.cache, jar_folder, self.progress)
        node = Node(self.home.path / "kafka", self.port, free_port(), jar_folder)
        if not node.is_formatted:
            node.format_like(formatted(entry))
        return node.start(self.log, java.replaying(entry), self.home.keeps)

    def answers(self) -> bool:
        return answers(self.port)
