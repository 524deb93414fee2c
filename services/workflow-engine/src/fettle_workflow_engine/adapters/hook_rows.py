"""What is kept of the secrets of hooks: what they are derived from, and how long they hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_workflow_engine.adapters.hook_keys import Origin


@dataclass(frozen=True, slots=True)
class HookSecret:
    """One secret of a workflow's hook. It holds until `ends_at`, for good without one."""

    id: UUID
    origin: Origin
    made_at: datetime
    made_by: str
    ends_at: datetime | None = None


async def holding(connection: AsyncConnection, org: str, workflow: str, now: datetime) -> list[HookSecret]:
    """Those that hold now, the newest first."""
    rows = await connection.execute(
        text("""
            SELECT id, key_id, salt, made_at, made_by, ends_at FROM hook_secret
            WHERE org = :org AND workflow = :workflow AND (ends_at IS NULL OR ends_at > :now)
            ORDER BY made_at DESC, id DESC
        """),
        {"org": org, "workflow": workflow, "now": now},
    )
    return [
        HookSecret(row.id, Origin(row.key_id, bytes(row.salt)), row.made_at, row.made_by, row.ends_at) for row in rows
    ]


async def add(connection: AsyncConnection, org: str, workflow: str, secret: HookSecret) -> None:
    await connection.execute(
        text("""
            INSERT INTO hook_secret (org, workflow, id, key_id, salt, made_at, made_by)
            VALUES (:org, :workflow, :id, :key_id, :salt, :made_at, :made_by)
        """),
        {
            "org": org,
            "workflow": workflow,
            "id": secret.id,
            "key_id": secret.origin.key_id,
            "salt": secret.origin.salt,
            "made_at": secret.made_at,
            "made_by": secret.made_by,
        },
    )


async def end(connection: AsyncConnection, org: str, workflow: str, ids: Sequence[UUID], at: datetime) -> int:
    """These hold until `at`, and no longer than they would have; returns how many there were."""
    ended = await connection.execute(
        text("""
            UPDATE hook_secret SET ends_at = least(ends_at, CAST(:at AS timestamptz))
            WHERE org = :org AND workflow = :workflow AND id = ANY (CAST(:ids AS uuid[]))
        """),
        {"org": org, "workflow": workflow, "ids": list(ids), "at": at},
    )
    return ended.rowcount


async def drop(connection: AsyncConnection, org: str, workflow: str) -> None:
    """All of the workflow's go."""
    await connection.execute(
        text("DELETE FROM hook_secret WHERE org = :org AND workflow = :workflow"), {"org": org, "workflow": workflow}
    )
