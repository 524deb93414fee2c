"""Looks, again and again, whether every verdict has exactly one outcome or waits for it."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from fettle_chassis.database import Database
from fettle_chassis.patience import regularly
from fettle_chassis.service import Part
from fettle_contracts.times import from_ms, rfc3339, to_ms
from fettle_health_monitor.adapters.correlator import books, progress
from fettle_health_monitor.adapters.correlator.books import Hour
from fettle_health_monitor.metrics import STALLED_SHARDS, VERDICTS, VERDICTS_OF_HOUR, VERDICTS_UNACCOUNTED

log = structlog.get_logger(__name__)

_EVERY_S = 60.0
LOOKS_BACK: Final = timedelta(hours=25)
"""A day and the hour that is under way."""
_MILLISECOND = timedelta(milliseconds=1)


class Bookkeeping(Part):
    """Shows the books of the last day as metrics, and names what does not add up; and how many shards are not waited
    for, which every replica says alike. `now` is the wall clock."""

    name = "bookkeeping"

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database, self._now = database, now

    async def run(self) -> None:
        await regularly(self.look, every_s=_EVERY_S, name="bookkeeping")

    async def look(self) -> None:
        """Reads the books once."""
        now = to_ms(self._now())
        async with self._database.reading() as connection:
            hours = await books.hours(connection, now - LOOKS_BACK // _MILLISECOND)
            stalled = await progress.stalled(connection)
        waiting = sum(hour.ended.get(books.WAITING, 0) for hour in hours)
        VERDICTS.labels("called").set(sum(hour.called for hour in hours))
        VERDICTS.labels("decided").set(sum(sum(hour.ended.values()) for hour in hours) - waiting)
        VERDICTS.labels("waiting").set(waiting)
        VERDICTS.labels("unanswered").set(sum(hour.unanswered for hour in hours))
        _show_hours(hours, now // 3_600_000)
        for partition, shards in stalled.items():
            STALLED_SHARDS.labels(partition).set(shards)
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


def _show_hours(hours: Sequence[Hour], current: int) -> None:
    """Only orgs with verdicts in the last two hours are shown."""
    VERDICTS_OF_HOUR.clear()
    names = {current: "current", current - 1: "previous"}
    for hour in hours:
        if hour.hour in names:
            for ending, number in {"called": hour.called, **hour.ended}.items():
                VERDICTS_OF_HOUR.labels(hour.org, names[hour.hour], ending).set(number)
