"""First answers to writes that carry an `Idempotency-Key`, so that a repeat gets the same and does nothing."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.database import Database
from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work

KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of an answer."""

    status: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """What a write answers, and what its repeats are answered: that is kept, so no secret may stand in it."""

    first: Answer
    again: Answer


class KeyReused(Exception):
    """The key came before with something else to do."""


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
            known = await _first(work.connection, org, key, _fingerprint(request), now)
            if known is not None:
                return known
            written = await write(work)
            await _keep(work.connection, org, key, written.again)
            return written.first


def _fingerprint(request: str) -> bytes:
    return blake2b(request.encode(), digest_size=16).digest()


async def _first(connection: AsyncConnection, org: str, key: str, fingerprint: bytes, now: datetime) -> Answer | None:
    """None for a key that is new, which is now taken; else the answer that is kept for it."""
    await connection.execute(text("DELETE FROM answer WHERE at < :before"), {"before": now - KEPT})
    entered = await connection.execute(
        text(
            "INSERT INTO answer (org, key, fingerprint, at) VALUES (:org, :key, :fingerprint, :now) "
            "ON CONFLICT DO NOTHING"
        ),
        {"org": org, "key": key, "fingerprint": fingerprint, "now": now},
    )
    if entered.rowcount:
        return None
    query = text("SELECT fingerprint, status, body FROM answer WHERE org = :org AND key = :key")
    row = (await connection.execute(query, {"org": org, "key": key})).one()
    if bytes(row.fingerprint) != fingerprint:
        raise KeyReused
    return Answer(row.status, row.body)


async def _keep(connection: AsyncConnection, org: str, key: str, answer: Answer) -> None:
    await connection.execute(
        text("UPDATE answer SET status = :status, body = CAST(:body AS json) WHERE org = :org AND key = :key"),
        {"org": org, "key": key, "status": answer.status, "body": json.dumps(answer.body)},
    )
