"""Entering subjects into the registry, and removing them."""

from collections.abc import Callable
from datetime import datetime

from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.identity import HeartbeatKey
from fettle_contracts.times import to_ms
from fettle_health_monitor.adapters.correlator import control_log, policies, registry
from fettle_health_monitor.adapters.correlator.control_log import ControlLog
from fettle_health_monitor.adapters.correlator.registry import Entered, Removed
from fettle_health_monitor.correlator.deciding import Deciding
from fettle_health_monitor.domain import control
from fettle_health_monitor.domain.correlator.clocks import Behind
from fettle_health_monitor.domain.correlator.registration import Registration
from fettle_health_monitor.domain.correlator.verdicts import forgotten


class Registry:
    """Tells the subject's shard what people enter and remove."""

    def __init__(self, controls: ControlLog, deciding: Deciding, now: Callable[[], datetime]) -> None:
        self._controls, self._deciding, self._now = controls, deciding, now

    async def enter(self, work: UnitOfWork, key: HeartbeatKey, said: Registration, *, by: str) -> bool | None:
        """Whether the entry is new; None when there is no such org. An equal entry changes nothing."""
        connection, subject = work.connection, str(key.subject)
        known = (await policies.lock_orgs(connection, {key.org})).get(key.org)
        if known is None or known.deleted:
            return None
        before = await registry.find(connection, key.org, subject)
        if before == said:
            return False
        number = await control_log.next_number(connection)
        entry = Entered(key.org, subject, said)
        shard = self._controls.shard_of(key)
        await registry.enter(connection, entry, shard=shard, entered_by=by, entered_at=self._now())
        work.publish(self._controls.subject(key, said.statement(), number))
        return before is None

    async def remove(self, work: UnitOfWork, key: HeartbeatKey) -> bool:
        """False when the subject is not known. Its tickets end when its shard says that it has forgotten it; where the
        shard does not know the subject, at once."""
        connection, subject = work.connection, str(key.subject)
        orgs = await policies.lock_orgs(connection, {key.org})
        number = await control_log.next_number(connection)
        removed = await registry.remove(connection, key.org, subject)
        if removed is Removed.UNKNOWN:
            return False
        if removed is Removed.NOT_JUDGED:
            at = to_ms(self._now())
            gone = forgotten(org=key.org, subject=subject, number=number, at=at)
            await self._deciding.decide(work, [(gone, Behind())], orgs)
        work.publish(self._controls.subject(key, control.Forget(), number))
        return True
