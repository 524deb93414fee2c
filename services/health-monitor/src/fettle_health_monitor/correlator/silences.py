"""Making and removing silences for people."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.identity import HeartbeatKey
from fettle_contracts.times import to_ms
from fettle_health_monitor.adapters.correlator import policies, progress, silence_register
from fettle_health_monitor.adapters.correlator.control_log import ControlLog
from fettle_health_monitor.adapters.correlator.silence_register import Making, Selection
from fettle_health_monitor.domain.correlator.silences import Schedule, on_or_next

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for: when, why, by whom. `schedule` has been checked."""

    schedule: Schedule
    reason: str | None
    by: str


class Silences:
    """Keeps silences. `now` is the wall clock: it says when one was made or removed; the log's time says what it
    covers."""

    def __init__(self, controls: ControlLog, partition_of: Callable[[str], int], now: Callable[[], datetime]) -> None:
        self._controls, self._partition_of, self._now = controls, partition_of, now

    def now(self) -> int:
        """In milliseconds since 1970."""
        return to_ms(self._now())

    async def make(self, work: UnitOfWork, id: UUID, key: HeartbeatKey, wanted: Wanted) -> None:
        """A silence of one subject, known or not."""
        making = await self._making(work, key.org, wanted)
        await silence_register.make(work.connection, making, id, str(key.subject), self._controls.shard_of(key))
        log.info("silence.made", org=key.org, subject=str(key.subject), silence=str(id), by=wanted.by)

    async def select(self, work: UnitOfWork, id: UUID, org: str, selection: Selection, wanted: Wanted) -> int:
        """One silence for each subject of the selection `id`, as it is now. How many."""
        made = await silence_register.select(work.connection, await self._making(work, org, wanted), id, selection)
        log.info("selection.silenced", org=org, selection=str(id), silences=made, by=wanted.by)
        return made

    async def remove(self, work: UnitOfWork, org: str, id: UUID, *, by: str) -> bool:
        """Ends a silence or a selection from now on; False when there is none. One that has ended stays as it is."""
        await policies.lock_orgs(work.connection, {org})
        removed = await silence_register.remove(work.connection, org, id, by=by, now=self.now())
        if removed:
            log.info("silence.removed", org=org, silence=str(id), silences=removed, by=by)
        return removed is not None

    async def _making(self, work: UnitOfWork, org: str, wanted: Wanted) -> Making:
        """Where a shard is behind the wall, occurrences that have ended by the wall may still hold something back: of
        its own subjects, not of those of other shards, however long it has stood still."""
        partition = self._partition_of(org)
        first = on_or_next(wanted.schedule, self.now())
        behind = {}
        for shard, clock in (await progress.clocks(work.connection, partition)).items():
            own = on_or_next(wanted.schedule, min(self.now(), clock.at))
            if own is not None and own != first:
                behind[shard] = own
        return Making(org, partition, wanted.schedule, first, behind, wanted.reason, wanted.by, self._now())
