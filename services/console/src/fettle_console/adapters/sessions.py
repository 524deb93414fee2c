"""People's sessions in Postgres: the cookie holds a signed random secret, the row its hash and whom it stands for."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from fettle_chassis.database import Database
from fettle_chassis.tokens import Caller, Role
from fettle_chassis.unit_of_work import unit_of_work
from fettle_console.adapters.seal import Seal
from fettle_console.domain.credentials import hash_of

REMEMBERED = timedelta(days=7)
"""For so long it is known whose a session was whose time is over: a page of it may still be open after a weekend."""

# Whom the provider let in is in every org that says so now; anybody else is in the one org that they came to.
_GET = text("""
    SELECT s.actor_id, s.actor_name, o.org, o.name AS org_name, o.zone, place.role,
        ARRAY(SELECT org FROM member WHERE account = s.account AND person = s.actor_id ORDER BY org) AS orgs
    FROM session s CROSS JOIN LATERAL (
        SELECT s.org, s.role WHERE s.account IS NULL
        UNION ALL SELECT org, role FROM member WHERE account = s.account AND person = s.actor_id
    ) place JOIN org o ON o.org = place.org AND o.deleted_at IS NULL
    WHERE s.hash = :hash AND (s.expires_at > :now) = :lasts
    ORDER BY (o.org = CAST(:org AS text)) DESC NULLS LAST, (o.org = s.org) DESC, o.org LIMIT 1
""")
_END = text("DELETE FROM session WHERE hash = :hash RETURNING token, account, id_token")
_BEGIN = text("""
    INSERT INTO session (hash, org, role, actor_id, actor_name, token, account, id_token, created_at, expires_at)
    VALUES (:hash, :org, :role, :actor_id, :actor_name, :token, :account, :id_token, :now, :expires_at)
""")


@dataclass(frozen=True, slots=True)
class Came:
    """How a person came in: with a token, which ends their session with itself, or as an account of the provider,
    which is shown its own `id_token` when they go."""

    token: str | None = None
    account: str | None = None
    id_token: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A person who is signed in. `id` tells sessions apart and opens none."""

    id: str
    caller: Caller
    org_name: str
    orgs: Sequence[str] = ()
    """Where else the person may go."""
    zone: str | None = None
    """That of the org."""


class Sessions:
    """Sessions of all orgs. Looked up on every page: revoking a token signs its people out at once, and who is taken
    out of an org is out."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database, self._seal = database, seal

    async def begin(
        self, caller: Caller, came: Came, now: datetime, expires_at: datetime, instead_of: str | None
    ) -> str:
        """What the cookie is to hold: always a new secret, and the session `instead_of`, the browser's present cookie,
        ends. Sessions that have been over for long are swept out on the way."""
        secret = secrets.token_urlsafe(32)
        async with unit_of_work(self._database) as work:
            await work.connection.execute(
                text("DELETE FROM session WHERE expires_at < :over"), {"over": now - REMEMBERED}
            )
            await work.connection.execute(_END, {"hash": self._hash(instead_of)})
            await work.connection.execute(
                _BEGIN,
                {
                    "hash": hash_of(secret),
                    "org": caller.org,
                    "role": caller.role.value,
                    "actor_id": caller.actor_id,
                    "actor_name": caller.actor_name or caller.actor_id,
                    "token": UUID(came.token) if came.token else None,
                    "account": came.account,
                    "id_token": came.id_token,
                    "now": now,
                    "expires_at": expires_at,
                },
            )
        return self._seal.sign(secret)

    async def get(self, cookie: str | None, now: datetime, org: str | None = None) -> Session | None:
        """Whom the cookie stands for, in `org` if they are in it, else in an org of theirs. A cookie that we have not
        signed is not looked up."""
        return await self._found(cookie, now, org, lasts=True)

    async def ended(self, cookie: str | None, now: datetime, org: str) -> Session | None:
        """Whom the cookie stood for until its session's time was over, as long as that is remembered."""
        return await self._found(cookie, now, org, lasts=False)

    async def _found(self, cookie: str | None, now: datetime, org: str | None, *, lasts: bool) -> Session | None:
        hash = self._hash(cookie)
        if hash is None:
            return None
        asked = {"hash": hash, "now": now, "org": org, "lasts": lasts}
        async with self._database.reading() as connection:
            row = (await connection.execute(_GET, asked)).one_or_none()
        if row is None:
            return None
        caller = Caller(org=row.org, role=Role(row.role), actor_id=row.actor_id, actor_name=row.actor_name)
        others = tuple(other for other in row.orgs if other != row.org)
        return Session(hash, caller, row.org_name, others, row.zone)

    async def end(self, cookie: str) -> Came | None:
        """Ends the session; how its person came in, if there was one."""
        async with unit_of_work(self._database) as work:
            row = (await work.connection.execute(_END, {"hash": self._hash(cookie)})).one_or_none()
        return Came(str(row.token) if row.token else None, row.account, row.id_token) if row else None

    def _hash(self, cookie: str | None) -> str | None:
        secret = self._seal.text_of(cookie) if cookie else None
        return hash_of(secret) if secret else None
