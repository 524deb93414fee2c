"""The passing of time as an entry point: waits that are over, and runs that wait longer than they may."""

from collections.abc import Sequence
from uuid import UUID

from fettle_chassis.bugs import apart, unless_bug
from fettle_chassis.database import Database
from fettle_chassis.patience import patiently
from fettle_chassis.service import Part
from fettle_chassis.unit_of_work import unit_of_work
from fettle_workflow_engine.adapters.due_rows import Kind
from fettle_workflow_engine.entrypoints.lookout import Lookout
from fettle_workflow_engine.handler import Engine

BATCH = 250
PATIENCE_S = 3_600.0


class Timers(Part):
    """Takes what the lookout says is due. Any number of engines may do so at once: each takes runs that no other has in
    hand. One that raises a bug is set aside alone. A database that is away for an hour stops the service."""

    name = "timers"

    def __init__(self, database: Database, engine: Engine, lookout: Lookout) -> None:
        self._database = database
        self._engine = engine
        self._lookout = lookout

    async def run(self) -> None:
        while True:
            await self._lookout.due(Kind.RUNS)
            while await patiently(self._take_some, within_s=PATIENCE_S) >= BATCH:
                pass

    async def _take_some(self) -> int:
        return await unless_bug(self._take_due, self._take_apart)

    async def _take_due(self) -> int:
        async with unit_of_work(self._database) as work:
            return await self._engine.take_due(work, BATCH)

    async def _take_apart(self, _: Exception) -> int:
        async with unit_of_work(self._database) as work:
            due = await self._engine.due_ids(work, BATCH)
        await apart(due, self._take, self._set_aside)
        return len(due)

    async def _take(self, ids: Sequence[UUID]) -> None:
        async with unit_of_work(self._database) as work:
            await self._engine.take_some(work, ids)

    async def _set_aside(self, id: UUID, bug: Exception) -> None:
        async with unit_of_work(self._database) as work:
            await self._engine.set_aside(work, [id], bug)
