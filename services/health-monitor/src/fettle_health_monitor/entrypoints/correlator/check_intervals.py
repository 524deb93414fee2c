"""Whether an interval that somebody registers and the org's policy can work together."""

from fettle_chassis.http import Problem
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.health_policy import effective
from fettle_contracts.identity import HeartbeatKey
from fettle_contracts.problems import ProblemCode
from fettle_health_monitor.adapters.correlator import policies, registry
from fettle_health_monitor.domain.correlator.registration import Registration


async def check_interval(work: UnitOfWork, key: HeartbeatKey, said: Registration) -> None:
    """Raises Problem 400 when the subject would be silent between two heartbeats: its `interval_s` is above the
    timeout that the newest policy sets for it. Integration and model are what is said now, else what was heard.

    Locks the org's row, so that no other policy is put in between. An unknown org is for others to refuse.
    """
    if said.interval_s is None:
        return
    await policies.lock_orgs(work.connection, {key.org})
    version = (await policies.newest(work.connection, {key.org})).get(key.org)
    if version is None:
        return
    integration, model = await registry.heard(work.connection, key.org, str(key.subject))
    rules = effective(version.policy, said.integration or integration, said.model or model, key.subject)
    if rules.timeout_s is not None and said.interval_s > rules.timeout_s:
        source = rules.sources["timeout_s"]
        message = (
            f"interval_s {said.interval_s} is above timeout_s {rules.timeout_s}, which is set for "
            f"{'the org' if source == 'org' else source}: the subject would be silent between two heartbeats"
        )
        raise Problem(400, ProblemCode.MALFORMED, message, field="interval_s")
