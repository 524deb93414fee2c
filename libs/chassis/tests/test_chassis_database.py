"""One database per service: created and migrated once by whoever comes, written by whole transactions."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from chassis_echo.app import PACKAGE, SAID
from chassis_echo.workbench import database_of, heard
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from fettle_chassis.database import Database
from fettle_chassis.outbox import Outgoing
from fettle_chassis.patience import is_transient
from fettle_chassis.retention import Retention
from fettle_chassis.settings import ServiceSettings
from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work
from fettle_contracts.times import FIRST, LAST


@pytest.fixture
def settings(environment: dict[str, str]) -> ServiceSettings:
    return ServiceSettings.load(environment)


@pytest.fixture
async def database(settings: ServiceSettings) -> AsyncIterator[Database]:
    async with database_of(settings) as database:
        yield database


async def hear(work: UnitOfWork, name: str) -> None:
    await work.connection.execute(text("INSERT INTO heard (id, partition) VALUES (:id, 0)"), {"id": name})
    work.publish(Outgoing((SAID,), b"k", name.encode()))


async def waiting(database: Database) -> int:
    async with database.reading() as connection:
        count: int = await connection.scalar(text("SELECT count(*) FROM outbox"))
        return count


@pytest.mark.rule("OP-28")
async def test_replicas_that_start_together_migrate_once(settings: ServiceSettings) -> None:
    replicas = [Database(settings.database_dsn("tickets"), pool_size=1) for _ in range(5)]
    await asyncio.gather(*(replica.ensure_exists() for replica in replicas))
    await asyncio.gather(*(replica.migrate(PACKAGE) for replica in replicas))
    async with replicas[0].reading() as connection:
        assert list(await connection.scalars(text("SELECT version_num FROM alembic_version"))) == ["0001"]
    await asyncio.gather(*(replica.close() for replica in replicas))


@pytest.mark.rule("OP-28")
async def test_code_that_is_older_than_the_database_leaves_it_alone(database: Database) -> None:
    await database.ensure_exists()
    await database.migrate(PACKAGE)
    async with database.engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '0099'"))
    await database.migrate(PACKAGE)
    assert await heard(database) == []


@pytest.mark.rule("KF-46")
async def test_a_unit_of_work_is_all_or_nothing(database: Database) -> None:
    await database.ensure_exists()
    await database.migrate(PACKAGE)
    async with unit_of_work(database) as work:
        await hear(work, "a")
    with pytest.raises(ZeroDivisionError):
        await _fail(database)
    begun = asyncio.Event()

    async def cancelled() -> None:
        async with unit_of_work(database) as work:
            await hear(work, "c")
            begun.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(cancelled())
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    assert await heard(database) == ["a"]
    assert await waiting(database) == 1


async def test_what_a_unit_holds_is_let_go_when_its_transaction_has_ended(database: Database) -> None:
    await database.ensure_exists()
    await database.migrate(PACKAGE)
    seen: list[list[str]] = []

    @asynccontextmanager
    async def looks() -> AsyncIterator[None]:
        try:
            yield
        finally:
            seen.append(await heard(database))

    async def say(name: str, fails: bool) -> None:
        async with unit_of_work(database) as work:
            await work.hold(looks())
            await hear(work, name)
            if fails:
                raise ZeroDivisionError

    await say("a", fails=False)
    with pytest.raises(ZeroDivisionError):
        await say("b", fails=True)
    assert seen == [["a"], ["a"]]


@pytest.mark.rule("KF-46")
async def test_what_is_told_after_the_commit_is_told_in_order_and_not_where_there_is_none(database: Database) -> None:
    await database.ensure_exists()
    await database.migrate(PACKAGE)
    told: list[str] = []

    async def say(*names: str, but: Callable[[UnitOfWork], Awaitable[object]]) -> None:
        async with unit_of_work(database) as work:
            for name in names:
                await hear(work, name)
                work.after_commit(partial(told.append, name))
            await but(work)
            assert told == await heard(database)

    async def goes_well(_: UnitOfWork) -> None:
        pass

    async def fails(_: UnitOfWork) -> None:
        raise ZeroDivisionError

    async def loses_its_session(work: UnitOfWork) -> None:
        session = await work.connection.scalar(text("SELECT pg_backend_pid()"))
        async with database.engine.begin() as connection:
            await connection.execute(text("SELECT pg_terminate_backend(:session, 5000)"), {"session": session})

    await say("a", "b", but=goes_well)
    with pytest.raises(ZeroDivisionError):
        await say("c", but=fails)
    with pytest.raises(DBAPIError):
        await say("d", but=loses_its_session)
    await say("c", "d", but=goes_well)
    assert told == await heard(database) == ["a", "b", "c", "d"]


async def _fail(database: Database) -> None:
    async with unit_of_work(database) as work:
        await hear(work, "b")
        raise ZeroDivisionError


async def _somebody_waits(work: UnitOfWork) -> None:
    """For what this transaction holds."""
    waits = text("SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted")
    async with asyncio.timeout(60):
        while not await work.connection.scalar(waits):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


@pytest.mark.rule("KF-46")
async def test_of_two_transactions_with_one_identity_the_second_waits_and_knows(database: Database) -> None:
    await database.ensure_exists()
    await database.migrate(PACKAGE)
    identities = [("s", "b"), ("s", "a")]
    async with unit_of_work(database) as first:
        assert await first.first_time("echo", identities) == [True, True]

        async def other() -> list[bool]:
            async with unit_of_work(database) as second:
                return await second.first_time("echo", [*reversed(identities), ("s", "c")])

        racing = asyncio.create_task(other())
        await _somebody_waits(first)
        assert not racing.done()
    assert await racing == [False, False, True]
    async with unit_of_work(database) as work:
        assert await work.first_time("another", [("s", "a"), ("s", "a")]) == [True, False]
        assert await work.first_time("echo", []) == []


@pytest.mark.rule("KF-43")
async def test_the_inbox_forgets_after_thirty_days(database: Database) -> None:
    await database.ensure_exists()
    await database.migrate(PACKAGE)
    async with unit_of_work(database) as work:
        await work.first_time("echo", [("s", f"n{number}") for number in range(2_500)])
        await work.connection.execute(text("UPDATE inbox SET at = now() - interval '29 days' WHERE id = 'n7'"))
        await work.connection.execute(
            text("UPDATE inbox SET at = now() - interval '31 days' WHERE id NOT IN ('n7', 'n8')")
        )
    steps: list[int] = []

    def count(_connection: object, cursor: Any, statement: str, *_: object) -> None:
        if "DELETE FROM inbox" in statement:
            steps.append(cursor.rowcount)

    event.listen(database.engine.sync_engine, "after_cursor_execute", count)
    assert await Retention(database).forget() == 2_498
    assert steps == [1_000, 1_000, 498]
    async with unit_of_work(database) as work:
        assert await work.first_time("echo", [("s", "n6"), ("s", "n7"), ("s", "n8")]) == [True, False, False]


@pytest.mark.rule("TS-113")
async def test_times_that_python_does_not_know_are_read_where_that_is_asked_for(settings: ServiceSettings) -> None:
    """On every connection, those apart too; all others come and go as they are, in arrays as well."""
    database = Database(settings.database_dsn("tickets"), any_time=True)
    await database.ensure_exists()
    times = [datetime(1, 1, 1, 0, 0, 0, 1, UTC), datetime(2026, 11, 23, 12, 0, 0, 1, UTC), LAST - datetime.resolution]
    told = text(
        "SELECT CAST(:one AS timestamptz) AS one, CAST(:all AS timestamptz[]) AS all, NULL::timestamptz AS none"
    )
    odd = text("SELECT CAST(unnest(ARRAY['infinity', '-infinity', '20000-01-01', '4000-01-01 BC']) AS timestamptz)")
    for connecting in (database.reading, database.snapshot, database.apart):
        async with connecting() as connection:
            for time in times:
                row = (await connection.execute(told, {"one": time, "all": [time, None]})).one()
                assert tuple(row) == (time, [time, None], None)
            assert list(await connection.scalars(odd)) == [LAST, FIRST, LAST, FIRST]
    await database.close()


@pytest.mark.rule("KF-56")
async def test_a_table_that_a_newer_version_alters_is_an_error_that_passes(settings: ServiceSettings) -> None:
    database = Database(settings.database_dsn("tickets"), pool_size=1)
    await database.ensure_exists()
    await database.migrate(PACKAGE)
    read = text("SELECT * FROM heard")
    async with database.reading() as connection:
        await connection.execute(read)
    newer = await database.session()
    await newer.execute("ALTER TABLE heard ADD COLUMN more text")
    await newer.close()
    with pytest.raises(DBAPIError) as stale:
        async with unit_of_work(database) as work:
            await work.connection.execute(read)
    assert is_transient(stale.value)
    async with unit_of_work(database) as work:
        assert list((await work.connection.execute(read)).keys())[-1] == "more"
    await database.close()
