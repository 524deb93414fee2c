"""Secrets in Postgres, sealed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_workflow_engine.adapters.secret_box import Sealed, SecretBox


@dataclass(frozen=True, slots=True)
class KeptSecret:
    """What may be known of a secret."""

    name: str
    key_id: str
    saved_at: datetime
    saved_by: str


async def page(connection: AsyncConnection, org: str, after: str, limit: int) -> list[KeptSecret]:
    """Secrets by name, those behind `after`."""
    rows = await connection.execute(
        text("""
            SELECT name, key_id, saved_at, saved_by FROM secret
            WHERE org = :org AND name > :after ORDER BY name LIMIT :limit
        """),
        {"org": org, "after": after, "limit": limit},
    )
    return [KeptSecret(*row) for row in rows]


async def names(connection: AsyncConnection, org: str) -> frozenset[str]:
    """Of all secrets of the org."""
    rows = await connection.execute(text("SELECT name FROM secret WHERE org = :org"), {"org": org})
    return frozenset(row.name for row in rows)


async def sealed(connection: AsyncConnection, org: str, names: Iterable[str]) -> dict[str, Sealed]:
    """Those of these secrets that the org has."""
    rows = await connection.execute(
        text("SELECT name, key_id, sealed FROM secret WHERE org = :org AND name = ANY (CAST(:names AS text[]))"),
        {"org": org, "names": sorted(names)},
    )
    return {row.name: Sealed(row.key_id, bytes(row.sealed)) for row in rows}


async def save(connection: AsyncConnection, org: str, name: str, secret: Sealed, by: str, now: datetime) -> bool:
    """Whether it is a new one."""
    return bool(
        await connection.scalar(
            text("""
                INSERT INTO secret (org, name, key_id, sealed, saved_at, saved_by)
                VALUES (:org, :name, :key_id, :sealed, :now, :by)
                ON CONFLICT (org, name) DO UPDATE SET
                    key_id = excluded.key_id, sealed = excluded.sealed, saved_at = excluded.saved_at,
                    saved_by = excluded.saved_by
                RETURNING (xmax = 0)
            """),
            {"org": org, "name": name, "key_id": secret.key_id, "sealed": secret.data, "now": now, "by": by},
        )
    )


async def delete(connection: AsyncConnection, org: str, name: str) -> bool:
    """Whether there was one."""
    gone = await connection.execute(
        text("DELETE FROM secret WHERE org = :org AND name = :name"), {"org": org, "name": name}
    )
    return bool(gone.rowcount)


async def reseal(connection: AsyncConnection, box: SecretBox, limit: int) -> int:
    """Seals anew, under the newest key, what another one has sealed, at most `limit`; returns how many. Raises
    Unreadable and NoKeys."""
    rows = await connection.execute(
        text("""
            SELECT org, name, key_id, sealed FROM secret WHERE key_id <> :newest
            ORDER BY org, name LIMIT :limit FOR UPDATE SKIP LOCKED
        """),
        {"newest": box.newest, "limit": limit},
    )
    found = list(rows)
    for row in found:
        secret = box.seal(row.org, row.name, box.open(row.org, row.name, Sealed(row.key_id, bytes(row.sealed))))
        await connection.execute(
            text("UPDATE secret SET key_id = :key_id, sealed = :sealed WHERE org = :org AND name = :name"),
            {"org": row.org, "name": row.name, "key_id": secret.key_id, "sealed": secret.data},
        )
    return len(found)
