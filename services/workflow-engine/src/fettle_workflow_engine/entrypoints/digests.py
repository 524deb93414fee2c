"""The passing of time as an entry point: what channels held back is told of once there is room."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

import structlog

from fettle_chassis.bugs import apart, note, unless_bug
from fettle_chassis.database import Database
from fettle_chassis.patience import patiently
from fettle_chassis.service import Part
from fettle_chassis.unit_of_work import unit_of_work
from fettle_workflow_engine import metrics
from fettle_workflow_engine.adapters import digest_rows
from fettle_workflow_engine.adapters.digest_rows import Digest, Due, Place
from fettle_workflow_engine.adapters.due_rows import Kind
from fettle_workflow_engine.adapters.senders import Senders
from fettle_workflow_engine.domain.calls import Done, Outcome, Retry
from fettle_workflow_engine.domain.caps import pause_s
from fettle_workflow_engine.domain.endings import internal
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
        self._passed_over: set[Place] = set()

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
        async with self._database.reading() as connection:
            holding = await digest_rows.holding(connection)
        await apart(holding, self._make_of, self._pass_over)

    async def _make_of(self, channels: Sequence[Place]) -> None:
        async with unit_of_work(self._database) as work:
            await digest_rows.make(work.connection, channels, self._clock())

    async def _pass_over(self, channel: Place, bug: Exception) -> None:
        """It is tried at each look; told of once."""
        if channel not in self._passed_over:
            self._passed_over.add(channel)
            note("channel", bug, org=channel[0], channel=channel[1])

    async def _lease(self) -> list[Due]:
        async with unit_of_work(self._database) as work:
            return await digest_rows.lease(work.connection, self._clock(), BATCH)

    async def _send(self, due: Due) -> None:
        """Sent twice when the process dies between here and the row that says so; under the same id."""
        outcome = await unless_bug(partial(self._outcome, due), partial(self._failed_by, due))
        if outcome is None:
            return
        now = self._clock()
        where = {"org": due.org, "channel": due.channel, "digest": str(due.id)}

        async def put() -> None:
            async with unit_of_work(self._database) as work:
                if isinstance(outcome, Done):
                    await digest_rows.sent(work.connection, due.id, now)
                    return
                asked_for_s = outcome.after_s if isinstance(outcome, Retry) else None
                again_at = now + timedelta(seconds=pause_s(due.attempts, asked_for_s))
                await digest_rows.failed(work.connection, due.id, outcome.failure, again_at)

        await patiently(put, within_s=PATIENCE_S)
        if isinstance(outcome, Done):
            log.info("digest.sent", **where)
        else:
            log.warning("digest.not_sent", code=outcome.failure.code, reason=outcome.failure.message, **where)

    async def _outcome(self, due: Due) -> Outcome | None:
        """None for one whose channel is gone."""
        digest = await patiently(partial(self._read, due), within_s=PATIENCE_S)
        if digest is None:
            return None
        outcome = await self._senders.send(digest.channel, digest.message)
        metrics.DIGESTS.labels(digest.channel.kind, type(outcome).__name__.lower()).inc()
        return outcome

    async def _read(self, due: Due) -> Digest | None:
        async with self._database.reading() as connection:
            return await digest_rows.read(connection, due)

    async def _failed_by(self, due: Due, bug: Exception) -> Outcome:
        note("digest", bug, org=due.org, channel=due.channel, digest=str(due.id))
        return Retry(internal(bug))
