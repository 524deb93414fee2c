"""What the engine does when schedules are due: each due moment starts one run or is told of as missed, once."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis import bugs
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.times import rfc3339
from fettle_workflow_engine import metrics
from fettle_workflow_engine.adapters import run_rows, schedule_rows, workflow_rows
from fettle_workflow_engine.adapters.schedule_rows import Due, Name, Place
from fettle_workflow_engine.domain.advance import run_id_for
from fettle_workflow_engine.domain.catalogue import SCHEDULE
from fettle_workflow_engine.domain.endings import internal
from fettle_workflow_engine.domain.rhythms import next_after, stands_for
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
        return await self._fire(work, await schedule_rows.take_due(work.connection, now, limit), now)

    async def due_names(self, connection: AsyncConnection, limit: int) -> list[Name]:
        """Of the schedules that are due, whoever has them in hand."""
        return await schedule_rows.due_names(connection, self._clock(), limit)

    async def fire_some(self, work: UnitOfWork, names: Sequence[Name]) -> int:
        """As `fire_due`, of these."""
        now = self._clock()
        return await self._fire(work, await schedule_rows.take_some(work.connection, names, now), now)

    async def pass_over(self, work: UnitOfWork, name: Name, bug: Exception) -> None:
        """Moves a schedule on whose moment raises a bug; the run that it should have started is on record as failed."""
        now = self._clock()
        for due in await schedule_rows.take_some(work.connection, [name], now):
            rhythm = due.schedule.rhythm
            next_at = next_after(rhythm, max(now, stands_for(rhythm, due.at)))
            await schedule_rows.move_on(work.connection, [(due, next_at)])
            event = _event(due, Firing(due.at, 0, (), now))
            if await self._unknown(work, [event]):
                await self._engine.put_failed(work, event, internal(bug))
            bugs.note("schedule", bug, org=due.org, workflow=due.workflow, trigger=due.trigger, moment=rfc3339(due.at))

    async def give_up(self, work: UnitOfWork, name: Name, bug: Exception) -> None:
        """Takes out a schedule of which not even the next moment can be told; its workflow says so. Saving that anew
        puts it in again."""
        if await schedule_rows.drop_one(work.connection, name):
            org, workflow, trigger = name
            said = f"The schedule is off until the workflow is saved again. {internal(bug).message}"
            problem = {"at": rfc3339(self._clock()), "trigger": trigger, "event_id": "", "message": said}
            await workflow_rows.note_condition_problems(work.connection, {(org, workflow): problem})
            bugs.note("schedule", bug, org=org, workflow=workflow, trigger=trigger)

    async def _fire(self, work: UnitOfWork, taken: Sequence[Due], now: datetime) -> int:
        if not taken:
            return 0
        # Counting what was missed in a long downtime takes up to 20 ms a schedule: not on the loop.
        firings = await asyncio.to_thread(lambda: [(due, fire(due.schedule, due.at, now)) for due in taken])
        await schedule_rows.move_on(work.connection, [(due, firing.next_at) for due, firing in firings])
        events = [_event(due, firing) for due, firing in firings if firing.starts]
        await self._engine.take_events(work, await self._unknown(work, events))
        for due, firing in firings:
            work.after_commit(partial(self._say, due, firing, now))
        return len(taken)

    async def read_ahead(self, connection: AsyncConnection, limit: int) -> None:
        """Has the definitions at hand of the next schedules that are due within `AHEAD`, at most `limit` more at a
        time. One that is saved to be due before what was read already is read when it is due."""
        now = self._clock()
        if self._read[0] > now + AHEAD:
            self._read = (now, "", "")  # the clock was put back
        found = await schedule_rows.between(connection, max(self._read, (now, "", "")), now + AHEAD, limit)
        if found:
            self._read = found[-1]
            await self._engine.read_ahead(connection, [(org, SCHEDULE, workflow) for _, org, workflow in found])

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
