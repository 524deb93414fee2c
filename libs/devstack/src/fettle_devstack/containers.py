"""The same two servers as containers, for those who have an engine and ask for it with `FETTLE_DEVSTACK=docker`."""

import time
from collections.abc import Callable, Mapping
from hashlib import sha256

import docker  # type: ignore[import-untyped]
from docker.errors import DockerException  # type: ignore[import-untyped]
from testcontainers.core.container import DockerContainer

from fettle_devstack import kafka, kafka_node, postgres
from fettle_devstack.failures import DevstackError, StartFailed
from fettle_devstack.home import Home
from fettle_devstack.ports import require_free
from fettle_devstack.progress import Progress
from fettle_devstack.settings import DevstackSettings

KAFKA_IMAGE = f"apache/kafka:{kafka.VERSION}"
POSTGRES_IMAGE = "postgres:18"
_ANSWERS_WITHIN_S = 120.0


def require_engine() -> None:
    """Raises `DevstackError` unless a Docker engine answers."""
    try:
        client = docker.from_env()
        try:
            client.ping()
        finally:
            client.close()
    except DockerException:
        raise DevstackError(
            "FETTLE_DEVSTACK=docker, but no Docker engine answers. Start it, or unset FETTLE_DEVSTACK."
        ) from None


class ContainerServer:
    """A container on a port of 127.0.0.1. testcontainers removes it when this process is gone, however it ended.

    Data stay in a volume that is named after the home folder.
    """

    name: str
    port_setting: str
    image: str
    port_inside: int
    data_inside: str

    def __init__(self, home: Home, port: int, progress: Progress, answers: Callable[[int], bool]) -> None:
        self.home, self.port, self.progress = home, port, progress
        self._answers = answers
        self._container: DockerContainer | None = None

    def environment(self) -> Mapping[str, str]:
        raise NotImplementedError

    def start(self) -> None:
        """Blocks until the server answers; nothing happens if it runs.

        Raises `PortTaken`, `HomeInUse`, `StartFailed`, or `DevstackError` with what the engine says.
        """
        if self._container is not None:
            return
        self.home.take()
        require_free(self.port, self.name, self.port_setting)
        self.progress.say(f"starting {self.image}")
        volume = f"fettle-{sha256(str(self.home.path).encode()).hexdigest()[:12]}-{self.name.lower()}"
        container = DockerContainer(self.image, env=dict(self.environment()))
        container.with_volume_mapping(volume, self.data_inside, "rw")
        container.ports[f"{self.port_inside}/tcp"] = ("127.0.0.1", self.port)  # type: ignore[assignment]
        self._container = container
        try:
            container.start()
        except DockerException as error:
            self.stop()
            raise DevstackError(f"{self.name} could not start as a container: {error}") from None
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + _ANSWERS_WITHIN_S
        while not self._answers(self.port):
            self.progress.check()
            if time.monotonic() > deadline:
                self.stop()
                raise StartFailed(self.name, f"did not answer within {_ANSWERS_WITHIN_S:.0f} s", self.home.logs, "")
            time.sleep(0.05)

    def stop(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            container.get_wrapped_container().stop()
            container.stop(delete_volume=False)

    def kill(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            container.stop(force=True, delete_volume=False)

    def pause(self) -> None:
        if self._container is not None:
            self._container.get_wrapped_container().pause()

    def resume(self) -> None:
        if self._container is not None:
            self._container.get_wrapped_container().unpause()


class ContainerKafka(ContainerServer):
    name, port_setting = "Kafka", "FETTLE_KAFKA_PORT"
    image, port_inside, data_inside = KAFKA_IMAGE, 9092, "/var/lib/kafka/data"

    def __init__(self, settings: DevstackSettings, home: Home, progress: Progress) -> None:
        super().__init__(home, settings.kafka_port, progress, kafka_node.answers)

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def environment(self) -> Mapping[str, str]:
        return {
            "KAFKA_NODE_ID": "1",
            "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
            "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
            "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{self.port}",
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "KAFKA_LOG_DIRS": self.data_inside,
            "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
            "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        }


class ContainerPostgres(ContainerServer):
    name, port_setting = "Postgres", "FETTLE_POSTGRES_PORT"
    image, port_inside, data_inside = POSTGRES_IMAGE, 5432, "/var/lib/postgresql"

    def __init__(self, settings: DevstackSettings, home: Home, progress: Progress) -> None:
        super().__init__(home, settings.postgres_port, progress, postgres.answers)
        self._password = ""

    @property
    def url(self) -> str:
        return f"postgresql://{postgres.SUPERUSER}:{self._password}@127.0.0.1:{self.port}"

    def environment(self) -> Mapping[str, str]:
        self._password = postgres.kept_password(self.home.path / "postgres-container-password", None)
        return {"POSTGRES_USER": postgres.SUPERUSER, "POSTGRES_PASSWORD": self._password}
