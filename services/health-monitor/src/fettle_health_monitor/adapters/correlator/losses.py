"""Lost heartbeats: the intervals, whose subjects are shown otherwise than judged, and what waits for its turn."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_health_monitor.adapters.correlator import progress
from fettle_health_monitor.adapters.correlator.everybody import Profiled, profiled
from fettle_health_monitor.adapters.correlator.live import columns_of
from fettle_health_monitor.adapters.correlator.watches import Shown
from fettle_health_monitor.domain.correlator.fresh_times import Until
from fettle_health_monitor.domain.correlator.losses import Loss
from fettle_health_monitor.domain.correlator.unseen_subjects import Due, Unseen
from fettle_health_monitor.domain.judgements import Change, HeardAgain, InForce, decode, encode

SHOWN = """
    unnest(CAST(:partitions AS integer[]), CAST(:shards AS integer[]), CAST(:generations AS bigint[]),
           CAST(:at AS bigint[]), CAST(:clocks AS bigint[])) AS now (partition, shard, generation, at, clock)
"""
"""Shards' clocks, as `now`."""

_REACH = "unnest(CAST(:partitions AS integer[]), CAST(:before AS bigint[])) AS reach (partition, before)"

_IN_ORDER = text("""
    SELECT org FROM unnest(CAST(:orgs AS text[]), CAST(:silent_from AS bigint[])) AS asked (org, silent_from)
    WHERE EXISTS (SELECT FROM held_judgement AS held WHERE held.org = asked.org)
       OR EXISTS (SELECT FROM unseen_subject AS unseen WHERE unseen.org = asked.org)
       OR EXISTS (SELECT FROM loss WHERE loss.org = asked.org AND (resumed_at IS NULL OR resumed_at > silent_from))
""")

_HOLD = text("""
    INSERT INTO held_judgement (partition, org, at, judgement)
    SELECT partition, org, at, judgement
    FROM unnest(CAST(:partitions AS integer[]), CAST(:orgs AS text[]), CAST(:at AS bigint[]),
                CAST(CAST(:judgements AS text[]) AS jsonb[]))
         AS held (partition, org, at, judgement)
""")

_HELD_BETWEEN = text("""
    SELECT org, max(at) AS last, array_agg(DISTINCT judgement->>'subject') AS subjects FROM held_judgement
    WHERE partition = :partition AND at >= :first AND at < :before AND judgement->>'subject' IS NOT NULL GROUP BY org
""")

_ORGS_WITH_READY = text(f"""
    SELECT DISTINCT org FROM held_judgement AS held JOIN {_REACH} ON held.partition = reach.partition AND at < before
""")  # noqa: S608

_ORGS_WITH_DUE = text(f"""
    SELECT DISTINCT org FROM unseen_subject AS unseen JOIN {SHOWN}
         ON unseen.partition = now.partition AND unseen.shard = now.shard AND unseen.generation = now.generation
            AND due_clock <= now.clock
""")  # noqa: S608

_TAKE_HELD = text(f"""
    WITH ready AS (
        DELETE FROM held_judgement AS held USING {_REACH}
        WHERE held.partition = reach.partition AND at < before AND org = ANY(CAST(:orgs AS text[]))
        RETURNING held.*
    )
    SELECT org, partition, judgement FROM ready
    ORDER BY at, judgement->'shard', judgement->'place'->0, judgement->'place'->1
""")  # noqa: S608

_DROP_HELD = text("""
    DELETE FROM held_judgement WHERE org = :org AND judgement->>'subject' = :subject RETURNING judgement
""")

_OUT = text(f"""
    SELECT org, subject, unseen.partition, unseen.shard, due_clock
    FROM unseen_subject AS unseen JOIN {SHOWN}
         ON unseen.partition = now.partition AND unseen.shard = now.shard AND unseen.generation = now.generation
    WHERE due_clock <= now.clock AND org = ANY(CAST(:orgs AS text[]))
""")  # noqa: S608

_FIRING = text(f"""
    SELECT org, subject, unseen.shard, due_clock
    FROM unseen_subject AS unseen JOIN {SHOWN}
         ON unseen.partition = now.partition AND unseen.shard = now.shard AND unseen.generation = now.generation
    WHERE due_clock <= now.clock AND shown = 'pending_open' AND judged->'evidence'->>'deadline' IS NOT NULL
""")  # noqa: S608

_HIDE = text("""
    INSERT INTO hidden_change (id, org, at)
    SELECT id, :org, at FROM unnest(CAST(:ids AS uuid[]), CAST(:at AS bigint[])) AS hidden (id, at)
    ON CONFLICT DO NOTHING
""")

_LATEST = text("SELECT * FROM loss WHERE org = :org ORDER BY begun_at DESC LIMIT 1")

_SAVE = text("""
    INSERT INTO loss (id, org, since_at, begun_at, policy_version, counted, lost, unknown, heard, heard_behind,
                      resumed_at, few_since_at)
    VALUES (:id, :org, :since_at, :begun_at, :policy_version, :counted, :lost, :unknown, :heard, :heard_behind,
            :resumed_at, :few_since_at)
    ON CONFLICT (id) DO UPDATE SET
        lost = excluded.lost, unknown = excluded.unknown, heard = excluded.heard,
        heard_behind = excluded.heard_behind, resumed_at = excluded.resumed_at,
        few_since_at = excluded.few_since_at
""")

_UNSEEN = text("""
    SELECT subject, shown, shown_condition, judged, generation, start_clock, due_clock
    FROM unseen_subject WHERE org = :org AND subject = ANY(CAST(:subjects AS text[]))
""")

_TIMED = """
    SELECT subject, shown, shown_condition, judged, unseen.generation, start_clock, due_clock, unseen.shard,
           integration, model, interval_s
    FROM unseen_subject AS unseen JOIN subject USING (org, subject)
    WHERE org = :org AND due_clock IS NOT NULL
"""

_TIMED_IN = text(f"{_TIMED} AND unseen.shard = :shard")

_TIMED_OF = text(f"{_TIMED} AND subject = ANY(CAST(:subjects AS text[])) ORDER BY subject FOR UPDATE OF unseen")

_KEEP = text("""
    INSERT INTO unseen_subject (org, subject, partition, shard, shown, shown_condition, judged, generation,
                                start_clock, due_clock)
    SELECT :org, subject, :partition, shard, shown, condition, judged, generation, start_clock, due_clock
    FROM unnest(CAST(:subjects AS text[]), CAST(:shards AS integer[]), CAST(:shown AS text[]),
                CAST(:conditions AS text[]), CAST(CAST(:judged AS text[]) AS jsonb[]),
                CAST(:generations AS bigint[]), CAST(:start_clocks AS bigint[]), CAST(:due_clocks AS bigint[]))
         AS kept (subject, shard, shown, condition, judged, generation, start_clock, due_clock)
    ON CONFLICT (org, subject) DO UPDATE SET
        shard = excluded.shard, shown = excluded.shown, shown_condition = excluded.shown_condition,
        judged = excluded.judged, generation = excluded.generation,
        start_clock = excluded.start_clock, due_clock = excluded.due_clock
""")

_LEAVE = text("DELETE FROM unseen_subject WHERE org = :org AND subject = ANY(CAST(:subjects AS text[]))")

_WITHOUT_TIMER = text("""
    SELECT subject, unseen.shard, integration, model, interval_s
    FROM unseen_subject AS unseen JOIN subject USING (org, subject)
    WHERE org = :org AND due_clock IS NULL AND shown NOT IN ('healthy', 'pending_open')
""")

_GIVE_TIMERS = text("""
    UPDATE unseen_subject AS unseen
    SET generation = given.generation, start_clock = given.start_clock, due_clock = given.due_clock
    FROM unnest(CAST(:subjects AS text[]), CAST(:generations AS bigint[]), CAST(:start_clocks AS bigint[]),
                CAST(:due_clocks AS bigint[])) AS given (subject, generation, start_clock, due_clock)
    WHERE org = :org AND unseen.subject = given.subject
""")

_HEARD_AGAIN = text("""
    UPDATE subject SET evidence = subject.evidence || news.said
    FROM unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[]), CAST(CAST(:said AS text[]) AS jsonb[]))
         AS news (org, subject, said)
    WHERE subject.org = news.org AND subject.subject = news.subject
""")


async def in_order(connection: AsyncConnection, silent_from: Mapping[str, int | None]) -> set[str]:
    """Those of these orgs whose changes must be taken in in the order of their instants, one shard's with the others'.
    `silent_from` is the earliest instant from which a silence counts that is told of now."""
    asked = {"orgs": list(silent_from), "silent_from": list(silent_from.values())}
    return {row.org for row in await connection.execute(_IN_ORDER, asked)}


async def held_between(
    connection: AsyncConnection, partition: int, first: int, before: int
) -> dict[str, tuple[int, set[str]]]:
    """The orgs of which something of these instants is held: the last of them, and whom it is about."""
    values = {"partition": partition, "first": first, "before": before}
    rows = await connection.execute(_HELD_BETWEEN, values)
    return {row.org: (row.last, set(row.subjects)) for row in rows}


async def firing_between(
    connection: AsyncConnection, clocks: Collection[Shown], first: int, before: int
) -> list[tuple[str, Due]]:
    """The unseen subjects that fire by silence at these instants, each with its org. `clocks` are one partition's, with
    the holes behind them."""
    shown = {clock.shard: clock for _, clock in clocks}
    rows = await connection.execute(_FIRING, now_of(clocks))
    due = [(row.org, Due(row.subject, shown[row.shard].instant_of(row.due_clock), row.due_clock)) for row in rows]
    return [(org, timer) for org, timer in due if first <= timer.at < before]


Held: TypeAlias = Change | HeardAgain | InForce
"""What must come in the order of its instant."""


async def hold(connection: AsyncConnection, judgements: Sequence[Held], partition_of: Mapping[str, int]) -> None:
    """Keeps them until the clocks have passed them."""
    await connection.execute(
        _HOLD,
        {
            "partitions": [partition_of[each.org] for each in judgements],
            "orgs": [each.org for each in judgements],
            "at": [each.at for each in judgements],
            "judgements": [encode(each).decode() for each in judgements],
        },
    )


async def orgs_with_ready(
    connection: AsyncConnection, before: Mapping[int, int], clocks: Collection[Shown]
) -> set[str]:
    """The orgs in which something held or a timer has its turn."""
    ready = await connection.execute(_ORGS_WITH_READY, _reach(before))
    due = await connection.execute(_ORGS_WITH_DUE, now_of(clocks))
    return {row.org for row in ready} | {row.org for row in due}


async def take_held(
    connection: AsyncConnection, before: Mapping[int, int], orgs: Collection[str]
) -> list[tuple[int, Held]]:
    """Takes what has its turn in these (locked) orgs, in its order, each with its partition."""
    rows = await connection.execute(_TAKE_HELD, {**_reach(before), "orgs": list(orgs)})
    found = [(row.partition, decode(json.dumps(row.judgement).encode())) for row in rows]
    return [(partition, each) for partition, each in found if isinstance(each, (Change, HeardAgain, InForce))]


async def drop_held(connection: AsyncConnection, org: str, subject: str) -> list[Change]:
    """Drops what is held of this subject. Its changes."""
    rows = await connection.execute(_DROP_HELD, {"org": org, "subject": subject})
    dropped = [decode(json.dumps(row.judgement).encode()) for row in rows]
    return [each for each in dropped if isinstance(each, Change)]


async def due(
    connection: AsyncConnection, before: Mapping[int, int], clocks: Collection[Shown], orgs: Collection[str]
) -> list[tuple[int, str, Due]]:
    """Timers of unseen subjects in these orgs that have run out and have their turn, in their order: partition, org,
    which and when."""
    rows = (await connection.execute(_OUT, {**now_of(clocks), "orgs": list(orgs)})).all()
    shown = {partition: await progress.clocks(connection, partition) for partition in {row.partition for row in rows}}
    found = []
    for row in rows:
        at = shown[row.partition][row.shard].instant_of(row.due_clock)
        if at < before[row.partition]:
            found.append((row.partition, row.org, Due(row.subject, at, row.due_clock)))
    return sorted(found, key=lambda each: (each[2].at, each[2].subject))


async def hide(connection: AsyncConnection, org: str, changes: Sequence[Change]) -> None:
    """Keeps which changes of shards are not shown."""
    values = {"ids": [each.id for each in changes], "at": [each.at for each in changes]}
    await connection.execute(_HIDE, {"org": org, **values})


async def latest(connection: AsyncConnection, org: str) -> Loss | None:
    """The org's last loss, over or not."""
    row = (await connection.execute(_LATEST, {"org": org})).one_or_none()
    if row is None:
        return None
    return Loss(
        id=row.id,
        org=row.org,
        since=row.since_at,
        begun_at=row.begun_at,
        policy_version=row.policy_version,
        counted=row.counted,
        lost=row.lost,
        unknown=row.unknown,
        heard=frozenset(row.heard),
        heard_behind=frozenset(row.heard_behind),
        resumed_at=row.resumed_at,
        few_since=row.few_since_at,
    )


async def save(connection: AsyncConnection, loss: Loss) -> None:
    await connection.execute(
        _SAVE,
        {
            "id": loss.id,
            "org": loss.org,
            "since_at": loss.since,
            "begun_at": loss.begun_at,
            "policy_version": loss.policy_version,
            "counted": loss.counted,
            "lost": loss.lost,
            "unknown": loss.unknown,
            "heard": sorted(loss.heard),
            "heard_behind": sorted(loss.heard_behind),
            "resumed_at": loss.resumed_at,
            "few_since_at": loss.few_since,
        },
    )


async def unseen(connection: AsyncConnection, org: str, subjects: Collection[str]) -> dict[str, Unseen]:
    """Those of these subjects that are shown otherwise than judged."""
    rows = await connection.execute(_UNSEEN, {"org": org, "subjects": list(subjects)})
    return {row.subject: _unseen(row) for row in rows}


async def timed(connection: AsyncConnection, org: str, shard: int) -> list[tuple[Profiled, Unseen]]:
    """The org's unseen subjects in this shard that have a timer."""
    rows = await connection.execute(_TIMED_IN, {"org": org, "shard": shard})
    return [(profiled(row), _unseen(row)) for row in rows]


async def timed_of(connection: AsyncConnection, org: str, subjects: Collection[str]) -> list[tuple[Profiled, Unseen]]:
    """Those of these subjects that are unseen and have a timer, locked until the commit."""
    rows = await connection.execute(_TIMED_OF, {"org": org, "subjects": list(subjects)})
    return [(profiled(row), _unseen(row)) for row in rows]


async def keep(connection: AsyncConnection, org: str, partition: int, rows: Sequence[Unseen]) -> None:
    untils = [row.until for row in rows]
    await connection.execute(
        _KEEP,
        {
            "org": org,
            "partition": partition,
            "subjects": [row.subject for row in rows],
            "shards": [row.judged.shard for row in rows],
            "shown": [row.shown for row in rows],
            "conditions": [row.condition for row in rows],
            "judged": [encode(row.judged).decode() for row in rows],
            "generations": [None if until is None else until.generation for until in untils],
            "start_clocks": [None if until is None else until.start_clock for until in untils],
            "due_clocks": [None if until is None else until.due_clock for until in untils],
        },
    )


async def leave(connection: AsyncConnection, org: str, subjects: Collection[str]) -> None:
    """These are shown as judged again."""
    await connection.execute(_LEAVE, {"org": org, "subjects": list(subjects)})


async def without_timer(connection: AsyncConnection, org: str) -> list[Profiled]:
    """The unseen subjects that have no timer."""
    return [profiled(row) for row in await connection.execute(_WITHOUT_TIMER, {"org": org})]


async def give_timers(connection: AsyncConnection, org: str, timers: Mapping[str, Until]) -> None:
    await connection.execute(
        _GIVE_TIMERS,
        {
            "org": org,
            "subjects": list(timers),
            "generations": [until.generation for until in timers.values()],
            "start_clocks": [until.start_clock for until in timers.values()],
            "due_clocks": [until.due_clock for until in timers.values()],
        },
    )


async def record_heard_again(connection: AsyncConnection, heard: Sequence[HeardAgain]) -> None:
    """What is known of these subjects does not rest on silence any more."""
    last = {(each.org, each.subject): each for each in heard}
    said = [{"deadline": None, "status": each.status} for each in last.values()]
    await connection.execute(_HEARD_AGAIN, {**columns_of(last), "said": [json.dumps(each) for each in said]})


def _unseen(row: Row[Any]) -> Unseen:
    until = None
    if row.due_clock is not None:
        until = Until(row.generation, row.start_clock, row.due_clock)
    judged = msgspec.convert(row.judged, Change)
    return Unseen(
        subject=row.subject,
        shown=row.shown,
        condition=row.shown_condition,
        judged=judged,
        until=until,
    )


def _reach(before: Mapping[int, int]) -> dict[str, object]:
    return {"partitions": list(before), "before": list(before.values())}


def now_of(clocks: Collection[Shown]) -> dict[str, object]:
    """What `SHOWN` asks for."""
    return {
        "partitions": [partition for partition, _ in clocks],
        "shards": [clock.shard for _, clock in clocks],
        "generations": [clock.generation for _, clock in clocks],
        "at": [clock.at for _, clock in clocks],
        "clocks": [clock.clock for _, clock in clocks],
    }
