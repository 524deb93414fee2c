"""New rows by COPY, the cheapest way in: half the time of an INSERT from arrays, a third of the client's work."""

from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.failures import TransientError
from fettle_chassis.patience import is_transient

Row = tuple[Any, ...]

MANY = 300
"""So many rows of one table go better by COPY, which takes two round trips, than by one statement."""


async def copy_rows(connection: AsyncConnection, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Adds the rows, values in the order of `columns` (JSON as text), in the connection's transaction, which must have
    begun by a statement before. Raises TransientError when the connection is lost."""
    raw: Any = (await connection.get_raw_connection()).driver_connection
    try:
        await raw.copy_records_to_table(table, records=rows, columns=columns)
    except asyncpg.InterfaceError as error:
        if not is_transient(error):
            raise
        raise TransientError(f"the connection was lost: {error}") from error
