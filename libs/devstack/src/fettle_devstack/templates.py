"""Migrated databases for tests, each copied from one that is made once per server and state of the migrations: to
migrate takes four times as long as to copy."""

import hashlib
from collections.abc import Callable
from importlib.resources import files
from typing import Protocol

import asyncpg

_MAKING = 7_305_120
"""Of the advisory lock under which a template is made: test processes that begin at once share it."""


class Migrating(Protocol):
    """What a service's own database can do."""

    async def ensure_exists(self) -> None: ...

    async def migrate(self, package: str) -> None: ...

    async def close(self) -> None: ...


async def copied(url: str, package: str, database: Callable[[str], Migrating]) -> None:
    """Sees to it that there is a database at `url`, at the newest version of `package`'s migrations. `database` makes
    the service's own for a url. A template stays on its server; servers of tests go with their data."""
    server_url, _, name = url.rpartition("/")
    template = f"template_{package}_{_state_of(package)}"
    server = await asyncpg.connect(f"{server_url}/postgres")
    try:
        if await _is_there(server, name):
            return
        await server.execute("SELECT pg_advisory_lock($1)", _MAKING)
        if not await _is_there(server, template):
            half = f"{template}_half"
            await server.execute(f'DROP DATABASE IF EXISTS "{half}" WITH (FORCE)')
            await _make(database(f"{server_url}/{half}"), package)
            await server.execute(f'ALTER DATABASE "{half}" RENAME TO "{template}"')
        await server.execute("SELECT pg_advisory_unlock($1)", _MAKING)
        await server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    finally:
        await server.close()


async def _make(database: Migrating, package: str) -> None:
    await database.ensure_exists()
    await database.migrate(package)
    await database.close()


async def _is_there(server: "asyncpg.Connection[asyncpg.Record]", name: str) -> bool:
    return await server.fetchval("SELECT true FROM pg_database WHERE datname = $1", name) is not None


def _state_of(package: str) -> str:
    """Of all migrations, by what they say."""
    versions = sorted((files(package) / "migrations" / "versions").iterdir(), key=lambda file: file.name)
    told = (file.read_bytes() for file in versions if file.name.endswith(".py"))
    return hashlib.sha256(b"\0".join(told)).hexdigest()[:8]
