"""First answers to writes that carry an `Idempotency-Key`, so that a repeat gets the same and does nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from sqlalchemy import text

from fettle_chassis.answers import Answer, first, keep
from fettle_chassis.database import Database
from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work

KEPT = timedelta(days=30)
_SWEEP = text("DELETE FROM answer WHERE at < :before")


@dataclass(frozen=True, slots=True)
class Written:
    """What a write answers, and what its repeats are answered: that is kept, so no secret may stand in it."""

    first: Answer
    again: Answer


class Answers:
    """Writes, each in a transaction of its own, and the memory of those that had a key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def once(
        self,
        org: str,
        key: str | None,
        request: str,
        now: datetime,
        write: Callable[[UnitOfWork], Awaitable[Written]],
    ) -> Answer:
        """Does `write`; with a key that came before in the org, only gives the answer that is kept for it.

        `request` is all that the write depends on, and who asks for it. Raises KeyReused when the key came with another
        one. Two requests with one key wait for each other. What `write` raises undoes everything, the key's memory
        included. Answers that are older than `KEPT` are swept out on the way.
        """
        async with unit_of_work(self._database) as work:
            if key is None:
                return (await write(work)).first
            await work.connection.execute(_SWEEP, {"before": now - KEPT})
            known = await first(work.connection, org, key, _fingerprint(request), now)
            if known is not None:
                return known
            written = await write(work)
            await keep(work.connection, org, key, written.again)
            return written.first


def _fingerprint(request: str) -> bytes:
    return blake2b(request.encode(), digest_size=16).digest()
