"""An org's row that claims less than there is: the next number is taken, or the next place of its chain; or a ticket's
row, whose next version is taken. (What claims more than can be is refused by the book.)

Fettle never writes such a row, so somebody else has. Every command on the org would fail on a row that is there, for
ever; so the org's row is put right from the tickets and entries themselves, and the log says so, and tickets are held
against their timelines.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.failures import TransientError

log = structlog.get_logger(__name__)

_PUT_RIGHT = text("""
    WITH ends AS (
        SELECT wanted.org, coalesce((SELECT max(number) FROM ticket WHERE org = wanted.org), 0) AS last_number,
               coalesce(latest.place, 0) AS place, coalesce(latest.head, '') AS head
        FROM unnest(CAST(:orgs AS text[])) AS wanted (org)
        LEFT JOIN LATERAL (
            (SELECT place, head FROM entry WHERE org = wanted.org AND place IS NOT NULL ORDER BY place DESC LIMIT 1)
            UNION ALL
            (SELECT last, head FROM chain_gap WHERE org = wanted.org ORDER BY first DESC LIMIT 1)
            ORDER BY place DESC LIMIT 1
        ) AS latest ON true
    )
    UPDATE org SET next_number = greatest(next_number, least(last_number, 9223372036854775806) + 1),
        place = greatest(org.place, ends.place),
        head = CASE WHEN org.place < ends.place THEN ends.head ELSE org.head END
    FROM ends WHERE org.org = ends.org AND (next_number <= last_number OR org.place < ends.place)
    RETURNING org.org, org.next_number, org.place
""")
"""Numbers of removed tickets stop no insert: `books` asks for them each time."""

ROW_IS_THERE = (IntegrityError, asyncpg.UniqueViolationError)
"""What an insert or a COPY raises that meets one."""


_NO_ROOM = "22003"
"""SQLSTATE: a number that its column cannot hold."""


def has_no_room(error: DBAPIError) -> bool:
    """Whether a row claims so much that nothing can follow it."""
    return getattr(error.orig, "sqlstate", None) == _NO_ROOM


class RowThere(TransientError):
    """An insert met a row that is there: the same again puts right what claims less than there is."""


class OrgEnds:
    """Remembers in which orgs an insert has just met a row that was there already."""

    def __init__(self) -> None:
        self._doubtful: set[str] = set()

    @asynccontextmanager
    async def minded(self, connection: AsyncConnection, orgs: Iterable[str]) -> AsyncIterator[frozenset[str]]:
        """Around all that a transaction does with the orgs. Raises RowThere when it met such a row; the same again
        begins by putting the orgs' rows right, and is given these orgs, no ticket of which is to be believed. What that
        does not help is a bug, and is raised as it is."""
        named = set(orgs)
        doubtful = frozenset(self._doubtful & named)
        self._doubtful -= doubtful
        if doubtful:
            await _put_right(connection, sorted(doubtful))
        try:
            yield doubtful
        except ROW_IS_THERE as error:
            if doubtful:
                raise
            self._doubtful |= named
            raise RowThere("a row is there already: another may claim less than there is") from error


async def _put_right(connection: AsyncConnection, orgs: Sequence[str]) -> None:
    for row in await connection.execute(_PUT_RIGHT, {"orgs": orgs}):
        log.critical("org.put_right", org=row.org, next_number=row.next_number, place=row.place)
