"""Looks, again and again, whether every verdict has exactly one outcome or waits for it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from fettle_chassis.database import Database
from fettle_chassis.patience import regularly
from fettle_chassis.service import Part
from fettle_contracts.times import from_ms, rfc3339, to_ms
from fettle_health_monitor.adapters.correlator import books
from fettle_health_monitor.metrics import VERDICTS, VERDICTS_UNACCOUNTED

log = structlog.get_logger(__name__)

_EVERY_S = 60.0
LOOKS_BACK: Final = timedelta(hours=25)
"""A day and the hour that is under way."""


class Bookkeeping(Part):
    """Shows the books of the last day as metrics, and names what does not add up. `now` is the wall clock."""

    name = "bookkeeping"

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database, self._now = database, now

    async def run(self) -> None:
        await regularly(self.look, every_s=_EVERY_S, name="bookkeeping")

    async def look(self) -> None:
        """Reads the books once."""
        async with self._database.reading() as connection:
            hours = await books.hours(connection, to_ms(self._now() - LOOKS_BACK))
        waiting = sum(hour.ended.get(books.WAITING, 0) for hour in hours)
        VERDICTS.labels("called").set(sum(hour.called for hour in hours))
        VERDICTS.labels("decided").set(sum(sum(hour.ended.values()) for hour in hours) - waiting)
        VERDICTS.labels("waiting").set(waiting)
        VERDICTS_UNACCOUNTED.set(sum(hour.unaccounted for hour in hours))
        for hour in hours:
            if hour.unaccounted:
                log.error(
                    "verdicts.unaccounted",
                    org=hour.org,
                    hour=rfc3339(from_ms(hour.hour * 3_600_000)),
                    verdicts=hour.unaccounted,
                    such_as=[str(verdict) for verdict in hour.which],
                )
