"""Timers that run on shards' clocks."""

from collections.abc import Collection, Sequence

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_health_monitor.adapters.correlator.live import Key
from fettle_health_monitor.domain.correlator.clocks import ShardClock
from fettle_health_monitor.domain.correlator.watches import Watch, WatchKind

_COLUMNS = """watch.org, watch.subject, watch.condition, kind, cause, watch.shard, watch.generation, start_at,
              start_clock, due_clock"""

_BEGIN = text("""
    INSERT INTO watch (org, subject, condition, kind, cause, partition, shard, generation, start_at, start_clock,
                       due_clock)
    SELECT org, subject, condition, kind, cause, CAST(:partition AS integer), shard, generation, start_at, start_clock,
           due_clock
    FROM unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[]), CAST(:conditions AS text[]), CAST(:kinds AS text[]),
                CAST(:causes AS uuid[]), CAST(:shards AS integer[]), CAST(:generations AS bigint[]),
                CAST(:start_at AS bigint[]), CAST(:start_clocks AS bigint[]), CAST(:due_clocks AS bigint[]))
         AS begun (org, subject, condition, kind, cause, shard, generation, start_at, start_clock, due_clock)
    ON CONFLICT (org, subject, condition, kind) DO UPDATE SET
        cause = excluded.cause, partition = excluded.partition, shard = excluded.shard,
        generation = excluded.generation, start_at = excluded.start_at, start_clock = excluded.start_clock,
        due_clock = excluded.due_clock
""")

_END = text("""
    DELETE FROM watch USING unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[])) AS ended (org, subject)
    WHERE watch.org = ended.org AND watch.subject = ended.subject AND kind = :kind
""")

_BEGIN_ANEW = text("""
    UPDATE watch SET generation = now.generation, start_at = now.at, start_clock = now.clock,
                     due_clock = now.clock + due_clock - start_clock
    FROM unnest(CAST(:shards AS integer[]), CAST(:generations AS bigint[]), CAST(:at AS bigint[]),
                CAST(:clocks AS bigint[])) AS now (shard, generation, at, clock)
    WHERE watch.partition = :partition AND watch.shard = now.shard AND watch.generation < now.generation
""")

_DUE = """
    unnest(CAST(:shards AS integer[]), CAST(:generations AS bigint[]), CAST(:clocks AS bigint[]))
        AS now (shard, generation, clock), subject
    WHERE watch.partition = :partition AND watch.shard = now.shard AND watch.generation = now.generation
      AND watch.due_clock <= now.clock
      AND subject.org = watch.org AND subject.subject = watch.subject
      AND CASE kind WHEN 'early_resolve' THEN state IN ('firing', 'flapping') ELSE state = 'healthy' END
"""

_ORGS_WITH_DUE = text(f"SELECT DISTINCT watch.org FROM watch, {_DUE}")  # noqa: S608

_TAKE_DUE = text(f"""
    DELETE FROM watch USING {_DUE} AND watch.org = ANY(CAST(:orgs AS text[]))
    RETURNING {_COLUMNS}
""")  # noqa: S608

_OF_SHARD = text(f"""
    SELECT {_COLUMNS} FROM watch
    WHERE partition = :partition AND watch.shard = :shard AND watch.org = :org AND kind = :kind
""")  # noqa: S608


async def begin(connection: AsyncConnection, partition: int, watches: Sequence[Watch]) -> None:
    """Begins watches; one of the same kind on the same incident is replaced."""
    last = list({(each.org, each.subject, each.condition, each.kind): each for each in watches}.values())
    await connection.execute(
        _BEGIN,
        {
            "partition": partition,
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


async def end(connection: AsyncConnection, kind: WatchKind, keys: Collection[Key]) -> None:
    """Ends the watches of this kind on these subjects."""
    values = {"kind": kind.value, "orgs": [org for org, _ in keys], "subjects": [subject for _, subject in keys]}
    await connection.execute(_END, values)


async def begin_anew(connection: AsyncConnection, partition: int, clocks: Collection[ShardClock]) -> None:
    """Shards whose log began anew: their watches last their whole length on the new clock."""
    await connection.execute(
        _BEGIN_ANEW,
        {
            "partition": partition,
            "at": [each.at for each in clocks],
            **_now(clocks),
        },
    )


async def orgs_with_due(connection: AsyncConnection, partition: int, clocks: Collection[ShardClock]) -> set[str]:
    rows = await connection.execute(_ORGS_WITH_DUE, {"partition": partition, **_now(clocks)})
    return {row.org for row in rows}


async def take_due(
    connection: AsyncConnection, partition: int, clocks: Collection[ShardClock], orgs: Collection[str]
) -> list[Watch]:
    """Takes what is due in these (locked) orgs. An early resolve is due only while its subject is failing: one that
    is just heard again keeps its ticket closed until it fails again."""
    rows = await connection.execute(_TAKE_DUE, {"partition": partition, "orgs": list(orgs), **_now(clocks)})
    return sorted((_watch(row) for row in rows), key=lambda each: (each.start_at, str(each.cause), each.condition))


async def of_shard(connection: AsyncConnection, partition: int, shard: int, org: str, kind: WatchKind) -> list[Watch]:
    """The running watches of one org in one shard."""
    rows = await connection.execute(_OF_SHARD, {"partition": partition, "shard": shard, "org": org, "kind": kind.value})
    return [_watch(row) for row in rows]


def _now(clocks: Collection[ShardClock]) -> dict[str, object]:
    return {
        "shards": [each.shard for each in clocks],
        "generations": [each.generation for each in clocks],
        "clocks": [each.clock for each in clocks],
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
