"""Answered commands are forgotten after their time, a little at a time, on any number of replicas."""

import asyncio
from datetime import timedelta

import structlog

from fettle_chassis.database import Database
from fettle_chassis.patience import patiently
from fettle_chassis.service import Part
from fettle_chassis.unit_of_work import unit_of_work
from fettle_ticket_service.adapters import command_memory
from fettle_ticket_service.adapters.database_time import Hour

log = structlog.get_logger(__name__)

EVERY_S = 3600.0
AT_MOST = 5_000
"""Rows per transaction, so that no lock is held long."""


class Forgetting(Part):
    """Once an hour deletes answers older than `remembered`. A batch that finds no database for an hour stops the
    service."""

    name = "forgetting"

    def __init__(self, database: Database, hour: Hour, remembered: timedelta) -> None:
        self._database = database
        self._hour = hour
        self._remembered = remembered

    async def run(self) -> None:
        while True:
            forgotten = await self.forget()
            if forgotten:
                log.info("commands.forgotten", commands=forgotten)
            await asyncio.sleep(EVERY_S)

    async def forget(self) -> int:
        """Deletes all that is due; returns how many."""

        async def some() -> int:
            async with unit_of_work(self._database) as work:
                before = await self._hour(work.connection) - self._remembered
                return await command_memory.forget(work.connection, before, AT_MOST)

        total = 0
        while True:
            deleted = await patiently(some, within_s=EVERY_S)
            total += deleted
            if deleted < AT_MOST:
                return total
