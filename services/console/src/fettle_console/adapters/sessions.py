"""People's sessions in Postgres: the cookie holds a random secret, the row its hash and whom it stands for."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from fettle_chassis.database import Database
from fettle_chassis.tokens import Caller, Role
from fettle_chassis.unit_of_work import unit_of_work
from fettle_console.domain.credentials import hash_of


@dataclass(frozen=True, slots=True)
class Session:
    """A person who is signed in."""

    caller: Caller
    org_name: str
    expires_at: datetime


class Sessions:
    """Sessions of all orgs. Looked up on every page: revoking a token signs its people out at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, caller: Caller, token_id: str | None, now: datetime, expires_at: datetime) -> str:
        """The secret for the cookie. Sessions that have ended are swept out on the way."""
        secret = secrets.token_urlsafe(32)
        async with unit_of_work(self._database) as work:
            await work.connection.execute(text("DELETE FROM session WHERE expires_at < :now"), {"now": now})
            await work.connection.execute(
                text(
                    "INSERT INTO session (hash, org, role, actor_id, actor_name, token, created_at, expires_at) "
                    "VALUES (:hash, :org, :role, :actor_id, :actor_name, :token, :now, :expires_at)"
                ),
                {
                    "hash": hash_of(secret),
                    "org": caller.org,
                    "role": caller.role.value,
                    "actor_id": caller.actor_id,
                    "actor_name": caller.actor_name or caller.actor_id,
                    "token": UUID(token_id) if token_id else None,
                    "now": now,
                    "expires_at": expires_at,
                },
            )
        return secret

    async def get(self, secret: str, now: datetime) -> Session | None:
        query = text(
            "SELECT s.*, o.name AS org_name FROM session s JOIN org o USING (org) "
            "WHERE s.hash = :hash AND s.expires_at > :now"
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(query, {"hash": hash_of(secret), "now": now})).one_or_none()
        if row is None:
            return None
        caller = Caller(org=row.org, role=Role(row.role), actor_id=row.actor_id, actor_name=row.actor_name)
        return Session(caller, row.org_name, row.expires_at)

    async def end(self, secret: str) -> None:
        async with unit_of_work(self._database) as work:
            await work.connection.execute(text("DELETE FROM session WHERE hash = :hash"), {"hash": hash_of(secret)})
