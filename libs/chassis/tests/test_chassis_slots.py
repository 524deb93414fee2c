"""A slot belongs to one process at a time, and goes on to the next when its holder is gone."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from chassis_echo.workbench import database_of, until
from sqlalchemy import text

from fettle_chassis import slots
from fettle_chassis.database import Database
from fettle_chassis.failures import StartRefused
from fettle_chassis.lease import Lease, lock_key
from fettle_chassis.settings import ServiceSettings
from fettle_chassis.slots import Slot

_OURS = "locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
_HOLDER = text(f"SELECT pid FROM pg_locks WHERE {_OURS} AND granted")
_WAITED_FOR = text(f"SELECT count(*) FROM pg_locks WHERE {_OURS} AND NOT granted")
_CUT_OFF = text(f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE {_OURS} AND granted")


@pytest.fixture
def settings(environment: dict[str, str]) -> ServiceSettings:
    return ServiceSettings.load(environment)


@pytest.fixture
async def database(settings: ServiceSettings) -> AsyncIterator[Database]:
    async with database_of(settings) as database:
        await database.ensure_exists()
        yield database


@pytest.mark.rule("OP-27")
async def test_processes_take_the_lowest_free_number(settings: ServiceSettings, database: Database) -> None:
    first, second, third = (Slot("echo", settings, database) for _ in range(3))
    other = Slot("other", settings, database)
    for slot in (first, second, other):
        await slot.start()
    assert [slot.instance_id for slot in (first, second, other)] == ["echo-0", "echo-1", "other-0"]
    await first.stop()
    await third.start()
    assert third.instance_id == "echo-0"
    for slot in (second, third, other):
        await slot.stop()


@pytest.mark.rule("OP-27")
async def test_a_given_slot_is_not_leased(settings: ServiceSettings, database: Database) -> None:
    slot = Slot("echo", settings.model_copy(update={"slot": 7}), database)
    await slot.start()
    assert slot.instance_id == "echo-7"
    await slot.run()
    await slot.stop()


@pytest.mark.rule("OP-27")
async def test_a_lost_lease_is_taken_again(settings: ServiceSettings, database: Database) -> None:
    slot = Slot("echo", settings, database)
    await slot.start()
    running = asyncio.create_task(slot.run())
    async with database.reading() as connection:
        first = await connection.scalar(_HOLDER)
        await connection.execute(_CUT_OFF)

        async def taken_again() -> bool:
            return await connection.scalar(_HOLDER) not in (None, first)

        await until(taken_again)
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])
    await slot.stop()


@pytest.mark.rule("OP-27")
async def test_a_slot_that_somebody_else_took_stops_the_process(
    settings: ServiceSettings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "_GHOST_WITHIN_S", 2.0)
    slot = Slot("echo", settings, database)
    await slot.start()
    faster = Lease(database, lock_key("slot", "echo", "0"), hangs_after_s=10)
    waiting = asyncio.create_task(faster.acquire())
    async with database.reading() as connection:
        await until(lambda: connection.scalar(_WAITED_FOR))
        await connection.execute(_CUT_OFF)
    await waiting
    with pytest.raises(StartRefused, match="echo-0 was taken"):
        await slot.run()
    await faster.release()
    await slot.stop()


@pytest.mark.rule("OP-27")
async def test_a_slot_whose_old_session_lives_on_at_the_server_is_waited_for(
    settings: ServiceSettings, database: Database
) -> None:
    slot = Slot("echo", settings, database)
    await slot.start()
    running = asyncio.create_task(slot.run())
    ghost = Lease(database, lock_key("slot", "echo", "0"), hangs_after_s=10)
    haunting = asyncio.create_task(ghost.acquire())
    async with database.reading() as connection:
        await until(lambda: connection.scalar(_WAITED_FOR))
        await connection.execute(_CUT_OFF)
        await haunting
        held_by = await connection.scalar(_HOLDER)
        await asyncio.sleep(2.5)
        assert not running.done()
        await ghost.release()

        async def taken_again() -> bool:
            return await connection.scalar(_HOLDER) not in (None, held_by)

        await until(taken_again)
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])
    await slot.stop()


@pytest.mark.rule("OP-27")
async def test_a_lease_whose_holder_hangs_is_given_to_the_next(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging, next_ = (Lease(database, lock_key("x"), hangs_after_s=1.0) for _ in range(2))
    asleep = asyncio.Event()

    async def hang(*_: object) -> None:
        await asleep.wait()

    monkeypatch.setattr(hanging, "_ping", hang)
    await hanging.acquire()
    async with asyncio.timeout(60):
        await next_.acquire()
    asleep.set()
    await hanging.release()
    await next_.release()


@pytest.mark.rule("OP-27")
async def test_a_lease_in_use_outlasts_its_timeout(database: Database) -> None:
    holder, other = (Lease(database, lock_key("x"), hangs_after_s=5.0) for _ in range(2))
    await holder.acquire()
    for _ in range(14):
        assert not await other.try_acquire()
        await asyncio.sleep(0.5)
    await holder.release()
    assert await other.try_acquire()
    await other.release()
