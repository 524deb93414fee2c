"""One Postgres database per service, through SQLAlchemy's async engine on asyncpg."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec
from sqlalchemy import event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from fettle_chassis import migrations
from fettle_chassis.any_time import read_any_time
from fettle_chassis.patience import patiently
from fettle_chassis.service import Part

_SESSION = {
    "application_name": "fettle",
    # A process that hangs inside a transaction must not hold the fence against its successor.
    "idle_in_transaction_session_timeout": "10s",
    "lock_timeout": "15s",
    "statement_timeout": "30s",
}
_COMMAND_TIMEOUT_S = 35.0
_CONNECT_TIMEOUT_S = 5.0


class Database:
    """A pool of connections to one database. Creating it connects nowhere.

    `dsn` is `postgresql://user:password@host:port/name` as `settings.database_dsn` gives it. Every statement is bound:
    30 s to run, 15 s to wait for a lock, 10 s of idleness inside a transaction; what exceeds them is transient.
    `any_time`: times that are none to Python are read all the same (`any_time.py`), for 0.4 µs each. `fresh_plans`:
    each statement is planned for the tables as they are, for 0.1 ms and up; a plan that was made while a table held few
    rows reads all of them for each key when they are many, until Postgres has counted them.
    """

    def __init__(self, dsn: str, *, pool_size: int = 10, any_time: bool = False, fresh_plans: bool = False) -> None:
        self._url = _normal(dsn)
        url = self._url.set(drivername="postgresql+asyncpg")
        session = _SESSION | ({"plan_cache_mode": "force_custom_plan"} if fresh_plans else {})
        how = {"server_settings": session, "command_timeout": _COMMAND_TIMEOUT_S, "timeout": _CONNECT_TIMEOUT_S}
        self._engine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            pool_use_lifo=True,
            connect_args=how,
            json_deserializer=_read_json,
        )
        self._apart = create_async_engine(url, poolclass=NullPool, connect_args=how, json_deserializer=_read_json)
        if any_time:
            for engine in (self._engine, self._apart):
                event.listen(engine.sync_engine, "connect", _reads_any_time)

    @property
    def name(self) -> str:
        """The database's name on its server."""
        return self._url.database or ""

    @property
    def engine(self) -> AsyncEngine:
        return self._engine

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection for reads, in autocommit, so that no snapshot is held open. Writes go through `unit_of_work`."""
        async with self._engine.connect() as connection:
            yield await connection.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """A connection for a few reads that must agree: all of them see the database as the first one does."""
        async with self._engine.connect() as connection:
            yield await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @asynccontextmanager
    async def apart(self) -> AsyncIterator[AsyncConnection]:
        """A connection of its own outside the pool, closed when left: for what takes so long that it would keep others
        from the pool's. The caller bounds how many there are."""
        async with self._apart.connect() as connection:
            yield connection

    async def session(self, **settings: str) -> "asyncpg.Connection[Any]":
        """A connection of its own outside the pool, for session locks and LISTEN. The caller closes it."""
        return await _connect(self._url, settings)

    async def ensure_exists(self) -> None:
        """Creates the database if the server does not have it; safe to call from many processes at once."""
        try:
            connection = await _connect(self._url, {})
        except asyncpg.InvalidCatalogNameError:
            await self._create()
        else:
            await connection.close()

    async def migrate(self, package: str) -> None:
        """Brings the schema to the newest version in `<package>/migrations/versions/`, under an advisory lock, so that
        replicas may start together. Takes as long as it takes: no bound on statements holds here.

        A database that is newer than the code is left alone: migrations work beside the previous version's code.
        """
        how = {"server_settings": {"application_name": "fettle"}, "timeout": _CONNECT_TIMEOUT_S}
        engine = create_async_engine(
            self._url.set(drivername="postgresql+asyncpg"), poolclass=NullPool, connect_args=how
        )
        async with engine.connect() as connection:
            await migrations.upgrade(connection, package)

    async def close(self) -> None:
        """Closes the pool; a later use opens it again."""
        await self._engine.dispose()

    async def _create(self) -> None:
        server = await _connect(self._url.set(database="postgres"), {})
        try:
            await server.execute(f'CREATE DATABASE "{self.name}"')
        except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
            pass  # another process was faster
        finally:
            await server.close()


class DatabasePart(Part):
    """Start: creates and migrates the database, waiting up to 60 s for a server that is away. Stop: closes the pool."""

    name = "database"

    def __init__(self, database: Database, package: str) -> None:
        self._database = database
        self._package = package

    async def start(self) -> None:
        await patiently(self._prepare)

    async def stop(self) -> None:
        await self._database.close()

    async def _prepare(self) -> None:
        await self._database.ensure_exists()
        await self._database.migrate(self._package)


async def _connect(url: URL, settings: dict[str, str]) -> "asyncpg.Connection[Any]":
    return await asyncpg.connect(
        url.render_as_string(hide_password=False),
        timeout=_CONNECT_TIMEOUT_S,
        command_timeout=_COMMAND_TIMEOUT_S,
        server_settings={"application_name": "fettle", **settings},
    )


def _reads_any_time(connection: Any, _record: object) -> None:
    connection.run_async(read_any_time)


def _read_json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except ValueError:  # half of a surrogate pair, a number that is not finite
        return json.loads(text)


def _normal(dsn: str) -> URL:
    """libpq's `sslmode` is asyncpg's `ssl` when SQLAlchemy passes it on."""
    url = make_url(dsn).set(drivername="postgresql")
    if mode := url.query.get("sslmode"):
        url = url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    return url
