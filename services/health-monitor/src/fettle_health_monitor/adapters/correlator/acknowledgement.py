"""Whether Kafka has what shards have been told: it waits in the outbox no more.

Control records are written to the outbox under the control counter, so their rows have the order of their commits, and
they leave in that order: when the last of them has left, all before it have. It is looked for once, as that may go over
all that waits; then its row is looked at by its id.
"""

import asyncio
from collections.abc import Mapping

from sqlalchemy import TextClause, text

from fettle_chassis.database import Database
from fettle_contracts.topics import HEARTBEATS

_POLL_S = 0.02

_LAST = text("SELECT max(id) FROM outbox WHERE topics = :topic AND key = CAST(:key AS bytea)")

_LAST_UNDER = text("""
    SELECT max(id) FROM outbox WHERE topics = :topic AND substring(key FROM 1 FOR :length) = CAST(:beginning AS bytea)
""")

_WAITS = text("SELECT EXISTS (SELECT FROM outbox WHERE id = :id)")


async def acknowledged(database: Database, key: str, *, within_s: float) -> bool:
    """Waits until Kafka has acknowledged all that shards have been told by now under this key, an org's or a subject's
    `org/type/id`, by whomever; False when that takes longer than `within_s`. It is sent all the same, later."""
    return await _has_left(database, _LAST, {"key": key.encode()}, within_s)


async def acknowledged_of_subjects(database: Database, org: str, *, within_s: float) -> bool:
    """As `acknowledged`, of all subjects of an org."""
    beginning = f"{org}/".encode()
    return await _has_left(database, _LAST_UNDER, {"beginning": beginning, "length": len(beginning)}, within_s)


async def _has_left(database: Database, last: TextClause, about: Mapping[str, object], within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            async with database.reading() as connection:
                row = {"id": await connection.scalar(last, {"topic": HEARTBEATS, **about})}
            while row["id"] is not None:
                async with database.reading() as connection:
                    if not await connection.scalar(_WAITS, row):
                        break
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        return False
    return True
