"""Servers for a session of tests, and an environment of its own for each test.

The servers are those of `FETTLE_KAFKA_BOOTSTRAP_SERVERS` and `FETTLE_DATABASE_URL` where set, so that several sessions
can share a pair; otherwise a pair is started on free ports and removed with its data afterwards. Where tests run in
several processes at once (pytest-xdist), the first process starts the pair and the others share it.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pytest

from fettle_devstack.home import Home
from fettle_devstack.isolation import discard, isolated
from fettle_devstack.ports import free_port, share_ports
from fettle_devstack.servers import Servers, running
from fettle_devstack.settings import DevstackSettings

_GIVEN = ("FETTLE_KAFKA_BOOTSTRAP_SERVERS", "FETTLE_DATABASE_URL")
_BEING_MADE_S = 60.0
_shared = pytest.StashKey[ExitStack]()


def pytest_configure(config: pytest.Config) -> None:
    """In one of several test processes: keeps to a share of the ports."""
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        share_ports(int(worker["workerid"].removeprefix("gw")), worker["workercount"])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Before the test processes start: starts the pair that they find in their environment."""
    config.stash[_shared] = stack = ExitStack()
    servers = stack.enter_context(own_pair(config.rootpath, os.environ))
    os.environ.update(servers.environment)


def pytest_unconfigure(config: pytest.Config) -> None:
    if (stack := config.stash.get(_shared, None)) is not None:
        stack.close()


@contextmanager
def own_pair(root: Path, environ: Mapping[str, str]) -> Iterator[Servers]:
    """Servers on free ports, their data under `root/.fettle/tests`, all gone afterwards.

    Data of sessions that were killed are removed first; a new folder may be another session's, about to be used.
    """
    tests = root / ".fettle" / "tests"
    tests.mkdir(parents=True, exist_ok=True)
    for folder in tests.iterdir():
        if folder.stat().st_mtime < time.time() - _BEING_MADE_S:
            Home(folder).erase()
    home = Path(mkdtemp(dir=tests))
    home.chmod(0o711)
    settings = DevstackSettings.load(
        {
            **environ,
            "FETTLE_HOME": str(home),
            "FETTLE_KAFKA_PORT": str(free_port()),
            "FETTLE_POSTGRES_PORT": str(free_port()),
        }
    )
    try:
        with running(settings) as servers:
            yield servers
    finally:
        Home(home).erase()


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    """One Kafka and one Postgres for the session. Not for faults: others may be using them."""
    with own_pair(request.config.rootpath, os.environ) as pair:
        yield pair


@pytest.fixture(scope="module")
def own_servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    """A pair that the tests of one module may stop, hang and kill."""
    with own_pair(request.config.rootpath, {k: v for k, v in os.environ.items() if k not in _GIVEN}) as pair:
        yield pair


@pytest.fixture
def environment(servers: Servers) -> Iterator[dict[str, str]]:
    """Every setting of an installation of its own on the session's servers; what it made there is dropped after."""
    settings = isolated(servers)
    yield settings
    discard(servers, settings)


@pytest.fixture
def own_environment(own_servers: Servers) -> dict[str, str]:
    """Every setting of an installation of its own on servers that tests may stop, hang and kill."""
    return isolated(own_servers)
