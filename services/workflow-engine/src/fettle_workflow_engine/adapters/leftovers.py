"""What is still kept of orgs that were deleted, and its removal a batch at a time."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.retention import KEYS_LEFT, forget_keys


def _rows(table: str) -> TextClause:
    return text(f"""
        DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE org = :org LIMIT :at_most))
    """)  # noqa: S608 - constants


# First what acts by itself, then what it acts on. Steps go with their runs; a call goes before its run, since whoever
# takes calls holds them before their steps.
_TABLES: Final[Mapping[str, TextClause]] = {
    table: _rows(table)
    for table in (
        "schedule",
        "workflow",
        "call",
        "run",
        "workflow_version",
        "hook_secret",
        "held_message",
        "digest",
        "channel_sent",
        "channel",
        "secret",
        "workflow_minute",
        "workflow_policy",
        "ticket_seen",
        "answer",
    )
}
TABLES: Final = (*_TABLES, "inbox")

_TELLING = [table for table in _TABLES if table not in ("call", "held_message", "digest", "channel_sent")]
"""Of the others, a run or a channel is left as long as a row is."""
_SOME_LEFT = " OR ".join(
    (*(f"EXISTS (SELECT FROM {table} WHERE {table}.org = org.org)" for table in _TELLING), KEYS_LEFT)
)
_LEFT = text(f"SELECT org FROM org WHERE deleted AND ({_SOME_LEFT}) ORDER BY org")  # noqa: S608 - constants


async def orgs(connection: AsyncConnection) -> list[str]:
    """Orgs that were deleted and of which something is left."""
    return list(await connection.scalars(_LEFT))


async def take_rows(connection: AsyncConnection, table: str, org: str, at_most: int) -> int:
    """Deletes some of the org's rows of one of `TABLES`; returns how many."""
    if table == "inbox":
        return await forget_keys(connection, org, at_most)
    return (await connection.execute(_TABLES[table], {"org": org, "at_most": at_most})).rowcount
