"""The passing of time as an entry point: waits that are over, and runs that wait longer than they may."""

import asyncio

from fettle_chassis.database import Database
from fettle_chassis.patience import patiently
from fettle_chassis.service import Part
from fettle_chassis.unit_of_work import unit_of_work
from fettle_workflow_engine.handler import Engine

BATCH = 250
PATIENCE_S = 3_600.0


class Timers(Part):
    """Looks every `every_s` seconds, with one statement. Any number of engines may look at once: each takes runs that
    no other has in hand. A database that is away for an hour stops the service."""

    name = "timers"

    def __init__(self, database: Database, engine: Engine, every_s: float) -> None:
        self._database = database
        self._engine = engine
        self._every_s = every_s

    async def run(self) -> None:
        while True:
            while await patiently(self._take_some, within_s=PATIENCE_S) >= BATCH:
                pass
            await asyncio.sleep(self._every_s)

    async def _take_some(self) -> int:
        async with unit_of_work(self._database) as work:
            return await self._engine.take_due(work, BATCH)
