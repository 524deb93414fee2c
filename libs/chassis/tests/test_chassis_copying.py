"""Many rows at once, and what text and JSON they hold."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from chassis_echo.app import PACKAGE
from chassis_echo.workbench import database_of, heard
from sqlalchemy import text

from fettle_chassis.copying import copy_rows
from fettle_chassis.crashes import is_unstorable_text
from fettle_chassis.database import Database
from fettle_chassis.settings import ServiceSettings
from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work

COLUMNS = ("id", "partition")


@pytest.fixture
async def database(environment: dict[str, str]) -> AsyncIterator[Database]:
    async with database_of(ServiceSettings.load(environment)) as found:
        await found.ensure_exists()
        await found.migrate(PACKAGE)
        yield found


async def hear(work: UnitOfWork, name: str) -> None:
    await work.connection.execute(text("INSERT INTO heard (id, partition) VALUES (:id, 0)"), {"id": name})


class Refused(Exception):
    """The transaction is not to be committed."""


async def test_rows_that_are_copied_are_part_of_the_transaction(database: Database) -> None:
    async with unit_of_work(database) as work:
        await hear(work, "a")
        await copy_rows(work.connection, "heard", COLUMNS, [("b", 0), ("c", 1)])
    with suppress(Refused):
        async with unit_of_work(database) as work:
            await hear(work, "d")
            await copy_rows(work.connection, "heard", COLUMNS, [("e", 0)])
            raise Refused
    assert await heard(database) == ["a", "b", "c"]


async def test_text_that_cannot_be_stored_is_known_whichever_way_it_comes(database: Database) -> None:
    name = "nul \0"

    async def insert(work: UnitOfWork) -> None:
        await hear(work, name)

    async def copy(work: UnitOfWork) -> None:
        await hear(work, "first")
        await copy_rows(work.connection, "heard", COLUMNS, [(name, 0)])

    for way in (insert, copy):
        with pytest.raises(Exception) as raised:
            async with unit_of_work(database) as work:
                await way(work)
        assert is_unstorable_text(raised.value), (way, raised.value)


@pytest.mark.parametrize(
    "value", [{"a": [1.5, None, "é", 10**30]}, {"half": "\ud800"}, {"escaped": "\U0001f600 \u2028"}]
)
async def test_json_comes_back_as_it_went(database: Database, value: object) -> None:
    async with database.reading() as connection:
        assert await connection.scalar(text("SELECT CAST(:it AS json)"), {"it": json.dumps(value)}) == value
