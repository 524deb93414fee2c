"""How far each shard has come, as each partition of `health.judgements` shows it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_health_monitor.domain.correlator.clocks import Hole, ShardClock
from fettle_health_monitor.domain.correlator.marks import Mark
from fettle_health_monitor.domain.judgements import Clock, Unobserved

_LOCK = text("""
    SELECT partition, shard, generation, place_offset, place_index, clock_generation, judged_at, clock, anew_at,
           address, stalled
    FROM shard_progress WHERE partition = ANY(CAST(:partitions AS integer[])) ORDER BY partition, shard FOR UPDATE
""")

_CLOCKS = text("""
    SELECT shard, clock_generation, judged_at, clock, anew_at FROM shard_progress
    WHERE partition = :partition AND judged_at IS NOT NULL AND NOT (stalled AND CAST(:moving AS boolean))
    ORDER BY shard
""")

_HOLES = text("""
    SELECT shard, from_at, to_at FROM shard_gap
    WHERE kind = 'unobserved' AND shard = ANY(CAST(:shards AS integer[])) AND to_at > :after ORDER BY to_at
""")

_HOLES_ENDED = text("SELECT shard, to_at FROM shard_gap WHERE kind = 'unobserved' AND to_at > :after ORDER BY to_at")

_ADDRESSES = text("""
    SELECT shard, address FROM shard_progress
    WHERE partition = :partition AND shard = ANY(CAST(:shards AS integer[])) AND address IS NOT NULL
""")

_STALLED = text("SELECT partition, count(*) FILTER (WHERE stalled) AS stalled FROM shard_progress GROUP BY partition")

_SAVE = text("""
    INSERT INTO shard_progress AS known
        (partition, shard, generation, place_offset, place_index, clock_generation, judged_at, clock, anew_at, address,
         stalled)
    SELECT * FROM unnest(
        CAST(:partitions AS integer[]), CAST(:shards AS integer[]), CAST(:generations AS bigint[]),
        CAST(:offsets AS bigint[]), CAST(:indexes AS bigint[]), CAST(:clock_generations AS bigint[]),
        CAST(:judged AS bigint[]), CAST(:clocks AS bigint[]), CAST(:anew_at AS bigint[]), CAST(:addresses AS text[]),
        CAST(:stalled AS boolean[]))
    ON CONFLICT (partition, shard) DO UPDATE SET
        generation = excluded.generation, place_offset = excluded.place_offset, place_index = excluded.place_index,
        clock_generation = excluded.clock_generation, judged_at = excluded.judged_at, clock = excluded.clock,
        anew_at = excluded.anew_at, address = excluded.address, stalled = excluded.stalled
""")

_GAPS = text("""
    INSERT INTO shard_gap (shard, kind, from_at, to_at)
    SELECT * FROM unnest(CAST(:shards AS integer[]), CAST(:kinds AS text[]),
                         CAST(:from_at AS bigint[]), CAST(:to_at AS bigint[]))
    ON CONFLICT (shard, kind, from_at) DO UPDATE SET to_at = excluded.to_at WHERE shard_gap.to_at < excluded.to_at
""")

_LOCK_GAPS = text("LOCK TABLE shard_gap IN SHARE ROW EXCLUSIVE MODE")

_STALLS = text("""
    INSERT INTO shard_gap (shard, kind, from_at, to_at)
    SELECT shard, 'stalled', began, NULL
    FROM unnest(CAST(:shards AS integer[]), CAST(:at AS bigint[])) AS stood (shard, began)
    WHERE NOT EXISTS (SELECT FROM shard_gap AS known WHERE known.shard = stood.shard AND kind = 'stalled'
                                                       AND (to_at IS NULL OR to_at > began))
    ON CONFLICT DO NOTHING
""")

# Every partition may do so at once: in one order, so that none waits for one that waits for it.
_CLOSE_GAPS = text("""
    WITH ended AS (
        SELECT gap.shard, from_at, moved.at
        FROM shard_gap AS gap
        JOIN unnest(CAST(:shards AS integer[]), CAST(:at AS bigint[])) AS moved (shard, at) USING (shard)
        WHERE kind = 'stalled' AND to_at IS NULL
        ORDER BY gap.shard, from_at FOR UPDATE OF gap
    )
    UPDATE shard_gap AS gap SET to_at = ended.at
    FROM ended WHERE gap.shard = ended.shard AND gap.kind = 'stalled' AND gap.from_at = ended.from_at
""")


Seen = tuple[int, int]
"""A partition of `health.judgements`, and a shard that it has heard of."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One shard in one partition: its high-water mark and, once it has shown one, its clock."""

    partition: int
    shard: int
    mark: Mark
    clock: ShardClock | None = None
    address: str | None = None
    stalled: bool = False


async def lock(connection: AsyncConnection, partitions: Collection[int]) -> dict[Seen, Progress]:
    """All shards that these partitions have heard of, locked until the commit."""
    rows = await connection.execute(_LOCK, {"partitions": list(partitions)})
    return {
        (row.partition, row.shard): Progress(
            row.partition,
            row.shard,
            (row.generation, row.place_offset, row.place_index),
            None if row.judged_at is None else _clock(row),
            row.address,
            row.stalled,
        )
        for row in rows
    }


def advance(known: Progress | None, partition: int, shard: int, mark: Mark, shown: Clock | None) -> Progress:
    """A shard's progress after a message with this mark, and the clock that it has shown by then, if any."""
    before = known or Progress(partition, shard, mark)
    if shown is None:
        return replace(before, mark=mark)
    clock = ShardClock(shard, shown.generation, shown.at, shown.clock)
    if before.clock is not None:
        goes_on = before.clock.generation == clock.generation
        clock = replace(clock, anew_at=before.clock.anew_at if goes_on else clock.at)
    return replace(before, mark=mark, clock=clock, address=shown.address)


def _clock(row: Row[Any]) -> ShardClock:
    return ShardClock(row.shard, row.clock_generation, row.judged_at, row.clock, anew_at=row.anew_at)


async def save(connection: AsyncConnection, progress: Collection[Progress]) -> None:
    await connection.execute(
        _SAVE,
        {
            "partitions": [each.partition for each in progress],
            "shards": [each.shard for each in progress],
            "generations": [each.mark[0] for each in progress],
            "offsets": [each.mark[1] for each in progress],
            "indexes": [each.mark[2] for each in progress],
            "clock_generations": [None if each.clock is None else each.clock.generation for each in progress],
            "judged": [None if each.clock is None else each.clock.at for each in progress],
            "clocks": [None if each.clock is None else each.clock.clock for each in progress],
            "anew_at": [0 if each.clock is None else each.clock.anew_at for each in progress],
            "addresses": [each.address for each in progress],
            "stalled": [each.stalled for each in progress],
        },
    )


async def lock_gaps(connection: AsyncConnection) -> None:
    """Until the commit nobody else writes when shards stood still or had no record. Take it behind the orgs."""
    await connection.execute(_LOCK_GAPS)


async def record_unobserved(connection: AsyncConnection, gaps: Collection[Unobserved]) -> None:
    """Every partition brings each of these; one row stays. Of a shard that is killed before it could keep that it
    judges again the same time is told anew, to a later end."""
    ends = {(gap.shard, gap.from_at): gap.to_at for gap in sorted(gaps, key=lambda gap: gap.to_at)}
    latest = sorted((*gap, to_at) for gap, to_at in ends.items())
    await connection.execute(
        _GAPS,
        {
            "shards": [shard for shard, _, _ in latest],
            "kinds": ["unobserved"] * len(latest),
            "from_at": [from_at for _, from_at, _ in latest],
            "to_at": [to_at for _, _, to_at in latest],
        },
    )


async def record_stalls(
    connection: AsyncConnection, before: Mapping[Seen, Progress], after: Mapping[Seen, Progress]
) -> None:
    """Puts on record which shards began to stand still and which move again. Partitions may have seen different clocks
    of a shard that was killed, and one may tell of it when another has told of its end: it is one time all the same.
    One that has never shown a clock stands still since the first of the others'."""
    first = min((now.clock.at for now in after.values() if now.clock), default=0)
    turned = {
        now.shard: (now.stalled, now.clock.at if now.clock else first)
        for seen, now in after.items()
        if now.stalled != (seen in before and before[seen].stalled)
    }
    began = {shard: at for shard, (stalled, at) in turned.items() if stalled}
    ended = {shard: at for shard, (stalled, at) in turned.items() if not stalled}
    if began:
        await lock_gaps(connection)
        await connection.execute(_STALLS, {"shards": list(began), "at": list(began.values())})
    if ended:
        await connection.execute(_CLOSE_GAPS, {"shards": list(ended), "at": list(ended.values())})


async def clocks(connection: AsyncConnection, partition: int, *, moving: bool = False) -> dict[int, ShardClock]:
    """The shards' clocks as this partition shows them, in the shards' order, with the holes that are on record; only
    those of shards that do not stand still, if that is asked for."""
    rows = await connection.execute(_CLOCKS, {"partition": partition, "moving": moving})
    shown = {row.shard: _clock(row) for row in rows}
    behind = await holes(connection, shown)
    return {shard: clock.with_holes(behind[shard]) for shard, clock in shown.items()}


async def slowest_moving(connection: AsyncConnection, partition: int) -> ShardClock | None:
    """The clock of the slowest shard that does not stand still, of several that are as slow the first; None while no
    shard has shown one."""
    return min((await clocks(connection, partition, moving=True)).values(), key=lambda one: one.at, default=None)


async def stalled(connection: AsyncConnection) -> dict[int, int]:
    """How many shards each partition of `health.judgements` does not wait for."""
    return {row.partition: row.stalled for row in await connection.execute(_STALLED)}


async def holes(connection: AsyncConnection, shards: Collection[int], after: int = 0) -> dict[int, list[Hole]]:
    """The holes in the logs of these shards that are on record and end behind this instant, in their order."""
    found: dict[int, list[Hole]] = {shard: [] for shard in shards}
    for row in await connection.execute(_HOLES, {"shards": list(shards), "after": after}):
        found[row.shard].append(Hole(row.from_at, row.to_at))
    return found


async def holes_ended(connection: AsyncConnection, after: int) -> dict[int, list[int]]:
    """By shard when the holes on record ended, in order, of those that did after this instant."""
    found: dict[int, list[int]] = {}
    for row in await connection.execute(_HOLES_ENDED, {"after": after}):
        found.setdefault(row.shard, []).append(row.to_at)
    return found


async def addresses_of(connection: AsyncConnection, partition: int, shards: Collection[int]) -> dict[int, str]:
    """Where the owner of each shard answers, as it last said; a shard that has not said is left out."""
    rows = await connection.execute(_ADDRESSES, {"partition": partition, "shards": sorted(shards)})
    return {row.shard: row.address for row in rows}
