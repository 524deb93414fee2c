"""Whether the books of an installation's verdicts add up: held up to every test that has used its database."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import asyncpg

from fettle_chassis.database import Database
from fettle_health_monitor.adapters.correlator import books
from fettle_health_monitor.adapters.correlator.books import Hour


def check(environment: Mapping[str, str]) -> None:
    """Raises AssertionError, with org, hour and verdicts, unless everything that was ever called for has exactly one
    outcome or waits for it, and ends by the answer that it has awaited. Nothing to say where there are no books."""
    asyncio.run(check_books(environment["FETTLE_HEALTH_DATABASE_URL"]))


async def check_books(url: str) -> None:
    """The same of a database, inside a loop."""
    add_up(await read(url))


def add_up(hours: Sequence[Hour]) -> None:
    """The same of books that have been read."""
    wrong = [hour for hour in hours if hour.unaccounted or hour.called != sum(hour.ended.values())]
    assert not wrong, f"verdicts that do not add up: {wrong}"


async def read(url: str) -> list[Hour]:
    """The books from the beginning; none for a database that is not there, or not the monitor's yet."""
    try:
        session = await asyncpg.connect(url)
    except asyncpg.InvalidCatalogNameError:
        return []
    try:
        if await session.fetchval("SELECT to_regclass('called')") is None:
            return []
    finally:
        await session.close()
    database = Database(url, pool_size=1)
    try:
        async with database.reading() as connection:
            return await books.hours(connection, since=0)
    finally:
        await database.close()
