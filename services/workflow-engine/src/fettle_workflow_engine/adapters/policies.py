"""The org's switch in Postgres. An org that has never touched it is on."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Policy:
    """Whether the org's workflows run, and who said so last."""

    enabled: bool
    changed_at: datetime | None = None
    changed_by: str | None = None


async def policy_of(connection: AsyncConnection, org: str) -> Policy:
    rows = await connection.execute(
        text("SELECT enabled, changed_at, changed_by FROM workflow_policy WHERE org = :org"), {"org": org}
    )
    row = rows.one_or_none()
    return Policy(*row) if row else Policy(enabled=True)


async def off(connection: AsyncConnection, orgs: Iterable[str]) -> frozenset[str]:
    """Those of these orgs whose workflows are switched off."""
    wanted = sorted(set(orgs))
    if not wanted:
        return frozenset()
    rows = await connection.scalars(
        text("SELECT org FROM workflow_policy WHERE org = ANY (CAST(:orgs AS text[])) AND NOT enabled"),
        {"orgs": wanted},
    )
    return frozenset(rows)


async def put(connection: AsyncConnection, org: str, policy: Policy) -> None:
    await connection.execute(
        text("""
            INSERT INTO workflow_policy (org, enabled, changed_at, changed_by) VALUES (:org, :enabled, :at, :by)
            ON CONFLICT (org) DO UPDATE SET
                enabled = excluded.enabled, changed_at = excluded.changed_at, changed_by = excluded.changed_by
        """),
        {"org": org, "enabled": policy.enabled, "at": policy.changed_at, "by": policy.changed_by},
    )
