"""The time by which things are forgotten and removed: the database's, which all replicas have in common.

A replica whose own clock is ahead would remove what nobody wants removed, and that cannot be undone.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.times import to_milliseconds

Hour = Callable[[AsyncConnection], Awaitable[datetime]]


async def database_time(connection: AsyncConnection) -> datetime:
    """When the transaction began, cut to the milliseconds that messages carry."""
    began: datetime = (await connection.execute(select(func.now()))).scalar_one()
    return to_milliseconds(began)
