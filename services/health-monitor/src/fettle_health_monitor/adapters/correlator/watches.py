"""Timers that run on shards' clocks."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_health_monitor.adapters.correlator.live import Key, columns_of
from fettle_health_monitor.domain.correlator.clocks import ShardClock
from fettle_health_monitor.domain.correlator.losses import LOST
from fettle_health_monitor.domain.correlator.rollups import MANY
from fettle_health_monitor.domain.correlator.watches import Watch, WatchKind

Shown = tuple[int, ShardClock]
"""A shard's clock, as this partition of `health.judgements` shows it."""

_COLUMNS = """watch.partition, watch.org, watch.subject, watch.condition, kind, cause, watch.shard, watch.generation,
              start_at, start_clock, due_clock"""

_BEGIN = text("""
    INSERT INTO watch (org, subject, condition, kind, cause, partition, shard, generation, start_at, start_clock,
                       due_clock)
    SELECT * FROM unnest(
        CAST(:orgs AS text[]), CAST(:subjects AS text[]), CAST(:conditions AS text[]), CAST(:kinds AS text[]),
        CAST(:causes AS uuid[]), CAST(:partitions AS integer[]), CAST(:shards AS integer[]),
        CAST(:generations AS bigint[]), CAST(:start_at AS bigint[]), CAST(:start_clocks AS bigint[]),
        CAST(:due_clocks AS bigint[]))
    ON CONFLICT (org, subject, condition, kind) DO UPDATE SET
        cause = excluded.cause, partition = excluded.partition, shard = excluded.shard,
        generation = excluded.generation, start_at = excluded.start_at, start_clock = excluded.start_clock,
        due_clock = excluded.due_clock
""")

_END = text("""
    DELETE FROM watch USING unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[])) AS ended (org, subject)
    WHERE watch.org = ended.org AND watch.subject = ended.subject AND kind = :kind
      AND (condition = :many) = CAST(:of_many AS boolean)
""")

_RUNNING = text("""
    SELECT org, subject
    FROM watch JOIN unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[])) AS asked (org, subject)
         USING (org, subject)
    WHERE kind = :kind
""")

_BEGIN_ANEW = text("""
    UPDATE watch SET generation = now.generation, start_at = now.at, start_clock = now.clock,
                     due_clock = now.clock + due_clock - start_clock
    FROM unnest(CAST(:partitions AS integer[]), CAST(:shards AS integer[]), CAST(:generations AS bigint[]),
                CAST(:at AS bigint[]), CAST(:clocks AS bigint[])) AS now (partition, shard, generation, at, clock)
    WHERE watch.partition = now.partition AND watch.shard = now.shard AND watch.generation < now.generation
""")

_DUE = f"""
    FROM watch
    JOIN unnest(CAST(:partitions AS integer[]), CAST(:shards AS integer[]), CAST(:generations AS bigint[]),
                CAST(:clocks AS bigint[])) AS now (partition, shard, generation, clock)
         ON watch.partition = now.partition AND watch.shard = now.shard AND watch.generation = now.generation
    LEFT JOIN subject ON subject.org = watch.org AND subject.subject = watch.subject
    WHERE watch.due_clock <= now.clock
      AND CASE WHEN watch.condition IN ('{MANY}', '{LOST}') THEN true
               WHEN kind = 'healthy_anew' THEN state = 'healthy'
               ELSE state IN ('firing', 'flapping') END
"""

_ORGS_WITH_DUE = text(f"SELECT DISTINCT watch.org {_DUE}")

_TAKE_DUE = text(f"""
    WITH due AS (
        SELECT watch.org, watch.subject, watch.condition, kind {_DUE} AND watch.org = ANY(CAST(:orgs AS text[]))
    )
    DELETE FROM watch USING due
    WHERE watch.org = due.org AND watch.subject = due.subject AND watch.condition = due.condition
      AND watch.kind = due.kind
    RETURNING watch.partition, watch.org, watch.subject, watch.condition, watch.kind, cause, shard, generation,
              start_at, start_clock, due_clock
""")  # noqa: S608

_OF_SHARD = text(f"""
    SELECT {_COLUMNS} FROM watch
    WHERE watch.shard = :shard AND watch.org = :org AND kind = :kind
""")  # noqa: S608


async def begin(connection: AsyncConnection, watches: Sequence[Watch], partition_of: Mapping[str, int]) -> None:
    """Begins watches; one of the same kind on the same incident is replaced. `partition_of` says by which partition an
    org's judgements come."""
    last = list({(each.org, each.subject, each.condition, each.kind): each for each in watches}.values())
    await connection.execute(
        _BEGIN,
        {
            "partitions": [partition_of[each.org] for each in last],
            "orgs": [each.org for each in last],
            "subjects": [each.subject for each in last],
            "conditions": [each.condition for each in last],
            "kinds": [each.kind.value for each in last],
            "causes": [each.cause for each in last],
            "shards": [each.shard for each in last],
            "generations": [each.generation for each in last],
            "start_at": [each.start_at for each in last],
            "start_clocks": [each.start_clock for each in last],
            "due_clocks": [each.due_clock for each in last],
        },
    )


async def end(connection: AsyncConnection, kind: WatchKind, keys: Collection[Key], *, of_many: bool = False) -> None:
    """Ends the watches of this kind on these subjects: on what is wrong with themselves, or on their ticket about many
    devices."""
    await connection.execute(_END, {"kind": kind.value, "many": MANY, "of_many": of_many, **columns_of(keys)})


async def running(connection: AsyncConnection, kind: WatchKind, keys: Collection[Key]) -> set[Key]:
    """Those of these subjects that have a watch of this kind."""
    rows = await connection.execute(_RUNNING, {"kind": kind.value, **columns_of(keys)})
    return {(row.org, row.subject) for row in rows}


async def begin_anew(connection: AsyncConnection, clocks: Collection[Shown]) -> None:
    """Shards whose log began anew: their watches last their whole length on the new clock."""
    await connection.execute(_BEGIN_ANEW, {"at": [clock.at for _, clock in clocks], **_now(clocks)})


async def orgs_with_due(connection: AsyncConnection, clocks: Collection[Shown]) -> set[str]:
    """The orgs that have watches which are due by these clocks."""
    rows = await connection.execute(_ORGS_WITH_DUE, _now(clocks))
    return {row.org for row in rows}


async def take_due(
    connection: AsyncConnection, clocks: Collection[Shown], orgs: Collection[str]
) -> list[tuple[int, Watch]]:
    """Takes what is due in these (locked) orgs, with its partition. What may open a ticket is due only while its
    subject is failing: one that is just heard again keeps its ticket closed until it fails again."""
    rows = await connection.execute(_TAKE_DUE, {"orgs": list(orgs), **_now(clocks)})
    taken = [(row.partition, _watch(row)) for row in rows]
    return sorted(taken, key=lambda each: (each[1].start_at, str(each[1].cause), each[1].condition))


async def of_shard(connection: AsyncConnection, shard: int, org: str, kind: WatchKind) -> list[Watch]:
    """The running watches of one org in one shard."""
    rows = await connection.execute(_OF_SHARD, {"shard": shard, "org": org, "kind": kind.value})
    return [_watch(row) for row in rows]


def _now(clocks: Collection[Shown]) -> dict[str, object]:
    return {
        "partitions": [partition for partition, _ in clocks],
        "shards": [clock.shard for _, clock in clocks],
        "generations": [clock.generation for _, clock in clocks],
        "clocks": [clock.clock for _, clock in clocks],
    }


def _watch(row: Row[tuple[object, ...]]) -> Watch:
    return Watch(
        kind=WatchKind(row.kind),
        cause=row.cause,
        org=row.org,
        subject=row.subject,
        condition=row.condition,
        shard=row.shard,
        generation=row.generation,
        start_at=row.start_at,
        start_clock=row.start_clock,
        due_clock=row.due_clock,
    )
