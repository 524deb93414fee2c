"""Whether Kafka has what a transaction wrote: its outbox rows are gone."""

import asyncio

from sqlalchemy import text

from fettle_chassis.database import Database
from fettle_chassis.unit_of_work import UnitOfWork

_POLL_S = 0.02

_TRANSACTION = text("SELECT CAST(CAST(pg_current_xact_id() AS xid) AS text)")

_WAITING = text("SELECT EXISTS (SELECT FROM outbox WHERE xmin = CAST(CAST(:transaction AS text) AS xid))")


async def transaction_of(work: UnitOfWork) -> str:
    """The transaction's id, by which its outbox rows are known as long as they wait."""
    return str(await work.connection.scalar(_TRANSACTION))


async def acknowledged(database: Database, transaction: str, *, within_s: float) -> bool:
    """Waits until every message of a committed transaction has been acknowledged by Kafka; False when that takes
    longer than `within_s`. They are sent all the same, later."""
    try:
        async with asyncio.timeout(within_s):
            while True:
                async with database.reading() as connection:
                    if not await connection.scalar(_WAITING, {"transaction": transaction}):
                        return True
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        return False
