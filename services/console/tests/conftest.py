"""The console's own fixtures."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from console_world import World, console_world
from tests.provider import CLIENT, SECRET, Provider, running_provider

from fettle_devstack.isolation import discard, isolated
from fettle_devstack.servers import Servers


@pytest.fixture(scope="session")
def console_environment(servers: Servers) -> Iterator[dict[str, str]]:
    settings = isolated(servers)
    yield settings
    discard(servers, settings)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running_console(console_environment: dict[str, str]) -> AsyncIterator[World]:
    async with console_world(console_environment) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def world(running_console: World) -> World:
    """The session's console without any org, ticket or session. Its Kafka topics keep what other tests wrote.

    A test that uses it runs in the session's loop: `pytestmark = pytest.mark.asyncio(loop_scope="session")`.
    """
    await running_console.forget()
    return running_console


@pytest.fixture
async def new_world(environment: dict[str, str]) -> AsyncIterator[World]:
    """A console of this test alone, with topics of its own."""
    async with console_world(environment) as started:
        yield started


@pytest.fixture
async def fragile(own_environment: dict[str, str]) -> AsyncIterator[World]:
    """A console on servers that may be hurt, by requests that come as fast as they can."""
    async with console_world(own_environment, REQUESTS_PER_S="100000", REQUESTS_BURST="100000") as started:
        yield started


@pytest.fixture(scope="session")
def _provider_environment(servers: Servers) -> Iterator[dict[str, str]]:
    settings = isolated(servers)
    yield settings
    discard(servers, settings)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _with_provider(_provider_environment: dict[str, str]) -> AsyncIterator[tuple[World, Provider]]:
    async with (
        running_provider() as provider,
        console_world(
            _provider_environment,
            PUBLIC_URL=f"http://127.0.0.1:{_provider_environment['FETTLE_HTTP_PORT']}",
            OIDC_ISSUER=provider.url,
            OIDC_CLIENT_ID=CLIENT,
            OIDC_CLIENT_SECRET=SECRET,
        ) as started,
    ):
        yield started, provider


@pytest_asyncio.fixture(loop_scope="session")
async def provider(_with_provider: tuple[World, Provider]) -> Provider:
    """The provider of `people`, saying the truth of Ann."""
    _with_provider[1].forget()
    return _with_provider[1]


@pytest_asyncio.fixture(loop_scope="session")
async def people(_with_provider: tuple[World, Provider], provider: Provider) -> World:
    """A console that people sign in to with `provider`, without any org, session or person."""
    await _with_provider[0].forget()
    return _with_provider[0]
