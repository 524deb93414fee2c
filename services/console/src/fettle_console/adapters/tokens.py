"""API tokens in Postgres, with a short memory so that a busy token costs one look-up every few seconds."""

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from fettle_chassis.database import Database
from fettle_chassis.tokens import Role
from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work
from fettle_console.domain.credentials import Token

NOTED_EVERY = timedelta(minutes=5)
"""How exact a token's last use is: a write for each request would cost more than the request."""
REMEMBERED_S = 5.0
REMEMBERED_TOKENS = 10_000

_COLUMNS = "id, org, role, name, created_at, created_by, expires_at, used_at"
_USED = text("UPDATE token SET used_at = :now WHERE hash = :hash AND (used_at IS NULL OR used_at <= :noted)")


class Tokens:
    """The tokens of all orgs.

    A revoked token is refused at once here and within `REMEMBERED_S` by other replicas. Only tokens that exist are
    remembered: a made-up one costs a look-up and no memory.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._remembered: OrderedDict[str, tuple[float, Token]] = OrderedDict()

    async def by_hash(self, token_hash: str) -> Token | None:
        """The token whose text has this hash, alive or not."""
        known = self._remembered.get(token_hash)
        if known is not None and time.monotonic() - known[0] < REMEMBERED_S:
            return known[1]
        query = text(f"SELECT {_COLUMNS} FROM token WHERE hash = :hash")  # noqa: S608 - a constant
        async with self._database.reading() as connection:
            row = (await connection.execute(query, {"hash": token_hash})).one_or_none()
        if row is None:
            self._remembered.pop(token_hash, None)
            return None
        token = _token(row)
        self._remembered[token_hash] = (time.monotonic(), token)
        self._remembered.move_to_end(token_hash)
        while len(self._remembered) > REMEMBERED_TOKENS:
            self._remembered.popitem(last=False)
        return token

    def remembered(self, token_hash: str) -> Token | None:
        """The token as it was when it was last looked up here, however long ago, alive or not."""
        known = self._remembered.get(token_hash)
        return known[1] if known else None

    def counted(self, token_hash: str, now: datetime) -> bool:
        """Whether the token was there when it was last looked up here, however long ago, and has not ended since."""
        known = self.remembered(token_hash)
        return known is not None and known.alive(now)

    async def used(self, token_hash: str, token: Token, now: datetime) -> None:
        """Notes that the token was used, unless that was noted a moment ago, also by another replica."""
        if token.used_at is not None and now - token.used_at < NOTED_EVERY:
            return
        if token_hash in self._remembered:  # before anything waits: of many requests at once one writes
            at, _ = self._remembered[token_hash]
            self._remembered[token_hash] = (at, replace(token, used_at=now))
        async with unit_of_work(self._database) as work:
            await work.connection.execute(_USED, {"hash": token_hash, "now": now, "noted": now - NOTED_EVERY})

    async def add(self, work: UnitOfWork, token: Token, token_hash: str) -> None:
        await work.connection.execute(
            text(
                "INSERT INTO token (id, org, role, name, hash, created_at, created_by, expires_at) "
                "VALUES (:id, :org, :role, :name, :hash, :created_at, :created_by, :expires_at)"
            ),
            {
                "id": UUID(token.id),
                "org": token.org,
                "role": token.role.value,
                "name": token.name,
                "hash": token_hash,
                "created_at": token.created_at,
                "created_by": token.created_by,
                "expires_at": token.expires_at,
            },
        )

    async def page(self, org: str, after: UUID | None, limit: int) -> list[Token]:
        """Up to `limit` tokens of the org in order of creation (ids are time-ordered), those that have ended too."""
        query = text(
            f"SELECT {_COLUMNS} FROM token WHERE org = :org AND (CAST(:after AS uuid) IS NULL OR id > :after) "  # noqa: S608
            "ORDER BY id LIMIT :limit"
        )
        async with self._database.reading() as connection:
            rows = await connection.execute(query, {"org": org, "after": after, "limit": limit})
            return [_token(row) for row in rows]

    async def signed_in(self, org: str, now: datetime) -> Mapping[str, int]:
        """How many sessions of people each token has, by its id; tokens that have none are left out."""
        query = text(
            "SELECT token, count(*) AS sessions FROM session "
            "WHERE org = :org AND token IS NOT NULL AND expires_at > :now GROUP BY token"
        )
        async with self._database.reading() as connection:
            rows = await connection.execute(query, {"org": org, "now": now})
            return {str(row.token): row.sessions for row in rows}

    async def revoke(self, org: str, token_id: UUID) -> Token | None:
        """Forgets the token and ends the sessions that came with it. Which it was; None when the org has none such."""
        query = text(f"DELETE FROM token WHERE org = :org AND id = :id RETURNING hash, {_COLUMNS}")  # noqa: S608
        async with unit_of_work(self._database) as work:
            row = (await work.connection.execute(query, {"org": org, "id": token_id})).one_or_none()
        if row is None:
            return None
        self._remembered.pop(row.hash, None)
        return _token(row)

    def forget(self, org: str) -> None:
        """Remembers no token of an org that was deleted."""
        for token_hash in [known for known, (_, token) in self._remembered.items() if token.org == org]:
            del self._remembered[token_hash]


def _token(row: Row[Any]) -> Token:
    created_at: datetime = row.created_at
    return Token(
        id=str(row.id),
        org=row.org,
        role=Role(row.role),
        name=row.name,
        created_at=created_at,
        expires_at=row.expires_at,
        created_by=row.created_by,
        used_at=row.used_at,
    )
