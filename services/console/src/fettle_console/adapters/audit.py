"""The audit log in Postgres. An entry stands there before its request is carried out, and its outcome before whoever
asked has the answer."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row, text
from sqlalchemy.exc import SQLAlchemyError
from uuid_utils.compat import uuid7

from fettle_chassis.database import Database
from fettle_chassis.http import Problem
from fettle_chassis.patience import is_transient
from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work
from fettle_console import metrics
from fettle_console.domain.audit import (
    KEPT,
    REFUSALS_EACH_MINUTE,
    REPEATS,
    SUMMED,
    UNHEARD,
    Asked,
    AuditOutcome,
    Door,
    Entry,
    Wanted,
    Who,
    first_id,
    minute_of,
    same_again,
    token_of,
    words_of_bulk,
)
from fettle_console.domain.sign_ins import Said

log = structlog.get_logger(__name__)

_SWEEP = text("""
    DELETE FROM audit WHERE id IN
        (SELECT id FROM audit WHERE id < :before ORDER BY id LIMIT 10 FOR UPDATE SKIP LOCKED)
""")
_LET_GO = text("UPDATE audit SET again = NULL WHERE again = :again AND id < :before")
_ASKED = text("""
    INSERT INTO audit (id, org, actor_id, actor_name, role, made_by, door, method, path, key, again, status, about)
    VALUES (:id, :org, :actor_id, :actor_name, :role, (SELECT created_by FROM token WHERE id = :token),
        :door, :method, :path, :key, :again, :status, CAST(:about AS json))
    ON CONFLICT (again) DO UPDATE SET times = audit.times + 1
    RETURNING id
""")
# What may be done stays so, whoever keeps a repeat from the service that knows.
_ENDED = text(f"""
    UPDATE audit SET status = :status, about = COALESCE(CAST(:about AS json), about)
    WHERE id = :id AND (status IS NULL OR status >= 400)
        AND (status IS DISTINCT FROM {UNHEARD} OR :status NOT IN (401, 403, 429) AND :status < 500)
""")  # noqa: S608 - a constant
# What was sent again meanwhile stays: the row is looked at once more when its lock is had. The sum's `again` is longer
# than any other.
_SUMMED_UP = text(f"""
    WITH gone AS (
        DELETE FROM audit WHERE id = :id AND times = 1 AND :kept <= (
            SELECT count(*) FROM audit other
            WHERE other.org = audit.org AND other.actor_id = audit.actor_id AND other.id >= :minute AND other.id < :next
                AND other.id <> :id AND other.status BETWEEN 400 AND 499 AND other.method <> '{SUMMED}'
        ) RETURNING *
    )
    INSERT INTO audit (id, org, actor_id, actor_name, role, made_by, door, method, path, again, status)
    SELECT :sum, org, actor_id, actor_name, role, made_by, door, '{SUMMED}', '/',
        sha256(convert_to(concat_ws(E'\n', org, actor_id, CAST(:minute AS text)), 'UTF8')), :status FROM gone
    ON CONFLICT (again) DO UPDATE SET times = audit.times + 1, status = excluded.status
    RETURNING id
""")  # noqa: S608 - a constant

_CLAUSES = {
    "actor": "actor_id = :actor",
    "thing": "(path = :thing OR (path > :thing || '/' AND path < :thing || '0') OR (path = '/tickets/bulk' AND "
    ":thing = ANY(SELECT '/tickets/' || one FROM unnest(string_to_array(about ->> 'numbers', ', ')) AS one)))",
    "since": "id >= :since",
    "until": "id < :until",
    "before": "id < :before",
}
_OUTCOMES = {
    AuditOutcome.ASKED: f"(status IS NULL OR status = {UNHEARD})",
    AuditOutcome.DONE: "status < 400",
    AuditOutcome.REFUSED: "status BETWEEN 400 AND 499",
    AuditOutcome.FAILED: f"status >= 500 AND status <> {UNHEARD}",
}


@dataclass(slots=True)
class Heard:
    """The status of the answer, once there is one, and what it says beyond that."""

    status: int | None = None
    about: Mapping[str, str] | None = None


class Audit:
    """What was asked of each org. Nothing changes or removes an entry but its own outcome, and age: with each entry
    that comes ten go that are older than `KEPT`. Of somebody who is refused all the time most entries become a sum."""

    def __init__(self, database: Database, secret: bytes) -> None:
        self._database, self._secret = database, secret

    async def asked(self, asked: Asked, now: datetime, query: str = "", body: bytes = b"") -> UUID:
        """The id of the request's entry, which is kept when this returns. A repeat under the same key has the entry of
        the first one. What fails here must keep the request from being carried out."""
        again, about = same_again(asked, query, body, self._secret), words_of_bulk(asked.method, asked.path, body)
        async with unit_of_work(self._database) as work:
            await work.connection.execute(_SWEEP, {"before": first_id(now - KEPT)})
            if again is not None:
                await work.connection.execute(_LET_GO, {"again": again, "before": first_id(now - REPEATS)})
            said = {"again": again, "about": json.dumps(about) if about else None}
            entered = await work.connection.execute(_ASKED, {**_columns(asked), **said})
            id: UUID = entered.scalar_one()
        return id

    async def enter(self, work: UnitOfWork, said: Said) -> None:
        """Enters what happens in the same transaction."""
        ended = {"status": said.status, "about": json.dumps(said.about)}
        await work.connection.execute(_ASKED, {**_columns(said.asked), **ended})

    async def ended(self, id: UUID, status: int, about: Mapping[str, str] | None = None) -> UUID:
        """Puts the outcome down; the id of the entry that has it. What was done once stays done, whatever a repeat is
        answered. Of one actor's refusals in a minute those beyond `REFUSALS_EACH_MINUTE` (or a few more, when they come
        at once) are one entry, which counts them. While the database is away the outcome is lost, not the answer: what
        was asked has happened."""
        try:
            async with unit_of_work(self._database) as work:
                said = {"id": id, "status": status, "about": json.dumps(about) if about else None}
                await work.connection.execute(_ENDED, said)
                if AuditOutcome.of(status) is AuditOutcome.REFUSED:
                    minute = minute_of(id)
                    summed = await work.connection.execute(
                        _SUMMED_UP,
                        {
                            "id": id,
                            "sum": uuid7(),
                            "status": status,
                            "kept": REFUSALS_EACH_MINUTE,
                            "minute": first_id(minute),
                            "next": first_id(minute + timedelta(minutes=1)),
                        },
                    )
                    return summed.scalar_one_or_none() or id
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            if not is_transient(error):
                raise
            metrics.OUTCOMES_LOST.inc()
            log.warning("audit.outcome_lost", id=str(id), status=status, error=repr(error))
        return id

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
            await self.ended(id, heard.status, heard.about)

    async def page(self, org: str, wanted: Wanted, before: UUID | None, limit: int) -> Sequence[Entry]:
        """Up to `limit` entries, the newest first, of those before one. What was done to many tickets is about each."""
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
        "id": uuid7(),
        "token": token_of(asked.who.id),
        "again": None,
        "status": None,
        "about": None,
    }


def _entry(row: Row[Any]) -> Entry:
    who = Who(row.actor_id, row.actor_name, row.role, row.made_by)
    asked = Asked(row.org, who, Door(row.door), row.method, row.path, row.key)
    return Entry(row.id, asked, row.status, row.times, row.about or {})
