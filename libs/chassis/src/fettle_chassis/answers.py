"""First answers to writes that carry an `Idempotency-Key`, so that a repeat gets the same and does nothing.

A service that uses this has the table `answer` (org, key, fingerprint, at, status, body), its own by its own migration.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of an answer."""

    status: int
    body: dict[str, Any] | None


class KeyReused(Exception):
    """The key came before with something else to do."""


async def first(connection: AsyncConnection, org: str, key: str, fingerprint: bytes, now: datetime) -> Answer | None:
    """None for a key that is new, which is now taken; else the answer that is kept for it. `fingerprint` stands for all
    that the write depends on. Two requests with one key wait for each other. Raises KeyReused."""
    entered = await connection.execute(
        text("""
            INSERT INTO answer (org, key, fingerprint, at) VALUES (:org, :key, :fingerprint, :now)
            ON CONFLICT DO NOTHING
        """),
        {"org": org, "key": key, "fingerprint": fingerprint, "now": now},
    )
    if entered.rowcount:
        return None
    row = (
        await connection.execute(
            text("SELECT fingerprint, status, body FROM answer WHERE org = :org AND key = :key"),
            {"org": org, "key": key},
        )
    ).one()
    if bytes(row.fingerprint) != fingerprint:
        raise KeyReused
    return Answer(row.status, row.body)


async def keep(connection: AsyncConnection, org: str, key: str, answer: Answer) -> None:
    """Puts down what repeats are answered: no secret may stand in it."""
    body = None if answer.body is None else json.dumps(answer.body)
    await connection.execute(
        text("UPDATE answer SET status = :status, body = CAST(:body AS json) WHERE org = :org AND key = :key"),
        {"org": org, "key": key, "status": answer.status, "body": body},
    )
