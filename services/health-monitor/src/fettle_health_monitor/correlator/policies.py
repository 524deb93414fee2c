"""Changing an org's health policy."""

from collections.abc import Callable
from datetime import datetime

import structlog

from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.health_policy import HealthPolicy
from fettle_health_monitor.adapters.correlator import control_log, policies, registry
from fettle_health_monitor.adapters.correlator.control_log import ControlLog
from fettle_health_monitor.adapters.correlator.registry import Outlasting
from fettle_health_monitor.domain.correlator.policies import Changed, PolicyChange, PolicyVersion, change

log = structlog.get_logger(__name__)


class Policies:
    """Keeps versions and tells every shard."""

    def __init__(self, controls: ControlLog, now: Callable[[], datetime]) -> None:
        self._controls, self._now = controls, now

    async def put(
        self, work: UnitOfWork, org: str, wanted: HealthPolicy, *, publish_existing: bool, seen: int | None, by: str
    ) -> PolicyChange | Outlasting | None:
        """What became of it; None when there is no such org. A change is written for every shard in the same
        transaction, and holds for each from its place in the log on.

        Nothing is changed where a timeout that `wanted` sets is under the interval that is registered for a subject it
        counts for. A policy that says of timeouts what the present one says is let through: who only flips a switch
        need not mend a subject that has changed its model since."""
        known = (await policies.lock_orgs(work.connection, {org})).get(org)
        present = (await policies.newest(work.connection, {org})).get(org)
        if known is None or known.deleted or present is None:
            return None
        decided = change(present, wanted, publish_existing=publish_existing, seen=seen)
        if isinstance(decided, Changed):
            if present.policy.timeouts != wanted.timeouts:
                outlasting = await registry.first_outlasting(work.connection, org, wanted.timeouts)
                if outlasting is not None:
                    return outlasting
            await self.put_in_force(work, decided.version, by=by)
        return decided

    async def put_in_force(self, work: UnitOfWork, version: PolicyVersion, *, by: str) -> None:
        """Keeps this version and tells every shard. The caller holds the org's row."""
        number = await control_log.next_number(work.connection)
        await policies.add(work.connection, version, number=number, decided_by=by, decided_at=self._now())
        self._controls.write_policy(work, version.statement(), number)
        log.info("policy.changed", org=version.org, version=version.version, by=by)
