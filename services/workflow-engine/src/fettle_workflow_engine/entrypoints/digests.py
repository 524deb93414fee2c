"""The passing of time as an entry point: what channels held back is told of once there is room."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from fettle_chassis.database import Database
from fettle_chassis.patience import patiently
from fettle_chassis.service import Part
from fettle_chassis.unit_of_work import unit_of_work
from fettle_workflow_engine import metrics
from fettle_workflow_engine.adapters import digest_rows
from fettle_workflow_engine.adapters.digest_rows import Due
from fettle_workflow_engine.adapters.due_rows import Kind
from fettle_workflow_engine.adapters.senders import Senders
from fettle_workflow_engine.domain.calls import Done, Retry
from fettle_workflow_engine.domain.caps import pause_s
from fettle_workflow_engine.entrypoints.lookout import Lookout

log = structlog.get_logger(__name__)

BATCH = 10
LOOK_EVERY_S = 1.0
PATIENCE_S = 3_600.0


class Digests(Part):
    """Looks once a second while the lookout says that something is held back or due. Any number of engines may look at
    once: a digest is made under its channel's lock and sent by whoever has its lease. A database that is away for an
    hour stops the service."""

    name = "digests"

    def __init__(self, database: Database, senders: Senders, clock: Callable[[], datetime], lookout: Lookout) -> None:
        self._database = database
        self._senders = senders
        self._clock = clock
        self._lookout = lookout

    async def run(self) -> None:
        while True:
            await self._lookout.due(Kind.DIGESTS)
            await patiently(self._make, within_s=PATIENCE_S)
            while due := await patiently(self._lease, within_s=PATIENCE_S):
                await asyncio.gather(*(self._send(one) for one in due))
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> int:
        """Once: makes what there is room for, sends what is due; returns how many were tried."""
        await self._make()
        due = await self._lease()
        await asyncio.gather(*(self._send(one) for one in due))
        return len(due)

    async def _make(self) -> None:
        async with unit_of_work(self._database) as work:
            await digest_rows.make(work.connection, self._clock())

    async def _lease(self) -> list[Due]:
        async with unit_of_work(self._database) as work:
            return await digest_rows.lease(work.connection, self._clock(), BATCH)

    async def _send(self, due: Due) -> None:
        """Sent twice when the process dies between here and the row that says so; under the same id."""
        outcome = await self._senders.send(due.channel, due.message)
        now = self._clock()
        where = {"org": due.channel.org, "channel": due.channel.name, "digest": str(due.message.id)}
        metrics.DIGESTS.labels(due.channel.kind, type(outcome).__name__.lower()).inc()

        async def note() -> None:
            async with unit_of_work(self._database) as work:
                if isinstance(outcome, Done):
                    await digest_rows.sent(work.connection, due.message.id, now)
                    return
                asked_for_s = outcome.after_s if isinstance(outcome, Retry) else None
                again_at = now + timedelta(seconds=pause_s(due.attempts, asked_for_s))
                await digest_rows.failed(work.connection, due.message.id, outcome.failure, again_at)

        await patiently(note, within_s=PATIENCE_S)
        if isinstance(outcome, Done):
            log.info("digest.sent", messages=len(due.message.held), **where)
        else:
            log.warning("digest.not_sent", code=outcome.failure.code, reason=outcome.failure.message, **where)
