"""Times that Postgres can hold and Python cannot: days without end, the year 20000. Fettle writes none; where somebody
else has, reading them stops nobody."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from fettle_contracts.times import FIRST, LAST

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""What the database counts from."""
_MICROSECOND = timedelta(microseconds=1)


async def read_any_time(connection: "asyncpg.Connection[Any]") -> None:
    """Such a time is read as `FIRST` or `LAST` on this connection from now on."""
    await connection.set_type_codec("timestamptz", schema="pg_catalog", format="tuple", encoder=_sent, decoder=_read)


def _sent(moment: datetime) -> tuple[int]:
    return ((moment - _EPOCH) // _MICROSECOND,)


def _read(stored: tuple[int]) -> datetime:
    try:
        return _EPOCH + timedelta(0, 0, stored[0])
    except OverflowError:
        return LAST if stored[0] > 0 else FIRST
