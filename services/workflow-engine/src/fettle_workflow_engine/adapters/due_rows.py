"""What the passing of time sets going, and when the next of it is due: one statement for all of it."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


class Kind(StrEnum):
    """`runs`: waits that are over, and runs over their timeout."""

    RUNS = "runs"
    SCHEDULES = "schedules"
    CALLS = "calls"
    DIGESTS = "digests"


LOOK_EVERY: Final = timedelta(seconds=2)
"""Between two looks. What comes to be due before the next one is announced by whoever writes it."""

SLOWEST: Final = timedelta(seconds=10)
"""From what a transaction takes for now to its end: what is due meanwhile no look before that can see."""

CHANNEL = "fettle_due"
"""The NOTIFY channel of those announcements, at most one a transaction."""

SESSION: Final = {"enable_seqscan": "off", "enable_bitmapscan": "off"}
"""What the connection is opened with: a plan that is made when a table is empty is kept when it is not any more."""

HOLDING: Final = """
    WITH RECURSIVE holding AS (
        (SELECT org, channel FROM held_message WHERE digest IS NULL ORDER BY org, channel LIMIT 1)
        UNION ALL
        SELECT further.org, further.channel FROM holding CROSS JOIN LATERAL (
            SELECT org, channel FROM held_message
            WHERE digest IS NULL AND (org, channel) > (holding.org, holding.channel)
            ORDER BY org, channel LIMIT 1
        ) AS further
    )
    SELECT org, channel FROM holding WHERE NOT EXISTS (
        SELECT FROM digest WHERE sent_at IS NULL AND (digest.org, digest.channel) = (holding.org, holding.channel))
"""
"""The channels that hold messages back and have no digest under way: one row of each that holds any is looked at,
however many it holds."""

# Each of these is the first row of an index. What channels hold back is due while no digest is under way: there may be
# room for one.
_NEXT = f"""
    SELECT least((SELECT min(wake_at) FROM step WHERE state = 'waiting' AND wake_at IS NOT NULL),
                 (SELECT min(timeout_at) FROM run WHERE state = 'running')) AS runs,
           (SELECT min(next_at) FROM schedule) AS schedules,
           (SELECT min(due_at) FROM call) AS calls,
           CASE WHEN EXISTS ({HOLDING})
                THEN to_timestamp(0)
                ELSE (SELECT min(due_at) FROM digest WHERE sent_at IS NULL)
           END AS digests
"""  # noqa: S608 - a constant
_ANNOUNCE = text(f"SELECT pg_notify('{CHANNEL}', '')")


async def soonest(session: "asyncpg.Connection[Any]") -> Mapping[Kind, datetime | None]:
    """When the next of each kind is due, in the past for what is due now; None where there is none. Over a connection
    that was opened with `SESSION`."""
    row = await session.fetchrow(_NEXT)
    return {kind: row[kind.value] for kind in Kind}


async def announce(connection: AsyncConnection, moments: Iterable[datetime | None], now: datetime) -> None:
    """Has every engine look again when the transaction commits, if something of what it writes, due at these moments,
    may be due before they look anyway, however long the transaction takes from `now` on."""
    if any(moment is not None and moment <= now + SLOWEST + LOOK_EVERY for moment in moments):
        await connection.execute(_ANNOUNCE)
