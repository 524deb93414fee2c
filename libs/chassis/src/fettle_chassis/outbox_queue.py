"""The outbox as the relay reads it: rows in order, deleted when published.

Identity order is not commit order: a row may appear behind others that were read and deleted long ago. So nothing is
ever skipped by "greater than the last one". But a select from the very beginning walks over every deleted row that
another session's old snapshot keeps from being vacuumed. Hence the floor: an id below which no row can appear any more.

Why it is right: a writer has its transaction id before it draws a row's id (`outbox.write` sees to that), ids are drawn
one after another, and a row that was seen was drawn before it was seen. So once a row `c` has been seen, whoever will
still bring a row below `c` is a transaction that is running at that moment. When all transactions that were running
then have ended, one more select shows all that they brought; what it shows is published, then the floor is `c`.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import asyncpg

from fettle_chassis.failures import TransientError

_READ = """
    SELECT id, topics, key, partition, headers, value FROM outbox
    WHERE id > $1 AND id <> ALL($2::bigint[])
    ORDER BY id LIMIT $3
"""
_DELETE = "DELETE FROM outbox WHERE id = ANY($1::bigint[])"
_RUNNING = """
    SELECT pg_snapshot_xmin(now)::text::bigint, pg_snapshot_xmax(now)::text::bigint FROM pg_current_snapshot() AS now
"""
SESSION: Final = {"enable_seqscan": "off", "enable_bitmapscan": "off", "synchronous_commit": "off"}
"""What the connection is opened with. PostgreSQL keeps a plan until the table is vacuumed; one from a moment at which
nothing waited reads, and puts in order, all that waits for each of the next rows. And a deletion that a crash of the
server undoes is a message published once more, as after any crash."""

ANSWERS_WITHIN_S = 15.0
"""A connection that says nothing for so long is taken for dead: nobody may have told its ends."""
_RAISE_AFTER_ROWS = 2_000
"""So many deleted rows cost a select next to nothing."""


class Row(Protocol):
    """An outbox row, as asyncpg gives it."""

    def __getitem__(self, column: str) -> Any: ...


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A floor to be: everything below `id` is decided when no transaction before `horizon` runs any more."""

    id: int
    horizon: int


class Silent(TransientError):
    """The connection has not answered in time. It may be dead, and no other statement will tell sooner."""


class OutboxQueue:
    """One relay's view of the outbox, over one connection, opened with `SESSION`. A new connection is a new view, whose
    floor is 0 again. Every call raises `Silent` after `ANSWERS_WITHIN_S`, and what asyncpg raises."""

    def __init__(self, session: "asyncpg.Connection[Any]") -> None:
        self._session = session
        self.floor = 0
        self._highest = 0
        self._read = 0
        self._candidate: _Candidate | None = None

    async def read(self, limit: int, in_flight: Collection[int]) -> Sequence[Row]:
        """The next rows in order, without those in flight."""
        decided = await self._decided() if self._read >= _RAISE_AFTER_ROWS else None
        with _in_time():
            rows: Sequence[Row] = await self._session.fetch(
                _READ, self.floor, list(in_flight), limit, timeout=ANSWERS_WITHIN_S
            )
        if rows:
            self._read += len(rows)
            self._highest = max(self._highest, rows[-1]["id"])
        if decided is not None:
            waiting = [*in_flight, *(row["id"] for row in rows[:1])]
            if all(id > decided.id for id in waiting):
                self.floor, self._candidate, self._read = decided.id, None, 0
        return rows

    async def delete(self, ids: Collection[int]) -> None:
        """Deletes published rows in one statement."""
        with _in_time():
            await self._session.execute(_DELETE, list(ids), timeout=ANSWERS_WITHIN_S)

    async def _decided(self) -> _Candidate | None:
        """The candidate, if every transaction that could still bring a row below it has ended by now."""
        with _in_time():
            oldest, horizon = await self._session.fetchrow(_RUNNING, timeout=ANSWERS_WITHIN_S)
        if self._candidate is None:
            self._candidate = _Candidate(self._highest, horizon)
        return self._candidate if oldest >= self._candidate.horizon else None


@contextmanager
def _in_time() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise Silent(f"the outbox has not been read or emptied within {ANSWERS_WITHIN_S:g} s") from error
