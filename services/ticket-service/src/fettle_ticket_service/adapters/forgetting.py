"""Answered commands are forgotten after their time, a little at a time, on any number of replicas."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from fettle_chassis.database import Database
from fettle_chassis.patience import patiently
from fettle_chassis.service import Part
from fettle_chassis.unit_of_work import unit_of_work
from fettle_ticket_service.adapters import command_memory

log = structlog.get_logger(__name__)

EVERY_S = 3600.0
AT_MOST = 5_000
"""Rows per transaction, so that no lock is held long."""


class Forgetting(Part):
    """Once an hour deletes answers older than `remembered`. A database that is away for an hour stops the service."""

    name = "forgetting"

    def __init__(self, database: Database, clock: Callable[[], datetime], remembered: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._remembered = remembered

    async def run(self) -> None:
        while True:
            forgotten = await patiently(self.forget, within_s=EVERY_S)
            if forgotten:
                log.info("commands.forgotten", commands=forgotten)
            await asyncio.sleep(EVERY_S)

    async def forget(self) -> int:
        """Deletes all that is due; returns how many."""
        before = self._clock() - self._remembered
        total = 0
        while True:
            async with unit_of_work(self._database) as work:
                deleted = await command_memory.forget(work.connection, before, AT_MOST)
            total += deleted
            if deleted < AT_MOST:
                return total
