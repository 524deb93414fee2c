"""How far each shard has come, as each partition of `health.judgements` shows it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_health_monitor.domain.correlator.clocks import ShardClock
from fettle_health_monitor.domain.correlator.marks import Mark
from fettle_health_monitor.domain.judgements import Clock, Unobserved

_LOCK = text("""
    SELECT shard, generation, place_offset, place_index, clock_generation, judged_at, clock, address, stalled
    FROM shard_progress WHERE partition = :partition ORDER BY shard FOR UPDATE
""")

_CLOCKS = text("""
    SELECT shard, clock_generation, judged_at, clock FROM shard_progress
    WHERE partition = :partition AND judged_at IS NOT NULL
""")

_ADDRESS = text("SELECT address FROM shard_progress WHERE partition = :partition AND shard = :shard")

_SAVE = text("""
    INSERT INTO shard_progress AS known
        (partition, shard, generation, place_offset, place_index, clock_generation, judged_at, clock, address, stalled)
    SELECT CAST(:partition AS integer), * FROM unnest(
        CAST(:shards AS integer[]), CAST(:generations AS bigint[]), CAST(:offsets AS bigint[]),
        CAST(:indexes AS bigint[]), CAST(:clock_generations AS bigint[]), CAST(:judged AS bigint[]),
        CAST(:clocks AS bigint[]), CAST(:addresses AS text[]), CAST(:stalled AS boolean[]))
    ON CONFLICT (partition, shard) DO UPDATE SET
        generation = excluded.generation, place_offset = excluded.place_offset, place_index = excluded.place_index,
        clock_generation = excluded.clock_generation, judged_at = excluded.judged_at, clock = excluded.clock,
        address = excluded.address, stalled = excluded.stalled
""")

_GAPS = text("""
    INSERT INTO shard_gap (shard, kind, from_at, to_at)
    SELECT * FROM unnest(CAST(:shards AS integer[]), CAST(:kinds AS text[]),
                         CAST(:from_at AS bigint[]), CAST(:to_at AS bigint[]))
    ON CONFLICT DO NOTHING
""")

_CLOSE_GAPS = text("""
    UPDATE shard_gap AS gap SET to_at = moved.at
    FROM unnest(CAST(:shards AS integer[]), CAST(:at AS bigint[])) AS moved (shard, at)
    WHERE gap.shard = moved.shard AND gap.kind = 'stalled' AND gap.to_at IS NULL
""")


@dataclass(frozen=True, slots=True)
class Progress:
    """One shard in one partition: its high-water mark and, once it has shown one, its clock."""

    shard: int
    mark: Mark
    clock: ShardClock | None = None
    address: str | None = None
    stalled: bool = False


async def lock(connection: AsyncConnection, partition: int) -> dict[int, Progress]:
    """All shards that this partition has heard of, locked until the commit."""
    rows = await connection.execute(_LOCK, {"partition": partition})
    return {
        row.shard: Progress(
            row.shard,
            (row.generation, row.place_offset, row.place_index),
            None if row.judged_at is None else ShardClock(row.shard, row.clock_generation, row.judged_at, row.clock),
            row.address,
            row.stalled,
        )
        for row in rows
    }


def advance(
    known: Mapping[int, Progress], marks: Mapping[int, Mark], shown: Mapping[int, Clock]
) -> dict[int, Progress]:
    """The shards' progress after messages with these marks and clocks."""
    after = {}
    for shard, mark in marks.items():
        before = known.get(shard) or Progress(shard, mark)
        message = shown.get(shard)
        if message is None:
            after[shard] = replace(before, mark=mark)
        else:
            clock = ShardClock(shard, message.generation, message.at, message.clock)
            after[shard] = Progress(shard, mark, clock, message.address, before.stalled)
    return after


async def save(connection: AsyncConnection, partition: int, progress: Collection[Progress]) -> None:
    await connection.execute(
        _SAVE,
        {
            "partition": partition,
            "shards": [each.shard for each in progress],
            "generations": [each.mark[0] for each in progress],
            "offsets": [each.mark[1] for each in progress],
            "indexes": [each.mark[2] for each in progress],
            "clock_generations": [None if each.clock is None else each.clock.generation for each in progress],
            "judged": [None if each.clock is None else each.clock.at for each in progress],
            "clocks": [None if each.clock is None else each.clock.clock for each in progress],
            "addresses": [each.address for each in progress],
            "stalled": [each.stalled for each in progress],
        },
    )


async def record_unobserved(connection: AsyncConnection, gaps: Collection[Unobserved]) -> None:
    """Every partition brings each of these; one row stays."""
    await connection.execute(
        _GAPS,
        {
            "shards": [gap.shard for gap in gaps],
            "kinds": ["unobserved"] * len(gaps),
            "from_at": [gap.from_at for gap in gaps],
            "to_at": [gap.to_at for gap in gaps],
        },
    )


async def record_stalls(
    connection: AsyncConnection, before: Mapping[int, Progress], after: Mapping[int, Progress]
) -> None:
    """Puts on record which shards began to stand still and which move again."""
    began = [now for now in after.values() if now.clock and now.stalled and not _was_stalled(before, now.shard)]
    ended = [now for now in after.values() if now.clock and not now.stalled and _was_stalled(before, now.shard)]
    if began:
        values = {
            "shards": [each.shard for each in began],
            "kinds": ["stalled"] * len(began),
            "from_at": [each.clock.at for each in began if each.clock],
            "to_at": [None] * len(began),
        }
        await connection.execute(_GAPS, values)
    if ended:
        values = {
            "shards": [each.shard for each in ended],
            "at": [each.clock.at for each in ended if each.clock],
        }
        await connection.execute(_CLOSE_GAPS, values)


def _was_stalled(before: Mapping[int, Progress], shard: int) -> bool:
    return shard in before and before[shard].stalled


async def clocks(connection: AsyncConnection, partition: int) -> list[ShardClock]:
    """The shards' clocks as this partition shows them."""
    rows = await connection.execute(_CLOCKS, {"partition": partition})
    return [ShardClock(row.shard, row.clock_generation, row.judged_at, row.clock) for row in rows]


async def address_of(connection: AsyncConnection, partition: int, shard: int) -> str | None:
    """Where the shard's owner answers, as it last said."""
    found: str | None = await connection.scalar(_ADDRESS, {"partition": partition, "shard": shard})
    return found
