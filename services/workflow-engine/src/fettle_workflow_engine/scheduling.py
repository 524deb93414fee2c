"""What the engine does when schedules are due: each due moment starts one run or is told of as missed, once."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.times import rfc3339
from fettle_workflow_engine import metrics
from fettle_workflow_engine.adapters import run_rows, schedule_rows
from fettle_workflow_engine.adapters.schedule_rows import Due, Place
from fettle_workflow_engine.domain.advance import run_id_for
from fettle_workflow_engine.domain.catalogue import SCHEDULE
from fettle_workflow_engine.domain.schedules import Firing, fire
from fettle_workflow_engine.handler import Engine, Event

log = structlog.get_logger(__name__)

SOURCE = "fettle/workflow-engine/schedule"
AHEAD = timedelta(seconds=20)
"""To read a thousand documents takes a second or two."""


class Scheduler:
    """Starts what is due by `clock`. A clock that jumps ahead makes moments missed, one that jumps back makes
    schedules wait: no moment comes twice, as what a row has passed it does not come back to."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock
        self._read: Place = (datetime.min.replace(tzinfo=UTC), "", "")

    async def fire_due(self, work: UnitOfWork, limit: int) -> int:
        """Fires at most `limit` schedules that are due and that no other engine has in hand; returns how many there
        were. Rows are moved on in the transaction that starts their runs."""
        now = self._clock()
        taken = await schedule_rows.take_due(work.connection, now, limit)
        if not taken:
            return 0
        # Counting what was missed in a long downtime takes up to 20 ms a schedule: not on the loop.
        firings = await asyncio.to_thread(lambda: [(due, fire(due.schedule, due.at, now)) for due in taken])
        await schedule_rows.move_on(work.connection, [(due, firing.next_at) for due, firing in firings])
        events = [_event(due, firing) for due, firing in firings if firing.starts]
        await self._engine.take_events(work, await self._unknown(work, events))
        for due, firing in firings:
            self._say(due, firing, now)
        return len(taken)

    async def read_ahead(self, connection: AsyncConnection, limit: int) -> None:
        """Has the definitions at hand of the next schedules that are due within `AHEAD`, at most `limit` more at a
        time. One that is saved to be due before what was read already is read when it is due."""
        now = self._clock()
        if self._read[0] > now + AHEAD:
            self._read = (now, "", "")  # the clock was put back
        found = await schedule_rows.between(connection, max(self._read, (now, "", "")), now + AHEAD, limit)
        if found:
            await self._engine.read_ahead(connection, [(org, SCHEDULE, workflow) for _, org, workflow in found])
            self._read = found[-1]

    async def _unknown(self, work: UnitOfWork, events: Sequence[Event]) -> list[Event]:
        """Events that have had no run yet. Rows are only moved on, but one that is deleted with its workflow and made
        anew under a clock that was put back begins where it was before."""
        ids = [run_id_for(event.org, event.workflow or "", event.source, event.id) for event in events]
        known = await run_rows.known(work.connection, ids)
        return [event for event, id in zip(events, ids, strict=True) if id not in known]

    def _say(self, due: Due, firing: Firing, now: datetime) -> None:
        if firing.starts:
            metrics.SCHEDULE_LATENESS.observe(max(0.0, (now - firing.starts).total_seconds()))
        if firing.missed:
            metrics.SCHEDULE_MISSED.inc(firing.missed)
            log.warning(
                "schedule.missed", org=due.org, workflow=due.workflow, trigger=due.trigger, missed=firing.missed,
                first=rfc3339(due.at), started=rfc3339(firing.starts) if firing.starts else None,
            )  # fmt: skip


def _event(due: Due, firing: Firing) -> Event:
    moment = rfc3339(firing.starts) if firing.starts else ""
    return Event(
        due.org,
        SCHEDULE,
        SOURCE,
        f"{due.trigger}@{moment}",
        firing.event(due.trigger),
        depth=0,
        workflow=due.workflow,
    )
