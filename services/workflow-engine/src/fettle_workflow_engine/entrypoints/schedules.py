"""The passing of time as an entry point: schedules that are due start their runs."""

import asyncio

from fettle_chassis.database import Database
from fettle_chassis.patience import patiently
from fettle_chassis.service import Part
from fettle_chassis.unit_of_work import unit_of_work
from fettle_workflow_engine.adapters.due_rows import Kind
from fettle_workflow_engine.entrypoints.lookout import Lookout
from fettle_workflow_engine.scheduling import AHEAD, Scheduler

BATCH = 200
READ_EVERY_S = 1.0
PATIENCE_S = 3_600.0


class Schedules(Part):
    """Fires what the lookout says is due; documents of those that are due soon are read meanwhile. Any number of
    engines may do so at once: each takes schedules that no other has in hand. A database that is away for an hour stops
    the service."""

    name = "schedules"

    def __init__(self, database: Database, scheduler: Scheduler, lookout: Lookout) -> None:
        self._database = database
        self._scheduler = scheduler
        self._lookout = lookout

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read_ahead())
            while True:
                await self._lookout.due(Kind.SCHEDULES)
                while await patiently(self._fire_some, within_s=PATIENCE_S) == BATCH:
                    pass

    async def _read_ahead(self) -> None:
        while True:
            await self._lookout.due(Kind.SCHEDULES, AHEAD)
            await patiently(self._read_some, within_s=PATIENCE_S)
            await asyncio.sleep(READ_EVERY_S)

    async def _read_some(self) -> None:
        async with self._database.reading() as connection:
            await self._scheduler.read_ahead(connection, BATCH)

    async def _fire_some(self) -> int:
        async with unit_of_work(self._database) as work:
            return await self._scheduler.fire_due(work, BATCH)
