"""How a subject stands, as one needs to know when somebody resolves its ticket."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.transitions import HealthState
from fettle_health_monitor.adapters.correlator import losses, policies, progress
from fettle_health_monitor.domain.correlator.clocks import ShardClock
from fettle_health_monitor.domain.correlator.early_resolve import Standing
from fettle_health_monitor.domain.correlator.losses import LOST

_OF = text("""
    SELECT subject.shard, state, condition, integration, model, clock_generation, judged_at, clock, version
    FROM subject
    JOIN shard_progress ON partition = :partition AND shard_progress.shard = subject.shard
    LEFT JOIN policy_in_force AS force ON force.org = subject.org AND force.shard = subject.shard
    WHERE subject.org = :org AND subject = :subject AND judged_at IS NOT NULL
""")


async def of_all_heartbeats(connection: AsyncConnection, partition: int, org: str, subject: str) -> Standing | None:
    """Whether an org's heartbeats still do not arrive: firing while a fifth of the lost are unknown. None for an org
    without a policy, or while no shard has shown a clock."""
    version = (await policies.foremost(connection, {org})).get(org)
    clock = await progress.slowest_moving(connection, partition)
    loss = await losses.latest(connection, org)
    if version is None or clock is None or loss is None:
        return None
    return Standing(
        subject=subject,
        state=HealthState.HEALTHY if loss.few_unknown else HealthState.FIRING,
        condition=LOST,
        shard=clock,
        switches=version.switches,
        open_debounce_s=version.rules_for(subject, None, None).open_debounce_s,
    )


async def of(connection: AsyncConnection, partition: int, org: str, subject: str) -> Standing | None:
    """None for a subject that no shard judges."""
    row = (await connection.execute(_OF, {"partition": partition, "org": org, "subject": subject})).one_or_none()
    if row is None:
        return None
    found = await policies.versions(connection, {(org, row.version)}) if row.version is not None else {}
    version = found.get((org, row.version)) or (await policies.foremost(connection, {org})).get(org)
    if version is None:
        return None
    return Standing(
        subject=subject,
        state=row.state,
        condition=row.condition,
        shard=ShardClock(row.shard, row.clock_generation, row.judged_at, row.clock),
        switches=version.switches,
        open_debounce_s=version.rules_for(subject, row.integration, row.model).open_debounce_s,
    )
