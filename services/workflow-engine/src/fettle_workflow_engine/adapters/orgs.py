"""Organizations in Postgres: what the console has said of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.told_orgs import ToldOrg

DELETED = "fettle_org_deleted"
"""The NOTIFY channel on which a transaction says that it has taken in a deletion."""

_TAKE_IN = text("""
    INSERT INTO org AS known (org, deleted, told_at)
    SELECT org, deleted, told_at
    FROM unnest(CAST(:orgs AS text[]), CAST(:deleted AS boolean[]), CAST(:told_at AS timestamptz[]))
         AS told (org, deleted, told_at)
    ON CONFLICT (org) DO UPDATE SET deleted = excluded.deleted, told_at = excluded.told_at
    WHERE NOT known.deleted AND (excluded.deleted OR known.told_at < excluded.told_at)
    RETURNING org, deleted, xmax = 0 AS new
""")


@dataclass(frozen=True, slots=True)
class News:
    """What a statement changed: an org that was never heard of is `new`, the deleted kind too."""

    org: str
    deleted: bool
    new: bool


async def take_in(connection: AsyncConnection, told: Sequence[ToldOrg]) -> list[News]:
    """Takes in statements about different orgs; those that say nothing newer change nothing and are no news. That
    an org was deleted is always news, once, and the last. Locks the rows of orgs in the order of their names."""
    ordered = sorted(told, key=lambda one: one.org.org)
    rows = await connection.execute(
        _TAKE_IN,
        {
            "orgs": [one.org.org for one in ordered],
            "deleted": [one.org.deleted for one in ordered],
            "told_at": [one.at for one in ordered],
        },
    )
    return sorted((News(*row) for row in rows), key=lambda news: news.org)


async def say_deleted(connection: AsyncConnection) -> None:
    """Wakes whoever empties deleted orgs when the transaction is through."""
    await connection.execute(text(f"SELECT pg_notify('{DELETED}', '')"))


async def is_deleted(connection: AsyncConnection, org: str) -> bool:
    """False for an org that was not heard of yet, too: its caller's token says that there is one."""
    return bool(await connection.scalar(text("SELECT deleted FROM org WHERE org = :org"), {"org": org}))
