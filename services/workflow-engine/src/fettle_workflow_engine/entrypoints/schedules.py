"""The passing of time as an entry point: schedules that are due start their runs."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from fettle_chassis.database import Database
from fettle_chassis.patience import patiently
from fettle_chassis.service import Part
from fettle_chassis.unit_of_work import unit_of_work
from fettle_workflow_engine.adapters import schedule_rows
from fettle_workflow_engine.scheduling import AHEAD, Scheduler

BATCH = 200
LOOK_S = 1.0
"""The longest that a schedule which was saved meanwhile goes unseen."""
GATHER_S = 0.2
"""Between two transactions, unless the first one was full: what is due meanwhile shares the second."""
PATIENCE_S = 3_600.0


class Schedules(Part):
    """Asks once a second when the next schedule is due, and wakes for it; documents of those that are due soon are read
    meanwhile. Any number of engines may do so at once: each takes schedules that no other has in hand. A database that
    is away for an hour stops the service."""

    name = "schedules"

    def __init__(self, database: Database, scheduler: Scheduler, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._scheduler = scheduler
        self._clock = clock

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            soonest = await patiently(self._soonest, within_s=PATIENCE_S)
            wait_s = LOOK_S if soonest is None else min(LOOK_S, (soonest - self._clock()).total_seconds())
            if wait_s <= 0:
                while await patiently(self._fire_some, within_s=PATIENCE_S) == BATCH:
                    pass
                wait_s = GATHER_S
            until = loop.time() + wait_s
            if soonest is not None and soonest <= self._clock() + AHEAD:
                await patiently(self._read_ahead, within_s=PATIENCE_S)
            await asyncio.sleep(until - loop.time())

    async def _soonest(self) -> datetime | None:
        async with self._database.reading() as connection:
            return await schedule_rows.soonest(connection)

    async def _read_ahead(self) -> None:
        async with self._database.reading() as connection:
            await self._scheduler.read_ahead(connection, BATCH)

    async def _fire_some(self) -> int:
        async with unit_of_work(self._database) as work:
            return await self._scheduler.fire_due(work, BATCH)
