"""An index comes to a table that others go on writing to, however many replicas start and whatever stopped halfway."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest
from chassis_echo.app import PACKAGE
from chassis_echo.workbench import database_of, until
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from fettle_chassis import database as module
from fettle_chassis import migrations
from fettle_chassis.database import Database
from fettle_chassis.patience import patiently
from fettle_chassis.settings import ServiceSettings

GROWN = "chassis_echo_grown"
HEAR = text("INSERT INTO heard (id, partition) VALUES (:id, 0)")
WAITS = "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database() AND lockers_total > 0"
QUEUED = """
    SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted
"""
VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('heard_by_id')"
VERSION = "SELECT version_num FROM alembic_version"


@pytest.fixture
def settings(environment: dict[str, str]) -> ServiceSettings:
    return ServiceSettings.load(environment)


@pytest.fixture
async def database(settings: ServiceSettings) -> AsyncIterator[Database]:
    """As the version before has left it."""
    async with database_of(settings) as database:
        await database.ensure_exists()
        await database.migrate(PACKAGE)
        yield database


async def one(database: Database, question: str) -> Any:
    async with database.reading() as connection:
        return await connection.scalar(text(question))


async def hear(database: Database, id: str) -> None:
    async with asyncio.timeout(30), database.engine.begin() as connection:
        await connection.execute(HEAR, {"id": id})


@pytest.mark.rule("KF-48")
async def test_replicas_build_an_index_once_and_nobody_who_writes_waits(
    settings: ServiceSettings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_COMMAND_TIMEOUT_S", 3.0)
    monkeypatch.setattr(module, "_SESSION", {"statement_timeout": "3s", "lock_timeout": "3s"})
    replicas = [Database(settings.database_dsn("tickets"), pool_size=1) for _ in range(4)]
    async with database.engine.begin() as open_transaction:
        await open_transaction.execute(HEAR, {"id": "a"})
        migrating = asyncio.gather(*(replica.migrate(GROWN) for replica in replicas))
        await until(lambda: one(database, WAITS))
        await hear(database, "b")
        await asyncio.sleep(4.0)  # longer than any other statement of theirs may take
        assert not migrating.done()
    await migrating
    assert (await one(database, VALID), await one(database, VERSION)) == (True, "0002")
    assert await one(database, "SELECT string_agg(id, ' ' ORDER BY id) FROM heard") == "a b"
    await asyncio.gather(*(replica.close() for replica in replicas))


@pytest.mark.rule("KF-53")
async def test_a_replica_of_the_version_before_may_start_while_an_index_is_built(
    settings: ServiceSettings, database: Database
) -> None:
    """It waits inside a statement for its turn, and the index for its statement: the server ends one of the two."""
    before, replica = (Database(settings.database_dsn("tickets"), pool_size=1) for _ in range(2))
    ended = list[str]()

    async def noted(made: Awaitable[None]) -> None:
        try:
            await made
        except DBAPIError as error:
            ended.append(str(error))
            raise

    async def start_as_before() -> None:
        async with before.engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": migrations._LOCK_KEY})

    async with database.engine.begin() as open_transaction:
        await open_transaction.execute(HEAR, {"id": "a"})
        migrating = asyncio.create_task(patiently(lambda: noted(replica.migrate(GROWN))))
        await until(lambda: one(database, WAITS))
        starting = asyncio.create_task(patiently(lambda: noted(start_as_before())))
        await until(lambda: one(database, QUEUED))
    await asyncio.gather(migrating, starting)
    assert "deadlock detected" in ended[0]
    await before.close()
    assert (await one(database, VALID), await one(database, VERSION)) == (True, "0002")
    await replica.close()


@pytest.mark.rule("KF-48")
async def test_an_index_that_was_left_half_built_is_built_anew(database: Database) -> None:
    for _ in range(2):
        await hear(database, "a")
    with pytest.raises(IntegrityError):
        async with database.reading() as connection:
            await connection.execute(text("CREATE UNIQUE INDEX CONCURRENTLY heard_by_id ON heard (id)"))
    assert await one(database, VALID) is False
    await database.migrate(GROWN)
    assert (await one(database, VALID), await one(database, VERSION)) == (True, "0002")


@pytest.mark.rule("KF-48")
async def test_an_index_that_was_built_before_the_process_ended_stays(database: Database) -> None:
    async with database.reading() as connection:
        await connection.execute(text("CREATE INDEX heard_by_id ON heard (id)"))
    built = await one(database, "SELECT to_regclass('heard_by_id')::oid")
    await database.migrate(GROWN)
    assert await one(database, "SELECT to_regclass('heard_by_id')::oid") == built
    assert await one(database, VERSION) == "0002"
