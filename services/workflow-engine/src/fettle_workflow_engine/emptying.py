"""Of an org that was deleted everything goes, but that it was there."""

import asyncio
import time
from functools import partial
from math import inf
from typing import Final

import structlog

from fettle_chassis.database import Database
from fettle_chassis.patience import patiently
from fettle_chassis.service import Part
from fettle_chassis.unit_of_work import unit_of_work
from fettle_workflow_engine.adapters import leftovers, orgs, workflow_rows

log = structlog.get_logger(__name__)

AT_MOST: Final = 200
"""Rows per transaction; a run takes its steps with it."""
_EVERY_S = 3_600.0


class Emptying(Part):
    """Empties deleted orgs when their deletion is taken in, at its start, and every hour for what transactions that
    were under way have put down since. Small transactions, with a rest after each for as long as it took. Any number
    of engines may do so at once. A database that is away is waited for."""

    name = "emptying"

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wake = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            while True:
                self._wake.clear()
                await self.sweep()
                try:
                    async with asyncio.timeout(_EVERY_S):
                        await self._wake.wait()
                except TimeoutError:
                    pass

    async def sweep(self) -> dict[str, int]:
        """Empties every org that was deleted; returns how many rows of each went by its hand, those of steps not
        counted."""
        gone: dict[str, int] = {}
        for org in await patiently(self._found, within_s=inf):
            gone[org] = sum([await self._in_batches(org, table) for table in leftovers.TABLES])
            log.info("org.emptied", org=org, rows=gone[org])
        return gone

    async def _found(self) -> list[str]:
        async with self._database.reading() as connection:
            return await leftovers.orgs(connection)

    async def _in_batches(self, org: str, table: str) -> int:
        total = 0
        while True:
            began = time.monotonic()
            rows = await patiently(partial(self._take, org, table), within_s=inf)
            total += rows
            if rows < AT_MOST:
                return total
            await asyncio.sleep(time.monotonic() - began)

    async def _take(self, org: str, table: str) -> int:
        async with unit_of_work(self._database) as work:
            await workflow_rows.lock_org(work.connection, org)
            return await leftovers.take_rows(work.connection, table, org, AT_MOST)

    async def _listen(self) -> None:
        """Wakes at once when a deletion was taken in. A session that is lost is replaced, and whatever was said
        meanwhile is looked for."""
        while True:
            await patiently(self._listen_once, within_s=inf)
            await asyncio.sleep(1.0)

    async def _listen_once(self) -> None:
        session = await self._database.session()
        try:
            lost = asyncio.Event()
            session.add_termination_listener(lambda *_: lost.set())
            await session.add_listener(orgs.DELETED, lambda *_: self._wake.set())
            self._wake.set()
            await lost.wait()
        finally:
            session.terminate()
