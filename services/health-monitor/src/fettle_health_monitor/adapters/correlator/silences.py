"""Silences: what covers a verdict, what has ended, and what was held back."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.times import parse_time, to_ms
from fettle_health_monitor.adapters.correlator.live import Key, columns_of
from fettle_health_monitor.adapters.correlator.watches import Shown
from fettle_health_monitor.domain.correlator.rollups import MANY
from fettle_health_monitor.domain.correlator.silence_ends import Stood
from fettle_health_monitor.domain.correlator.silences import Occurrence, Schedule, Seen, Silence

ENDS_PER_BATCH = 5_000

WHEN_ON_AGAIN = 2**62
"""When to look at what has ended while its org was switched off: no clock comes there."""

_COLUMNS = """silence.id, silence.selection, silence.org, silence.subject, starts_at, length_s, rrule, zone, reason,
              made_by, made_at, removed_at, ends_at, from_at, until_at"""

_REACHING = text(f"""
    SELECT {_COLUMNS}
    FROM silence JOIN unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[])) AS asked (org, subject)
         USING (org, subject)
    WHERE ends_at > :after AND starts_at <= :until
    ORDER BY position
""")  # noqa: S608

_OF_ORG = text(f"""
    SELECT {_COLUMNS} FROM silence WHERE org = :org AND ends_at > :after AND starts_at <= :until ORDER BY position
""")  # noqa: S608

_OF_THOSE_DOWN = text(f"""
    SELECT DISTINCT org, parent, subject
    FROM rollup_member AS member JOIN unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[])) AS asked (org, parent)
         USING (org, parent)
    JOIN silence USING (org, subject)
    WHERE recovered_at IS NULL AND parent_condition = '{MANY}' AND ends_at > :after AND starts_at <= :until
""")  # noqa: S608 - a constant

_TIMES = text("""
    SELECT held.silence, count(*) AS times
    FROM silence_held AS held JOIN unnest(CAST(:ids AS uuid[]), CAST(:since AS bigint[])) AS asked (silence, since)
         ON held.silence = asked.silence AND held.at >= asked.since
    GROUP BY held.silence
""")

_ENDS_DECIDED = text("""
    SELECT org, subject, outcome.at
    FROM outcome JOIN unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[]), CAST(:at AS bigint[]))
                      AS asked (org, subject, at) USING (org, subject)
    WHERE cause = 'silence_ended' AND outcome.at > asked.at
""")

_HOLD = text("""
    INSERT INTO silence_held (silence, verdict, at, condition, cause)
    SELECT * FROM unnest(CAST(:silences AS uuid[]), CAST(:verdicts AS uuid[]), CAST(:at AS bigint[]),
                         CAST(:conditions AS text[]), CAST(:causes AS text[]))
""")

_SHOWN = """
    unnest(CAST(:partitions AS integer[]), CAST(:shards AS integer[]), CAST(:at AS bigint[]))
    AS now (partition, shard, at)
"""

# By the index, shard by shard: the planner takes `due_at <= at` for a third of all silences.
_ORGS_WITH_DUE = text(f"""
    SELECT DISTINCT org FROM {_SHOWN} CROSS JOIN LATERAL (
        SELECT org FROM silence
        WHERE silence.partition = now.partition AND silence.shard = now.shard AND due_at <= now.at
        ORDER BY due_at LIMIT {ENDS_PER_BATCH}) AS due
""")  # noqa: S608

_ENDED = f"""
    SELECT {_COLUMNS}, silence.partition, silence.shard, due_at, now.at AS now
    FROM silence JOIN {_SHOWN}
         ON silence.partition = now.partition AND silence.shard = now.shard AND due_at <= now.at
"""  # noqa: S608

_ENDED_OF_FAILING = f"""
    {_ENDED}
    JOIN (
        SELECT org, subject FROM subject
        WHERE org = ANY(CAST(:orgs AS text[])) AND state IN ('firing', 'flapping', 'pending_resolve') OFFSET 0
    ) AS failing ON failing.org = silence.org AND failing.subject = silence.subject
    ORDER BY due_at, position LIMIT {ENDS_PER_BATCH} FOR UPDATE OF silence
"""  # noqa: S608

_ENDED_OF_ALL = f"{_ENDED} WHERE org = ANY(CAST(:orgs AS text[])) LIMIT {ENDS_PER_BATCH} FOR UPDATE OF silence"

_STOOD = """
    WITH due AS MATERIALIZED ({due})
    SELECT due.*, past.body, past.condition, next.at AS next_at, next.to_state AS next_state,
           (next.body->>'policy_version')::integer AS next_version,
           EXISTS (SELECT FROM watch WHERE watch.org = due.org AND watch.subject = due.subject
                   AND watch.condition = past.condition AND kind = 'early_resolve'
                   AND (start_at + due_clock - start_clock >= until_at
                        OR (past.to_state = 'pending_resolve' AND past.at < start_at + due_clock - start_clock))
                   AND NOT EXISTS (SELECT FROM transition AS well
                                   WHERE well.org = due.org AND well.subject = due.subject AND well.to_state = 'healthy'
                                     AND well.at > watch.start_at AND well.at < until_at))
           OR EXISTS (SELECT FROM outcome WHERE outcome.org = due.org AND outcome.subject = due.subject
                      AND cause IN ('recovered', 'forgotten', 'firing')
                      AND outcome.at >= CASE cause WHEN 'forgotten' THEN past.at ELSE until_at END) AS settled
    FROM due
    LEFT JOIN LATERAL (
        SELECT body, condition, at, to_state FROM transition
        WHERE transition.org = due.org AND transition.subject = due.subject AND transition.at < until_at
        ORDER BY at DESC, position DESC LIMIT 1
    ) AS past ON true
    LEFT JOIN LATERAL (
        SELECT at, to_state, body FROM transition
        WHERE transition.org = due.org AND transition.subject = due.subject AND transition.at >= until_at
        ORDER BY at, position LIMIT 1
    ) AS next ON true
"""

_DUE_OF_FAILING = text(_STOOD.format(due=_ENDED_OF_FAILING))
_DUE_OF_ALL = text(_STOOD.format(due=_ENDED_OF_ALL))

_GO_ON = text("""
    UPDATE silence SET from_at = after.from_at, until_at = after.until_at, due_at = after.due_at
    FROM unnest(CAST(:ids AS uuid[]), CAST(:from_at AS bigint[]), CAST(:until_at AS bigint[]),
                CAST(:due_at AS bigint[])) AS after (id, from_at, until_at, due_at)
    WHERE silence.id = after.id
""")


_ON_AGAIN = text("""
    UPDATE silence SET due_at = :at
    WHERE partition = :partition AND shard = :shard AND org = :org AND due_at = :when_on_again
""")


@dataclass(frozen=True, slots=True)
class Due:
    """A silence whose occurrence has ended by the clock of its subject's shard, which is at `now`, and was to be looked
    at from `due_at` on."""

    silence: Silence
    occurrence: Occurrence
    partition: int
    shard: int
    now: int
    due_at: int
    stood: Stood | None
    settled: bool


@dataclass(frozen=True, slots=True)
class HeldVerdict:
    """A verdict that a silence has held back."""

    silence: UUID
    verdict: UUID
    at: int
    condition: str
    cause: str


async def reaching(connection: AsyncConnection, keys: Collection[Key], *, after: int, until: int) -> list[Silence]:
    """The silences of these subjects that have not ended by `after` and begin by `until`."""
    rows = await connection.execute(
        _REACHING,
        {
            "orgs": [org for org, _ in keys],
            "subjects": [subject for _, subject in keys],
            "after": after,
            "until": until,
        },
    )
    return [_silence(row) for row in rows]


async def of_those_down(
    connection: AsyncConnection, lists: Collection[Key], *, after: int, until: int
) -> dict[Key, set[str]]:
    """Who is down on the lists of these integrations' tickets about many devices and has a silence that `reaching`
    finds."""
    found: defaultdict[Key, set[str]] = defaultdict(set)
    for row in await connection.execute(_OF_THOSE_DOWN, {**columns_of(lists), "after": after, "until": until}):
        found[row.org, row.parent].add(row.subject)
    return found


async def ends_decided(connection: AsyncConnection, behind: Mapping[Key, int]) -> set[tuple[Key, int]]:
    """The ends of silences of these subjects, each behind its instant, that have been called for and are decided."""
    rows = await connection.execute(_ENDS_DECIDED, {**columns_of(behind), "at": list(behind.values())})
    return {((row.org, row.subject), row.at) for row in rows}


async def of_org(connection: AsyncConnection, org: str, *, after: int, until: int) -> list[Silence]:
    """The silences of all of the org's subjects that have not ended by `after` and begin by `until`."""
    rows = await connection.execute(_OF_ORG, {"org": org, "after": after, "until": until})
    return [_silence(row) for row in rows]


async def times(connection: AsyncConnection, since: Mapping[UUID, int]) -> dict[UUID, int]:
    """How many verdicts each of these silences has held back from an instant on; none is left out."""
    rows = await connection.execute(_TIMES, {"ids": list(since), "since": list(since.values())})
    return {row.silence: row.times for row in rows}


async def hold(connection: AsyncConnection, held: Sequence[HeldVerdict]) -> None:
    """Keeps what was held back."""
    await connection.execute(
        _HOLD,
        {
            "silences": [each.silence for each in held],
            "verdicts": [each.verdict for each in held],
            "at": [each.at for each in held],
            "conditions": [each.condition for each in held],
            "causes": [each.cause for each in held],
        },
    )


async def orgs_with_due(connection: AsyncConnection, clocks: Collection[Shown]) -> set[str]:
    """The orgs in which silences have ended by these clocks."""
    return {row.org for row in await connection.execute(_ORGS_WITH_DUE, _now(clocks))}


async def due(connection: AsyncConnection, clocks: Collection[Shown], orgs: Collection[str]) -> list[Due]:
    """What has ended in these (locked) orgs, the earliest first. Of subjects that fail, and of all, up to a bound each:
    what is left comes with the next clocks, and of those who are well nobody waits for it."""
    values = {**_now(clocks), "orgs": list(orgs)}
    found: dict[UUID, Due] = {}
    for query in (_DUE_OF_FAILING, _DUE_OF_ALL):
        found |= {row.id: _due(row) for row in await connection.execute(query, values)}
    return sorted(found.values(), key=lambda each: (each.occurrence.end, each.silence.org, each.silence.subject))


async def go_on(connection: AsyncConnection, after: Mapping[UUID, tuple[Occurrence | None, int | None]]) -> None:
    """Each silence's next occurrence, None when it is over, and when to look at it again."""
    occurrences = [occurrence for occurrence, _ in after.values()]
    await connection.execute(
        _GO_ON,
        {
            "ids": list(after),
            "from_at": [None if each is None else each.start for each in occurrences],
            "until_at": [None if each is None else each.end for each in occurrences],
            "due_at": [look_at for _, look_at in after.values()],
        },
    )


async def on_again(connection: AsyncConnection, partition: int, shard: int, org: str, at: int) -> None:
    """The org is switched on again in this shard: what has ended meanwhile is looked at now."""
    values = {"partition": partition, "shard": shard, "org": org, "at": at, "when_on_again": WHEN_ON_AGAIN}
    await connection.execute(_ON_AGAIN, values)


def _due(row: Row[Any]) -> Due:
    occurrence = Occurrence(row.from_at, row.until_at)
    return Due(_silence(row), occurrence, row.partition, row.shard, row.now, row.due_at, _stood(row), row.settled)


def scheduled(row: Row[Any]) -> Schedule:
    """By the columns of a silence."""
    last = row.ends_at - row.length_s * 1000 if row.removed_at is None else row.removed_at
    return Schedule(row.starts_at, row.length_s, row.rrule, row.zone, row.removed_at, last)


def _silence(row: Row[Any]) -> Silence:
    return Silence(
        id=row.id,
        org=row.org,
        subject=row.subject,
        schedule=scheduled(row),
        by=row.made_by,
        made_at=to_ms(row.made_at),
        reason=row.reason,
        selection=row.selection,
        seen=None if row.until_at is None else Seen(row.from_at, Occurrence(row.from_at, row.until_at)),
    )


def _stood(row: Row[Any]) -> Stood | None:
    body = row.body
    if body is None:
        return None
    return Stood(
        state=body["to"],
        condition=row.condition,
        since=to_ms(parse_time(body["since"])),
        flap_count=body["flap_count"],
        evidence=body["evidence"],
        next_at=row.next_at,
        next_state=row.next_state,
        next_version=row.next_version or 0,
    )


def _now(clocks: Collection[Shown]) -> dict[str, object]:
    return {
        "partitions": [partition for partition, _ in clocks],
        "shards": [clock.shard for _, clock in clocks],
        "at": [clock.at for _, clock in clocks],
    }
