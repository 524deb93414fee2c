"""How a subject stands, as one needs to know when somebody resolves its ticket."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_health_monitor.adapters.correlator import policies
from fettle_health_monitor.domain.correlator.clocks import ShardClock
from fettle_health_monitor.domain.correlator.early_resolve import Standing

_OF = text("""
    SELECT subject.shard, state, condition, integration, model, clock_generation, judged_at, clock, version
    FROM subject
    JOIN shard_progress ON partition = :partition AND shard_progress.shard = subject.shard
    LEFT JOIN policy_in_force AS force ON force.org = subject.org AND force.shard = subject.shard
    WHERE subject.org = :org AND subject = :subject AND judged_at IS NOT NULL
""")


async def of(connection: AsyncConnection, partition: int, org: str, subject: str) -> Standing | None:
    """None for a subject that no shard judges."""
    row = (await connection.execute(_OF, {"partition": partition, "org": org, "subject": subject})).one_or_none()
    if row is None:
        return None
    found = await policies.versions(connection, {(org, row.version)}) if row.version is not None else {}
    version = found.get((org, row.version)) or (await policies.newest(connection, {org})).get(org)
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
