"""The passing of time as an entry point: schedules that are due start their runs."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from fettle_chassis.database import Database
from fettle_chassis.patience import patiently
from fettle_chassis.service import Part
from fettle_chassis.unit_of_work import unit_of_work
from fettle_workflow_engine.adapters import schedule_rows
from fettle_workflow_engine.scheduling import Scheduler

BATCH = 200
LOOK_S = 1.0
"""The longest that a schedule which was saved meanwhile goes unseen."""
GATHER_S = 0.2
"""Between two transactions, unless the first one was full: what is due meanwhile shares the second."""
PATIENCE_S = 3_600.0


class Schedules(Part):
    """Asks once a second when the next schedule is due, and wakes for it. Any number of engines may do so at once: each
    takes schedules that no other has in hand. A database that is away for an hour stops the service."""

    name = "schedules"

    def __init__(self, database: Database, scheduler: Scheduler, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._scheduler = scheduler
        self._clock = clock

    async def run(self) -> None:
        while True:
            wait_s = await patiently(self._wait_s, within_s=PATIENCE_S)
            if wait_s <= 0:
                while await patiently(self._fire_some, within_s=PATIENCE_S) == BATCH:
                    pass
                wait_s = GATHER_S
            await asyncio.sleep(wait_s)

    async def _wait_s(self) -> float:
        async with self._database.reading() as connection:
            soonest = await schedule_rows.soonest(connection)
        return LOOK_S if soonest is None else min(LOOK_S, (soonest - self._clock()).total_seconds())

    async def _fire_some(self) -> int:
        async with unit_of_work(self._database) as work:
            return await self._scheduler.fire_due(work, BATCH)
