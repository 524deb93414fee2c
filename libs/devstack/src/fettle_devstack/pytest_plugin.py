"""Servers for a session of tests, and an environment of its own for each test.

The servers are those of `FETTLE_KAFKA_BOOTSTRAP_SERVERS` and `FETTLE_DATABASE_URL` where set, so that several sessions
can share a pair; otherwise a pair is started on free ports and removed with its data afterwards.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pytest

from fettle_devstack.home import Home
from fettle_devstack.isolation import discard, isolated
from fettle_devstack.ports import free_port
from fettle_devstack.servers import Servers, running
from fettle_devstack.settings import DevstackSettings


@contextmanager
def own_pair(root: Path, environ: Mapping[str, str]) -> Iterator[Servers]:
    """Servers on free ports, their data under `root/.fettle/tests`, all gone afterwards.

    Data of sessions that were killed are removed first.
    """
    tests = root / ".fettle" / "tests"
    tests.mkdir(parents=True, exist_ok=True)
    for left_behind in tests.iterdir():
        Home(left_behind).erase()
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
    given = ("FETTLE_KAFKA_BOOTSTRAP_SERVERS", "FETTLE_DATABASE_URL")
    with own_pair(request.config.rootpath, {k: v for k, v in os.environ.items() if k not in given}) as pair:
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
