"""Which Kafka and which Postgres: those that settings name, containers on request, otherwise our own."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol

from fettle_devstack.failures import NotOurs
from fettle_devstack.home import Home
from fettle_devstack.kafka import EmbeddedKafka
from fettle_devstack.postgres import EmbeddedPostgres
from fettle_devstack.progress import Progress
from fettle_devstack.settings import DevstackSettings


class Server(Protocol):
    """A server that can be taken away and given back, for tests of what happens then.

    `start` blocks until it answers, `stop` and `kill` until it is gone; `pause` makes it hang, `resume` lets it go on.
    """

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...


class Kafka(Server, Protocol):
    @property
    def bootstrap(self) -> str:
        """The addresses that clients connect to first."""


class Postgres(Server, Protocol):
    @property
    def url(self) -> str:
        """The server's URL without a database, once it has been started."""


class Given:
    """A server that somebody else runs. Starting and stopping it does nothing; what would hurt others is refused."""

    def start(self) -> None:
        return

    def stop(self) -> None:
        return

    def kill(self) -> None:
        raise NotOurs("A server that settings name is not ours to kill.")

    def pause(self) -> None:
        raise NotOurs("A server that settings name is not ours to hold.")

    def resume(self) -> None:
        raise NotOurs("A server that settings name is not ours to hold.")


class GivenKafka(Given):
    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap


class GivenPostgres(Given):
    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")


@dataclass(frozen=True)
class Servers:
    """One Kafka and one Postgres. `ours` says whether faults may be inflicted on both."""

    kafka: Kafka
    postgres: Postgres
    home: Home
    progress: Progress

    @property
    def ours(self) -> bool:
        return not isinstance(self.kafka, Given) and not isinstance(self.postgres, Given)

    @property
    def environment(self) -> dict[str, str]:
        """The settings that lead a service to these servers, once they have been started."""
        return {
            "FETTLE_KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap,
            "FETTLE_DATABASE_URL": self.postgres.url,
        }

    def start(self) -> None:
        """Starts both at once; blocks until both answer, or raises the first `DevstackError` with both stopped."""
        pool = ThreadPoolExecutor(2, thread_name_prefix="devstack")
        try:
            starts = [pool.submit(server.start) for server in (self.kafka, self.postgres)]
            done, _ = wait(starts, return_when=FIRST_EXCEPTION)
            for start in done:
                start.result()
        except BaseException:
            self.progress.interrupt()
            pool.shutdown()
            self.stop()
            raise
        pool.shutdown()

    def stop(self) -> None:
        """Stops both at once; blocks until both are gone."""
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda server: server.stop(), (self.kafka, self.postgres)))
        self.home.release()


def chosen(settings: DevstackSettings, progress: Progress | None = None) -> Servers:
    """The servers that settings ask for, not yet started.

    Raises `DevstackError` when `FETTLE_DEVSTACK=docker` asks for an engine that does not answer.
    """
    progress = progress or Progress()
    home = Home(settings.home)
    kafka: Kafka
    postgres: Postgres
    if settings.engine == "docker" and not (settings.kafka_bootstrap_servers and settings.database_url):
        from fettle_devstack import containers  # slow to import, and few ask for it

        containers.require_engine()
        kafka, postgres = (
            containers.ContainerKafka(settings, home, progress),
            containers.ContainerPostgres(settings, home, progress),
        )
    else:
        kafka, postgres = EmbeddedKafka(settings, home, progress), EmbeddedPostgres(settings, home, progress)
    return Servers(
        GivenKafka(settings.kafka_bootstrap_servers) if settings.kafka_bootstrap_servers else kafka,
        GivenPostgres(settings.database_url) if settings.database_url else postgres,
        home,
        progress,
    )


@contextlib.contextmanager
def running(settings: DevstackSettings, progress: Progress | None = None) -> Iterator[Servers]:
    """The servers that settings ask for, started, and stopped at the end whatever happens. Raises `DevstackError`."""
    servers = chosen(settings, progress)
    servers.start()
    try:
        yield servers
    finally:
        servers.stop()
