"""Forgets what need not be remembered any more: inbox rows and crashes after 30 days, and what requests were known by
when their org was deleted."""

import asyncio

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.database import Database
from fettle_chassis.unit_of_work import REQUESTS

log = structlog.get_logger(__name__)

_EVERY_S = 3600.0
_BATCH_ROWS = 1_000
_BETWEEN_S = 0.05

_FORGET_INBOX = text(f"""
    DELETE FROM inbox WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM inbox WHERE at < now() - interval '30 days' ORDER BY at LIMIT {_BATCH_ROWS}))
""")  # noqa: S608 - the limit is a constant
_FORGET_CRASHES = text("DELETE FROM crash WHERE at < now() - interval '30 days'")
_FORGET_KEYS = text(f"""
    DELETE FROM inbox WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM inbox WHERE subscription = '{REQUESTS}' AND source = :org LIMIT :at_most))
""")  # noqa: S608 - the subscription is a constant
KEYS_LEFT = f"EXISTS (SELECT FROM inbox WHERE inbox.subscription = '{REQUESTS}' AND inbox.source = org.org)"
"""In a query on a table `org`: whether keys of the org's requests are remembered."""


async def forget_keys(connection: AsyncConnection, org: str, at_most: int) -> int:
    """Forgets up to so many keys of requests of an org that was deleted; returns how many."""
    return (await connection.execute(_FORGET_KEYS, {"org": org, "at_most": at_most})).rowcount


class Retention:
    """Runs beside the active relay, so once per database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        """Now and every hour, for ever."""
        while True:
            forgotten = await self.forget()
            if forgotten:
                log.info("inbox.forgotten", database=self._database.name, rows=forgotten)
            await asyncio.sleep(_EVERY_S)

    async def forget(self) -> int:
        """Deletes in small transactions with pauses between them; returns how many inbox rows went."""
        forgotten = 0
        while True:
            async with self._database.engine.begin() as connection:
                deleted = (await connection.execute(_FORGET_INBOX)).rowcount
            forgotten += deleted
            if deleted < _BATCH_ROWS:
                break
            await asyncio.sleep(_BETWEEN_S)
        async with self._database.engine.begin() as connection:
            await connection.execute(_FORGET_CRASHES)
        return forgotten
