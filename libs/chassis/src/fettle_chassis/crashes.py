"""Records whose handling crashes the process: counted across starts, set aside at the third."""

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from fettle_chassis.database import Database
from fettle_chassis.patience import patiently
from fettle_chassis.records import Record

LIMIT = 3
"""The start that crashes at the same record for this time sets it aside."""

_COUNT = text("""
    INSERT INTO crash AS known (subscription, topic, partition, record_offset, crashes, last_error, at)
    VALUES (:subscription, :topic, :partition, :offset, 1, :error, now())
    ON CONFLICT (subscription, topic, partition, record_offset)
    DO UPDATE SET crashes = known.crashes + 1, last_error = excluded.last_error, at = excluded.at
    RETURNING crashes
""")

_SET_ASIDE = text("""
    SELECT record_offset FROM crash
    WHERE subscription = :subscription AND topic = :topic AND partition = :partition AND crashes >= :limit
""")

_UNSTORABLE_STATES = frozenset({"22021", "22P05"})
"""SQLSTATEs: a character that the database's encoding does not have; NUL above all."""


async def count(database: Database, subscription: str, record: Record, error: Exception) -> int:
    """Counts one more crash at this record, in a transaction of its own; returns how many there are now."""

    async def in_own_transaction() -> int:
        async with database.engine.begin() as connection:
            crashes: int = await connection.scalar(
                _COUNT,
                {
                    "subscription": subscription,
                    "topic": record.topic,
                    "partition": record.partition,
                    "offset": record.offset,
                    "error": repr(error).replace("\0", "\\0")[:2_000],
                },
            )
            return crashes

    return await patiently(in_own_transaction, within_s=10.0)


async def set_aside(database: Database, subscription: str, topic: str, partition: int) -> frozenset[int]:
    """The offsets of records that have crashed as many starts as any may. Raises what the database raises."""
    async with database.reading() as connection:
        found = await connection.scalars(
            _SET_ASIDE, {"subscription": subscription, "topic": topic, "partition": partition, "limit": LIMIT}
        )
        return frozenset(found)


def is_unstorable_text(error: Exception) -> bool:
    """Whether Postgres refused text as such (NUL, lone surrogates): the data's fault, not the code's."""
    found = error.orig if isinstance(error, DBAPIError) else error
    return getattr(found, "sqlstate", None) in _UNSTORABLE_STATES or isinstance(error, UnicodeEncodeError)
