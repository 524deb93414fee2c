"""How far the database knows `ticket.events`, and org counters that are behind it.

Whatever stands on the topic was committed before it was published. So a database knows all that stood there at any
moment before now, unless it was put back since; and how far that is (`number_mark`) goes back with it.
"""

from collections.abc import Mapping

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_MARKS = text("SELECT partition, log, next_offset FROM number_mark")
_SET = text("""
    INSERT INTO number_mark (partition, log, next_offset)
    SELECT partition, :log, next_offset
    FROM unnest(CAST(:partitions AS integer[]), CAST(:offsets AS bigint[])) AS mark (partition, next_offset)
    ORDER BY partition
    ON CONFLICT (partition) DO UPDATE SET log = excluded.log, next_offset = excluded.next_offset
    WHERE number_mark.log <> excluded.log OR number_mark.next_offset < excluded.next_offset
""")
_RAISE = text("""
    INSERT INTO org (org, name, deleted, told_at, next_number)
    SELECT org, '', true, to_timestamp(0), number + 1
    FROM unnest(CAST(:orgs AS text[]), CAST(:numbers AS bigint[])) AS given (org, number)
    ORDER BY org
    ON CONFLICT (org) DO UPDATE SET next_number = excluded.next_number WHERE org.next_number < excluded.next_number
    RETURNING org, next_number
""")
"""An org that has not been heard of yet is kept as one that is not there, until it is."""
_COUNTERS = text("SELECT org, next_number FROM org WHERE org = ANY(CAST(:orgs AS text[]))")


class Mark(Struct, frozen=True):
    """Up to where a partition is known, and of which log: a topic that is made anew is another one."""

    log: str
    next_offset: int


async def marks(connection: AsyncConnection) -> dict[int, Mark]:
    """By partition."""
    return {row.partition: Mark(row.log, row.next_offset) for row in await connection.execute(_MARKS)}


async def set_marks(connection: AsyncConnection, log: str, offsets: Mapping[int, int]) -> None:
    """Moves marks forward; those of another log are replaced."""
    await connection.execute(_SET, {"log": log, "partitions": list(offsets.keys()), "offsets": list(offsets.values())})


async def raise_counters(connection: AsyncConnection, highest: Mapping[str, int]) -> dict[str, int]:
    """Makes sure that each org's next number is above the given one; returns the next numbers of those that it had to
    raise."""
    rows = await connection.execute(_RAISE, {"orgs": list(highest.keys()), "numbers": list(highest.values())})
    return {row.org: row.next_number for row in rows}


async def counters(connection: AsyncConnection, orgs: Mapping[str, int]) -> dict[str, int]:
    """The next number of each of those orgs that there is."""
    return {row.org: row.next_number for row in await connection.execute(_COUNTERS, {"orgs": list(orgs)})}
