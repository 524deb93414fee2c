"""Databases that are copied from a migrated one."""

import asyncio
from collections.abc import Mapping

import asyncpg
import pytest

from fettle_devstack import templates
from fettle_devstack.templates import copied


class Counted:
    """A database with one table, which says how often it was made."""

    made = 0

    def __init__(self, url: str) -> None:
        self._url = url

    async def ensure_exists(self) -> None:
        server_url, _, name = self._url.rpartition("/")
        server = await asyncpg.connect(f"{server_url}/postgres")
        await server.execute(f'CREATE DATABASE "{name}"')
        await server.close()

    async def migrate(self, _package: str) -> None:
        connection = await asyncpg.connect(self._url)
        await connection.execute("CREATE TABLE thing (id integer)")
        await connection.close()
        Counted.made += 1

    async def close(self) -> None: ...


async def test_all_who_begin_at_once_have_a_copy_of_what_is_made_once(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "_state_of", lambda _: environment["FETTLE_TOPIC_PREFIX"])
    urls = [environment[f"FETTLE_{name}_DATABASE_URL"] for name in ("TICKETS", "HEALTH", "CONSOLE")]
    await asyncio.gather(*(copied(url, "of_a_test", Counted) for url in urls))
    await copied(urls[0], "of_a_test", Counted)
    assert Counted.made == 1
    for url in urls:
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("SELECT count(*) FROM thing") == 0
        await connection.close()


def test_other_migrations_have_another_template() -> None:
    assert templates._state_of("fettle_console") != templates._state_of("fettle_ticket_service")
