"""Timers that run on shards' clocks."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_health_monitor.adapters.correlator import moves, progress
from fettle_health_monitor.adapters.correlator.live import Key, columns_of
from fettle_health_monitor.adapters.correlator.moves import Moment
from fettle_health_monitor.domain.correlator.clocks import ShardClock
from fettle_health_monitor.domain.correlator.fresh_times import NOT_RUNNING
from fettle_health_monitor.domain.correlator.losses import LOST
from fettle_health_monitor.domain.correlator.rollups import MANY
from fettle_health_monitor.domain.correlator.verdicts import CALLS_FOR_A_TICKET
from fettle_health_monitor.domain.correlator.watches import Watch, WatchKind

Shown = tuple[int, ShardClock]
"""A shard's clock, as this partition of `health.judgements` shows it."""

COLUMNS = """watch.partition, watch.org, watch.subject, watch.condition, kind, cause, watch.shard, watch.generation,
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

_OF_KEYS = text(f"""
    SELECT {COLUMNS}
    FROM watch JOIN unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[])) AS asked (org, subject)
         ON watch.org = asked.org AND watch.subject = asked.subject
    WHERE kind = ANY(CAST(:kinds AS text[])) AND condition <> :many
""")  # noqa: S608

_RUNNING = text("""
    SELECT org, subject
    FROM watch JOIN unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[])) AS asked (org, subject)
         USING (org, subject)
    WHERE kind = :kind
""")

_UNDECIDED = text(f"""
    SELECT DISTINCT org, subject
    FROM watch JOIN unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[])) AS asked (org, subject)
         USING (org, subject)
    WHERE kind = 'early_resolve' OR (kind = 'open_refused' AND condition = '{MANY}')
""")  # noqa: S608 - a constant

_BEGIN_ANEW = text(f"""
    UPDATE watch SET generation = now.generation, start_at = now.at, start_clock = now.clock,
                     due_clock = now.clock + due_clock - start_clock
    FROM unnest(CAST(:partitions AS integer[]), CAST(:shards AS integer[]), CAST(:generations AS bigint[]),
                CAST(:at AS bigint[]), CAST(:clocks AS bigint[])) AS now (partition, shard, generation, at, clock)
    WHERE watch.partition = now.partition AND watch.shard = now.shard AND watch.generation < now.generation
      AND watch.generation <> {NOT_RUNNING}
""")  # noqa: S608

_SHOWN_CLOCKS = """
    unnest(CAST(:partitions AS integer[]), CAST(:shards AS integer[]), CAST(:generations AS bigint[]),
           CAST(:clocks AS bigint[])) AS now (partition, shard, generation, clock)
"""

_RUN_OUT = f"""
    FROM watch
    JOIN {_SHOWN_CLOCKS}
         ON watch.partition = now.partition AND watch.shard = now.shard AND watch.generation = now.generation
            AND watch.due_clock <= now.clock
"""

_ORGS_WITH_DUE = text(f"""
    SELECT DISTINCT watch.org {_RUN_OUT}
    LEFT JOIN subject ON subject.org = watch.org AND subject.subject = watch.subject
    WHERE CASE WHEN watch.condition IN ('{MANY}', '{LOST}') OR kind IN ('healthy_anew', 'left_alone') THEN true
               ELSE state IN ('firing', 'flapping') OR changed_at >= start_at + due_clock - start_clock END
""")

_OUT_BY = text(f"""
    SELECT {COLUMNS} {_RUN_OUT} ORDER BY watch.org, watch.subject, watch.condition, kind FOR UPDATE OF watch
""")

_OUT = text(f"SELECT {COLUMNS} {_RUN_OUT} WHERE watch.org = ANY(CAST(:orgs AS text[]))")

_STOOD = text("""
    SELECT asked.place, before.to_state AS state, after.at AS failing_at
    FROM unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[]), CAST(:due_at AS bigint[]))
         WITH ORDINALITY AS asked (org, subject, due_at, place)
    LEFT JOIN LATERAL (
        SELECT to_state FROM transition
        WHERE transition.org = asked.org AND transition.subject = asked.subject AND at < due_at
        ORDER BY at DESC, position DESC LIMIT 1
    ) AS before ON true
    LEFT JOIN LATERAL (
        SELECT at FROM transition
        WHERE transition.org = asked.org AND transition.subject = asked.subject AND at >= due_at
          AND to_state IN ('firing', 'flapping')
        ORDER BY at, position LIMIT 1
    ) AS after ON true
""")

_OF_SUBJECT = text(f"""
    SELECT {COLUMNS} FROM watch WHERE watch.org = :org AND watch.subject = :subject AND kind = :kind
""")  # noqa: S608

_TAKE = text("""
    DELETE FROM watch USING unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[]), CAST(:conditions AS text[]),
                                   CAST(:kinds AS text[])) AS taken (org, subject, condition, kind)
    WHERE watch.org = taken.org AND watch.subject = taken.subject AND watch.condition = taken.condition
      AND watch.kind = taken.kind
""")

_OF_SHARD = text(f"""
    SELECT {COLUMNS} FROM watch
    WHERE watch.partition = :partition AND watch.shard = :shard AND watch.org = :org
""")  # noqa: S608

_OF_CLOCKS = text(f"""
    SELECT {COLUMNS} FROM watch
    JOIN {_SHOWN_CLOCKS}
         ON watch.partition = now.partition AND watch.shard = now.shard AND watch.generation = now.generation
    ORDER BY watch.org, watch.subject, watch.condition, kind FOR UPDATE OF watch
""")  # noqa: S608

_OF_SUBJECTS = text(f"""
    SELECT {COLUMNS} FROM watch WHERE watch.org = :org AND watch.subject = ANY(CAST(:subjects AS text[]))
    ORDER BY watch.subject, watch.condition, kind FOR UPDATE
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


@dataclass(frozen=True, slots=True)
class Then:
    """An instant in a log of this generation."""

    at: int
    generation: int


async def end_at(connection: AsyncConnection, kinds: Collection[WatchKind], instants: Mapping[Key, Then]) -> set[Key]:
    """Ends the watches of these kinds on what is wrong with the subjects themselves, each by what has happened to its
    subject at this instant. Answers with the subjects whose watches had run out before: those are decided yet, by that
    instant, but for who has not been failing since. Behind the last clock all time counts that is not known to be a
    hole."""
    of = {"kinds": [kind.value for kind in kinds], "many": MANY, **columns_of(instants)}
    rows = (await connection.execute(_OF_KEYS, of)).all()
    shown = {partition: await progress.clocks(connection, partition) for partition in {row.partition for row in rows}}
    holes = await progress.holes(connection, {row.shard for row in rows}) if rows else {}
    ended, out = list[RunOut](), list[RunOut]()
    for row in rows:
        watch, then = watch_of(row), instants[row.org, row.subject]
        clock, due_at = shown[row.partition].get(row.shard), None
        if clock is not None and clock.generation == then.generation:
            due_at = watch.out_by(then.at, clock, holes[row.shard])
        (ended if due_at is None else out).append(RunOut(row.partition, watch, due_at or then.at))
    called = [each for each in await _while_failing(connection, out) if each.at <= instants[each.key].at]
    calling = {each.watch for each in called}
    if over := ended + [each for each in out if each.watch not in calling]:
        await take(connection, over)
    return {each.key for each in called}


async def running(connection: AsyncConnection, kind: WatchKind, keys: Collection[Key]) -> set[Key]:
    """Those of these subjects that have a watch of this kind."""
    rows = await connection.execute(_RUNNING, {"kind": kind.value, **columns_of(keys)})
    return {(row.org, row.subject) for row in rows}


async def undecided(connection: AsyncConnection, keys: Collection[Key]) -> set[Key]:
    """Those of these integrations for whose ticket devices wait: somebody has resolved one, who may have been too
    early, or the one about many devices was refused. For one of the integration's own that was refused nobody does."""
    rows = await connection.execute(_UNDECIDED, columns_of(keys))
    return {(row.org, row.subject) for row in rows}


async def begin_anew(connection: AsyncConnection, clocks: Collection[Shown], ended: Collection[Shown]) -> None:
    """Shards whose log began anew: their watches last their whole length on the new clock. What had run out by the last
    clock of the log that has `ended`, and is not decided yet, has run out."""
    rows = (await connection.execute(_OUT_BY, _now(ended))).all()
    await connection.execute(_BEGIN_ANEW, {"at": [clock.at for _, clock in clocks], **_now(clocks)})
    last = {(partition, clock.shard): clock for partition, clock in ended}
    shown = {partition: await progress.clocks(connection, partition) for partition in {row.partition for row in rows}}
    out = [watch_of(row).run_out_in(last[row.partition, row.shard], shown[row.partition][row.shard]) for row in rows]
    if out:
        await begin(connection, out, {row.org: row.partition for row in rows})


async def go_on_behind_holes(connection: AsyncConnection, clocks: Collection[Shown]) -> None:
    """Shards that have come behind a hole: what has begun inside, or behind it before the shard showed a clock, would
    else be looked at late by the hole's length."""
    rows = (await connection.execute(_OF_CLOCKS, _now(clocks))).all()
    anew: list[Watch] = []
    for partition in {row.partition for row in rows}:
        shown = await progress.clocks(connection, partition)
        for watch in (watch_of(row) for row in rows if row.partition == partition):
            clock = shown[watch.shard]
            again = watch.anew_after_hole(clock.instant_of(watch.due_clock), clock) or watch.on_the_clock(clock)
            if again is not None:
                anew.append(again)
    if anew:
        await begin(connection, anew, {row.org: row.partition for row in rows})


async def orgs_with_due(connection: AsyncConnection, clocks: Collection[Shown]) -> set[str]:
    """The orgs that have watches which are due by these clocks."""
    rows = await connection.execute(_ORGS_WITH_DUE, _now(clocks))
    return {row.org for row in rows}


@dataclass(frozen=True, slots=True)
class RunOut:
    """A watch, its partition, and the instant `at` by which it has run out or was ended."""

    partition: int
    watch: Watch
    at: int

    @property
    def key(self) -> Key:
        return (self.watch.org, self.watch.subject)

    @property
    def moment(self) -> Moment:
        return (*self.key, self.at)


async def settle_run_out(connection: AsyncConnection, clocks: Collection[Shown], orgs: Collection[str]) -> list[RunOut]:
    """Deletes the watches of these (locked) orgs that something has ended before these clocks, begins those anew that a
    hole has overtaken, and answers with those that have run out and call for their verdicts, the earliest first.

    What may open a ticket does so only while its subject is failing: one that is just heard again keeps its ticket
    closed until it fails again, by the same clocks. Behind them it may yet have been healthy first, and so may one that
    moves at the last of their instants. A recovery in a new log calls for nothing where its subject moved while it
    lasted."""
    rows = (await connection.execute(_OUT, {"orgs": list(orgs), **_now(clocks)})).all()
    if not rows:
        return []
    shown = {partition: await progress.clocks(connection, partition) for partition in {row.partition for row in rows}}
    found, again = list[RunOut](), list[tuple[int, Watch]]()
    for row in rows:
        watch, clock = watch_of(row), shown[row.partition][row.shard]
        at = clock.instant_of(watch.due_clock)
        if (anew := watch.anew_after_hole(at, clock)) is None:
            found.append(RunOut(row.partition, watch, at))
        else:
            again.append((row.partition, anew))
    if over := await _over_by_now(connection, found):
        await take(connection, list(over))
        well = [(each, at) for each, (is_well, at) in over.items() if is_well]
        again += [
            (each.partition, each.watch.begun_at(at, shown[each.partition][each.watch.shard])) for each, at in well
        ]
        found = [each for each in found if each not in over]
    if again:
        await begin(connection, [watch for _, watch in again], {watch.org: partition for partition, watch in again})
        return await settle_run_out(connection, clocks, orgs)
    ends = {(partition, clock.shard): clock.at for partition, clock in clocks}
    past = [
        each for each in await _while_failing(connection, found) if each.at <= ends[each.partition, each.watch.shard]
    ]
    last = {partition: max(clock.at for of, clock in clocks if of == partition) for partition in shown}
    at_the_last = [each.moment for each in past if each.at == last[each.partition]]
    moving = await moves.just_then(connection, at_the_last) if at_the_last else set()
    return sorted((each for each in past if each.moment not in moving), key=_order)


async def _over_by_now(connection: AsyncConnection, found: Sequence[RunOut]) -> dict[RunOut, tuple[bool, int]]:
    """Those over a recovery in a new log whose subjects have moved while they lasted, though it had seemed that they
    had run out before; each with whether its subject is well again as it was, and since when."""
    anew = [each for each in found if each.watch.kind is WatchKind.HEALTHY_ANEW]
    if not anew:
        return {}
    begun = [(each.watch.org, each.watch.subject, each.watch.start_at) for each in anew]
    moved = await moves.since(connection, begun, [each.at for each in anew])
    return {each: since for each, since in zip(anew, moved, strict=True) if since is not None}


def _order(each: RunOut) -> tuple[int, int, str, str]:
    return (each.at, each.watch.start_at, str(each.watch.cause), each.watch.condition)


async def _while_failing(connection: AsyncConnection, found: Sequence[RunOut]) -> list[RunOut]:
    """Those about whole lists as they are, the others at the instant from which their subjects are failing."""
    about_one = [each for each in found if not each.watch.is_about_many and each.watch.kind.asks_for_failing]
    ready = [each for each in found if each not in about_one]
    if not about_one:
        return ready
    asked = {
        "orgs": [each.watch.org for each in about_one],
        "subjects": [each.watch.subject for each in about_one],
        "due_at": [each.at for each in about_one],
    }
    for row in await connection.execute(_STOOD, asked):
        each = about_one[row.place - 1]
        if row.state in CALLS_FOR_A_TICKET:
            ready.append(each)
        elif row.failing_at is not None:
            ready.append(replace(each, at=row.failing_at))
    return ready


async def take(connection: AsyncConnection, taken: Sequence[RunOut]) -> None:
    """Deletes these watches: they have called for their verdicts, or have ended without one."""
    watches = [each.watch for each in taken]
    await connection.execute(
        _TAKE,
        {
            "orgs": [each.org for each in watches],
            "subjects": [each.subject for each in watches],
            "conditions": [each.condition for each in watches],
            "kinds": [each.kind.value for each in watches],
        },
    )


async def of_shard(connection: AsyncConnection, partition: int, shard: int, org: str) -> list[Watch]:
    """The watches of one org in one shard."""
    rows = await connection.execute(_OF_SHARD, {"partition": partition, "shard": shard, "org": org})
    return [watch_of(row) for row in rows]


async def of_subjects(connection: AsyncConnection, org: str, subjects: Collection[str]) -> list[Watch]:
    """All watches on these subjects of an org, locked until the commit."""
    rows = await connection.execute(_OF_SUBJECTS, {"org": org, "subjects": list(subjects)})
    return [watch_of(row) for row in rows]


async def of_subject(connection: AsyncConnection, kind: WatchKind, org: str, subject: str) -> Watch | None:
    """The watch of this kind on an org-wide incident, if one runs."""
    asked = {"org": org, "subject": subject, "kind": kind.value}
    row = (await connection.execute(_OF_SUBJECT, asked)).one_or_none()
    return None if row is None else watch_of(row)


def _now(clocks: Collection[Shown]) -> dict[str, object]:
    return {
        "partitions": [partition for partition, _ in clocks],
        "shards": [clock.shard for _, clock in clocks],
        "generations": [clock.generation for _, clock in clocks],
        "clocks": [clock.clock for _, clock in clocks],
    }


def watch_of(row: Row[tuple[object, ...]]) -> Watch:
    """The watch of a row of `COLUMNS`."""
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
