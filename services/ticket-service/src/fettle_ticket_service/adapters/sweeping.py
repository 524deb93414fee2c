"""Retention at work: once an hour, on any number of replicas."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError

from fettle_chassis.database import Database
from fettle_chassis.patience import patiently
from fettle_chassis.service import Part
from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work
from fettle_ticket_service import metrics
from fettle_ticket_service.adapters import chain_rows, orgs, retention
from fettle_ticket_service.adapters.database_time import Hour
from fettle_ticket_service.adapters.org_ends import ROW_IS_THERE, has_no_room
from fettle_ticket_service.adapters.retention import Batch
from fettle_ticket_service.domain.chain import ChainKeys

log = structlog.get_logger(__name__)

EVERY_S = 3600.0
AT_MOST = 50
"""Tickets per transaction, fewer where they are large: as long as it lasts, commands on the org wait."""


class Retention(Part):
    """Removes what is due, and what deleted orgs have left. Rests after every batch for as long as it took, so that
    commands go on. A batch that finds no database for an hour stops the service."""

    name = "retention"

    def __init__(self, database: Database, keys: ChainKeys, hour: Hour) -> None:
        self._database = database
        self._keys = keys
        self._hour = hour

    async def start(self) -> None:
        """What the migration counted as older than the chains is sealed once; nothing counts it again."""
        async with unit_of_work(self._database) as work:
            for org in await chain_rows.seal_older(work.connection, self._keys):
                log.warning("org.older_entries_sealed", org=org)

    async def run(self) -> None:
        while True:
            await self.sweep()
            await asyncio.sleep(EVERY_S)

    async def sweep(self) -> int:
        """Removes all that is due, org by org; returns how many tickets went. Where somebody has noted already what
        would be noted now, or has altered a number so that none can follow it, the org keeps what it has."""
        living, deleted = await patiently(self._orgs, within_s=EVERY_S)
        total = 0
        for org, batch in (*((org, self._remove_due) for org in living), *((org, self._empty) for org in deleted)):
            try:
                removed = await self._in_batches(org, batch)
            except (*ROW_IS_THERE, DBAPIError) as error:
                if isinstance(error, DBAPIError) and not isinstance(error, ROW_IS_THERE) and not has_no_room(error):
                    raise
                log.critical("retention.passed_over", org=org, error=repr(error))
                continue
            if removed:
                log.info("tickets.removed", org=org, tickets=removed)
            total += removed
        return total

    async def _orgs(self) -> tuple[list[str], list[str]]:
        """Those that live, and those that were deleted and have left something."""
        async with self._database.reading() as connection:
            return await orgs.living(connection), await retention.deleted_orgs(connection)

    async def _remove_due(self, work: UnitOfWork, org: str, but: Collection[UUID]) -> Batch:
        now = await self._hour(work.connection)
        return await retention.remove_due(work.connection, org, self._keys, now, AT_MOST, but)

    async def _empty(self, work: UnitOfWork, org: str, _but: Collection[UUID]) -> Batch:
        return await retention.empty(work.connection, org, AT_MOST)

    async def _in_batches(
        self, org: str, batch: Callable[[UnitOfWork, str, Collection[UUID]], Awaitable[Batch]]
    ) -> int:
        """Each batch passes over the tickets that those before it have left. Returns how many tickets went."""
        total, unsound = 0, set[UUID]()

        async def one() -> Batch:
            async with unit_of_work(self._database) as work:
                return await batch(work, org, unsound)

        while True:
            began = time.monotonic()
            done = await patiently(one, within_s=EVERY_S)
            metrics.REMOVED.inc(done.removed)
            total += done.removed
            unsound.update(done.unsound)
            if not done.more:
                return total
            await asyncio.sleep(time.monotonic() - began)
