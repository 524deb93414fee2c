"""What runs by the clock of a shard that stands still, and is not about that shard's own subjects."""

from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_health_monitor.adapters.correlator.watches import COLUMNS, watch_of
from fettle_health_monitor.domain.correlator.losses import LOST
from fettle_health_monitor.domain.correlator.rollups import MANY
from fettle_health_monitor.domain.correlator.watches import Watch

_ABOUT_LISTS = text(f"""
    SELECT {COLUMNS}
    FROM watch JOIN shard_progress AS stood ON watch.partition = stood.partition AND watch.shard = stood.shard
    WHERE stood.partition = ANY(CAST(:partitions AS integer[])) AND stalled
      AND (watch.condition IN ('{MANY}', '{LOST}') OR kind = 'left_alone'
           OR kind = 'early_resolve' AND watch.subject LIKE 'integration/%')
      AND (watch.generation = clock_generation AND due_clock <= stood.clock) IS NOT true
    ORDER BY watch.org, watch.subject, watch.condition, kind FOR UPDATE OF watch
""")  # noqa: S608 - constants


async def about_lists(connection: AsyncConnection, partitions: Collection[int]) -> list[tuple[int, Watch]]:
    """The watches that devices wait for, or whose lists do, and that run by the clocks of shards that stand still in
    these partitions; each with its partition, locked until the commit, without those that have run out by the last
    clock of their shard."""
    rows = await connection.execute(_ABOUT_LISTS, {"partitions": list(partitions)})
    return [(row.partition, watch_of(row)) for row in rows]
