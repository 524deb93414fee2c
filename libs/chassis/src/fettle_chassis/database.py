"""One Postgres database per service, through SQLAlchemy's async engine on asyncpg."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from fettle_chassis.service import Part


class Database:
    """A pool of connections to one database. Creating it connects nowhere.

    `dsn` is `postgresql://user:password@host:port/name` as `settings.database_dsn` gives it.
    """

    def __init__(self, dsn: str, *, pool_size: int = 10) -> None:
        raise NotImplementedError

    @property
    def engine(self) -> AsyncEngine:
        raise NotImplementedError

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection for reads: read-only, autocommit, so that no snapshot is held open. Writes go through
        `unit_of_work`."""
        raise NotImplementedError
        yield

    async def ensure_exists(self) -> None:
        """Creates the database if the server does not have it; safe to call from many processes at once."""
        raise NotImplementedError

    async def migrate(self, package: str) -> None:
        """Brings the schema to the newest version in `<package>/migrations/versions/`, under an advisory lock, so that
        replicas may start together. Under a second. Blocks no event loop. Raises `StartRefused` when the database
        is newer than the code and says so."""
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


class DatabasePart(Part):
    """Start: `ensure_exists`, `migrate(package)`, waiting up to 60 s for a server that is away. Stop: close the pool."""

    def __init__(self, database: Database, package: str) -> None:
        raise NotImplementedError
