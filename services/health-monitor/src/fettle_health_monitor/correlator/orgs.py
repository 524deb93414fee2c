"""Orgs come and go; shards are told what that means."""

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from fettle_chassis.told_orgs import ToldOrg, newest_of_each
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.health_policy import HealthPolicy
from fettle_health_monitor.adapters.correlator import policies
from fettle_health_monitor.correlator.policies import Policies
from fettle_health_monitor.domain.correlator.policies import PolicyVersion

log = structlog.get_logger(__name__)

BY = "fettle"
"""Who decided what nobody asked for."""


class Orgs:
    """Takes in orgs. The newest word about an org counts, however often and in which order it is heard; that it was
    deleted is the last."""

    def __init__(self, policies: Policies, now: Callable[[], datetime]) -> None:
        self._policies, self._now = policies, now

    async def handle(self, work: UnitOfWork, batch: Sequence[ToldOrg]) -> None:
        told = newest_of_each(batch)
        # All of them before the first policy: that takes the control counter, and who puts one holds its org's row.
        news = await policies.tell(work.connection, told)
        present = await policies.newest(work.connection, news)
        for each in told:
            if each.org.org in news:
                await self._take_in(work, each, present.get(each.org.org))

    async def _take_in(self, work: UnitOfWork, told: ToldOrg, present: PolicyVersion | None) -> None:
        """A new org begins with both switches off. A deleted one is not judged any more."""
        org = told.org.org
        if present is None:
            await self._policies.put_in_force(work, PolicyVersion(org, 1, HealthPolicy()), by=BY)
            log.info("org.known", org=org)
        elif told.org.deleted and (present.policy.enabled or present.policy.publish_tickets):
            off = PolicyVersion(org, present.version + 1, HealthPolicy())
            await self._policies.put_in_force(work, off, by=BY)
            log.info("org.deleted", org=org)
