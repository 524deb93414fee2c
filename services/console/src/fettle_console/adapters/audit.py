"""The audit log in Postgres. An entry stands there before its request is carried out, and its outcome before whoever
asked has the answer."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row, text
from sqlalchemy.exc import SQLAlchemyError
from uuid_utils.compat import uuid7

from fettle_chassis.database import Database
from fettle_chassis.http import Problem
from fettle_chassis.patience import is_transient
from fettle_chassis.unit_of_work import unit_of_work
from fettle_console import metrics
from fettle_console.domain.audit import (
    KEPT,
    REPEATS,
    Asked,
    AuditOutcome,
    Door,
    Entry,
    Wanted,
    Who,
    first_id,
    same_again,
)

log = structlog.get_logger(__name__)

_SWEEP = text("""
    DELETE FROM audit WHERE id IN
        (SELECT id FROM audit WHERE id < :before ORDER BY id LIMIT 10 FOR UPDATE SKIP LOCKED)
""")
_LET_GO = text("UPDATE audit SET again = NULL WHERE again = :again AND id < :before")
_ASKED = text("""
    INSERT INTO audit (id, org, actor_id, actor_name, role, door, method, path, key, again)
    VALUES (:id, :org, :actor_id, :actor_name, :role, :door, :method, :path, :key, :again)
    ON CONFLICT (again) DO UPDATE SET times = audit.times + 1
    RETURNING id
""")
_ENDED = text("UPDATE audit SET status = :status WHERE id = :id AND (status IS NULL OR status >= 400)")

_CLAUSES = {
    "actor": "actor_id = :actor",
    "thing": "(path = :thing OR (path > :thing || '/' AND path < :thing || '0'))",
    "since": "id >= :since",
    "until": "id < :until",
    "before": "id < :before",
}
_OUTCOMES = {
    AuditOutcome.ASKED: "status IS NULL",
    AuditOutcome.DONE: "status < 400",
    AuditOutcome.REFUSED: "status BETWEEN 400 AND 499",
    AuditOutcome.FAILED: "status >= 500",
}


@dataclass(slots=True)
class Heard:
    """The status of the answer, once there is one."""

    status: int | None = None


class Audit:
    """What was asked of each org. Nothing changes or removes an entry but its own outcome, and age: with each entry
    that comes ten go that are older than `KEPT`."""

    def __init__(self, database: Database, secret: bytes) -> None:
        self._database, self._secret = database, secret

    async def asked(self, asked: Asked, now: datetime, query: str = "", body: bytes = b"") -> UUID:
        """The id of the request's entry, which is kept when this returns. A repeat under the same key has the entry of
        the first one. What fails here must keep the request from being carried out."""
        again = same_again(asked, query, body, self._secret)
        async with unit_of_work(self._database) as work:
            await work.connection.execute(_SWEEP, {"before": first_id(now - KEPT)})
            if again is not None:
                await work.connection.execute(_LET_GO, {"again": again, "before": first_id(now - REPEATS)})
            entered = await work.connection.execute(_ASKED, {"id": uuid7(), "again": again, **_columns(asked)})
            id: UUID = entered.scalar_one()
        return id

    async def ended(self, id: UUID, status: int) -> None:
        """Puts the outcome down. What was done once stays done, whatever a repeat is answered. While the database is
        away the outcome is lost, not the answer: what was asked has happened."""
        try:
            async with unit_of_work(self._database) as work:
                await work.connection.execute(_ENDED, {"id": id, "status": status})
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            if not is_transient(error):
                raise
            metrics.OUTCOMES_LOST.inc()
            log.warning("audit.outcome_lost", id=str(id), status=status, error=repr(error))

    @asynccontextmanager
    async def recorded(self, asked: Asked, now: datetime, query: str = "", body: bytes = b"") -> AsyncIterator[Heard]:
        """Around what carries the request out, which says what it heard; a `Problem` says so itself. Anything else that
        is raised leaves the entry without an outcome."""
        id, heard = await self.asked(asked, now, query, body), Heard()
        try:
            yield heard
        except Problem as problem:
            await self.ended(id, problem.status)
            raise
        if heard.status is not None:
            await self.ended(id, heard.status)

    async def page(self, org: str, wanted: Wanted, before: UUID | None, limit: int) -> Sequence[Entry]:
        """Up to `limit` entries, the newest first, of those before one."""
        said = {
            "actor": wanted.actor,
            "thing": wanted.thing,
            "since": wanted.since and first_id(wanted.since),
            "until": wanted.until and first_id(wanted.until),
            "before": before,
        }
        given = {name: value for name, value in said.items() if value is not None}
        clauses = ["org = :org", *(_CLAUSES[name] for name in given)]
        if wanted.outcome is not None:
            clauses.append(_OUTCOMES[wanted.outcome])
        query = f"SELECT * FROM audit WHERE {' AND '.join(clauses)} ORDER BY id DESC LIMIT :limit"  # noqa: S608
        async with self._database.reading() as connection:
            rows = await connection.execute(text(query), {"org": org, "limit": limit, **given})
            return [_entry(row) for row in rows]


def _columns(asked: Asked) -> dict[str, Any]:
    return {
        "org": asked.org,
        "actor_id": asked.who.id,
        "actor_name": asked.who.name,
        "role": asked.who.role,
        "door": asked.door.value,
        "method": asked.method,
        "path": asked.path,
        "key": asked.key,
    }


def _entry(row: Row[Any]) -> Entry:
    who = Who(row.actor_id, row.actor_name, row.role)
    asked = Asked(row.org, who, Door(row.door), row.method, row.path, row.key)
    return Entry(row.id, asked, row.status, row.times)
