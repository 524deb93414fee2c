"""Of an org that was deleted everything goes, but that it was there and the policy that switched it off."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import structlog

from fettle_chassis.database import Database
from fettle_chassis.patience import regularly
from fettle_chassis.service import Part
from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work
from fettle_contracts.identity import HeartbeatKey, SubjectRef
from fettle_health_monitor.adapters.correlator import control_log, leftovers, policies
from fettle_health_monitor.adapters.correlator.control_log import ControlLog
from fettle_health_monitor.domain import control
from fettle_health_monitor.metrics import FORGOTTEN

log = structlog.get_logger(__name__)

AT_MOST: Final = 500
"""Rows per transaction: as long as it lasts, no other takes control numbers."""
_EVERY_S = 3_600.0


class Emptying(Part):
    """Empties deleted orgs, now and every hour, in small transactions, and rests after each for as long as it took. Any
    number of replicas may. While the database is away it is tried again in the next hour.

    What shards keep in memory they forget when they read of it; what they say of that goes in the next hour.
    """

    name = "emptying"

    def __init__(self, database: Database, controls: ControlLog) -> None:
        self._database, self._controls = database, controls

    async def run(self) -> None:
        await regularly(self.sweep, every_s=_EVERY_S, name="emptying")

    async def sweep(self) -> dict[str, int]:
        """Empties every org that was deleted; how many rows of each went."""
        async with self._database.reading() as connection:
            found = await leftovers.orgs(connection)
        gone: dict[str, int] = {}
        for org in found:
            for table in leftovers.TABLES:
                gone[org] = gone.get(org, 0) + await self._in_batches(org, table, partial(self._rows, table))
            gone[org] += await self._in_batches(org, "outcome", self._verdicts)
            gone[org] += await self._in_batches(org, "subject", self._subjects)
            log.info("org.emptied", org=org, rows=gone[org])
        return gone

    async def _rows(self, table: str, work: UnitOfWork, org: str) -> int:
        return await leftovers.take_rows(work.connection, table, org, AT_MOST)

    async def _verdicts(self, work: UnitOfWork, org: str) -> int:
        return await leftovers.take_verdicts(work.connection, org, AT_MOST)

    async def _subjects(self, work: UnitOfWork, org: str) -> int:
        """Takes subjects out of the picture, and tells their shards to forget them."""
        taken = sorted(await leftovers.take_subjects(work.connection, org, AT_MOST))
        if taken:
            number = await control_log.next_number(work.connection, len(taken))
            for place, subject in enumerate(taken):
                key = HeartbeatKey(org, SubjectRef.parse(subject))
                self._controls.write_subject(work, key, control.Forget(), number + place)
        return len(taken)

    async def _in_batches(self, org: str, table: str, batch: Callable[[UnitOfWork, str], Awaitable[int]]) -> int:
        total = 0
        while True:
            began = time.monotonic()
            async with unit_of_work(self._database) as work:
                await policies.lock_orgs(work.connection, {org})
                rows = await batch(work, org)
            FORGOTTEN.labels(table).inc(rows)
            total += rows
            if rows < AT_MOST:
                return total
            await asyncio.sleep(time.monotonic() - began)
