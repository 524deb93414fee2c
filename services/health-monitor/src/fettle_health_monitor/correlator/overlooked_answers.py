"""Looks, again and again, for verdicts whose answer has been taken in by code from before migration 0011."""

from fettle_chassis.database import Database
from fettle_chassis.patience import regularly
from fettle_chassis.service import Part
from fettle_chassis.unit_of_work import unit_of_work
from fettle_health_monitor.correlator.tickets import Tickets

_EVERY_S = 60.0


class OverlookedAnswers(Part):
    """Settles them now and every minute. Any number of replicas may."""

    name = "overlooked-answers"

    def __init__(self, database: Database, tickets: Tickets) -> None:
        self._database, self._tickets = database, tickets

    async def run(self) -> None:
        await regularly(self.look, every_s=_EVERY_S, name="overlooked_answers")

    async def look(self) -> None:
        """Settles those that there are by now."""
        async with unit_of_work(self._database) as work:
            await self._tickets.take_overlooked(work)
