"""The passing of time as an entry point: schedules that are due start their runs."""

import asyncio
from collections.abc import Sequence

from fettle_chassis.bugs import apart, note, unless_bug
from fettle_chassis.database import Database
from fettle_chassis.patience import patiently
from fettle_chassis.service import Part
from fettle_chassis.unit_of_work import unit_of_work
from fettle_workflow_engine.adapters.due_rows import Kind
from fettle_workflow_engine.adapters.schedule_rows import Name
from fettle_workflow_engine.entrypoints.lookout import Lookout
from fettle_workflow_engine.scheduling import AHEAD, Scheduler

BATCH = 200
READ_EVERY_S = 1.0
PATIENCE_S = 3_600.0


class Schedules(Part):
    """Fires what the lookout says is due; documents of those that are due soon are read meanwhile. Any number of
    engines may do so at once: each takes schedules that no other has in hand. One that raises a bug is set aside alone.
    A database that is away for an hour stops the service."""

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
        await unless_bug(self._read_next, self._read_when_due)

    async def _read_when_due(self, bug: Exception) -> None:
        """Whichever of them it is will be set aside then."""
        note("read_ahead", bug)

    async def _read_next(self) -> None:
        async with self._database.reading() as connection:
            await self._scheduler.read_ahead(connection, BATCH)

    async def _fire_some(self) -> int:
        return await unless_bug(self._fire_due, self._fire_apart)

    async def _fire_apart(self, _: Exception) -> int:
        async with self._database.reading() as connection:
            due = await self._scheduler.due_names(connection, BATCH)
        await apart(due, self._fire, self._pass_over)
        return len(due)

    async def _fire(self, names: Sequence[Name]) -> None:
        async with unit_of_work(self._database) as work:
            await self._scheduler.fire_some(work, names)

    async def _pass_over(self, name: Name, bug: Exception) -> None:
        async def move_on() -> None:
            async with unit_of_work(self._database) as work:
                await self._scheduler.pass_over(work, name, bug)

        async def give_up(worse: Exception) -> None:
            async with unit_of_work(self._database) as work:
                await self._scheduler.give_up(work, name, worse)

        await unless_bug(move_on, give_up)

    async def _fire_due(self) -> int:
        async with unit_of_work(self._database) as work:
            return await self._scheduler.fire_due(work, BATCH)
