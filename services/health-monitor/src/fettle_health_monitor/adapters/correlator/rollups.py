"""Who fails behind an integration, whose tickets are singles, and who is on the list of a ticket that is shared."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.times import parse_time, to_ms
from fettle_health_monitor.adapters.correlator import progress
from fettle_health_monitor.adapters.correlator.former_members import IS_OPEN, TICKET_LEFT
from fettle_health_monitor.adapters.correlator.live import Key, columns_of
from fettle_health_monitor.domain.correlator.holes import down_from
from fettle_health_monitor.domain.correlator.rollups import (
    MANY,
    Fresh,
    Member,
    Parent,
    Single,
    Spell,
)

TIMEOUT_MAX_MS = 3 * 86_400_000
"""A hole that ended before the window by more than the longest timeout there is takes nobody into it."""

_ASKED = """
    unnest(CAST(:orgs AS text[]), CAST(:integrations AS text[]), CAST(:from_at AS bigint[]))
        AS asked (org, integration, from_at)
"""

_NOT_WELL_SINCE = """
    NOT EXISTS (SELECT FROM transition AS well
                WHERE well.org = subject.org AND well.subject = subject.subject AND well.to_state = 'healthy'
                  AND well.at > judged_from AND well.at < {before})
"""

_FIRES_AGAIN = "{evidence}->>'reason' IN ('stable', 'reported', 'silent_since_reporting_resumed')"
"""It was flapping before, say, and not pending, also where its reading has turned long ago."""

_FAILING = f"""
    SELECT org, integration, subject, condition, name, since_at AS since, model, interval_s, shard,
           CASE WHEN state = 'firing' AND {_FIRES_AGAIN.format(evidence="evidence")} THEN changed_at END AS from_at,
           CASE WHEN judged_from IS NOT NULL AND {_NOT_WELL_SINCE.format(before="changed_at")}
                THEN judged_from END AS judged_from
           {{more}}
    FROM subject JOIN {_ASKED} USING (org, integration)
    WHERE state IN ('pending_open', 'firing') AND subject LIKE 'device/%'
"""  # noqa: S608
_FAILING_NOW = text(_FAILING.format(more=""))
_FAILING_BEHIND_HOLES = text(
    _FAILING.format(
        more="""
            , CASE WHEN state = 'firing' THEN changed_at END AS fired_at,
            CASE WHEN state = 'pending_open' OR changed_at > asked.from_at
                 THEN CASE WHEN evidence->>'deadline' IS NULL THEN 0 ELSE (evidence->>'timeout_s')::float END
            END AS again_after_s
        """
    )
)

_FAILED = text(f"""
    SELECT subject.org, integration, subject.subject, before.condition, subject.name, transition.at AS until,
           before.body->>'since' AS since, model, interval_s,
           CASE WHEN {_FIRES_AGAIN.format(evidence="(before.body->'evidence')")} THEN before.at END AS from_at,
           shard, CASE WHEN before.state = 'firing' THEN before.at END AS fired_at,
           CASE WHEN before.body->'evidence'->>'deadline' IS NULL THEN 0
                ELSE (before.body->'evidence'->>'timeout_s')::float END AS again_after_s,
           CASE WHEN judged_from IS NOT NULL AND {_NOT_WELL_SINCE.format(before="transition.at")}
                THEN judged_from END AS judged_from
    FROM subject JOIN {_ASKED} USING (org, integration)
    JOIN transition ON transition.org = subject.org AND transition.subject = subject.subject
                       AND transition.at > asked.from_at
    CROSS JOIN LATERAL (
        SELECT condition, body, at, to_state AS state FROM transition AS earlier
        WHERE earlier.org = transition.org AND earlier.subject = transition.subject
          AND earlier.position < transition.position
        ORDER BY earlier.at DESC, earlier.position DESC LIMIT 1
    ) AS before
    WHERE (from_state IN ('pending_open', 'firing')
           AND (to_state IS NULL OR to_state NOT IN ('pending_open', 'firing'))
           OR from_state IS NULL AND before.state IN ('pending_open', 'firing'))
      AND subject.changed_at > asked.from_at AND subject.subject LIKE 'device/%'
""")  # noqa: S608

_SINGLES = text(f"""
    SELECT subject.org, integration, subject.subject, incident.condition, subject.name,
           coalesce(opened_at, 0) AS opened_at,
           CASE WHEN changed_at > opened_at THEN (
               SELECT array_agg(CASE WHEN to_state = 'healthy' THEN at ELSE -at END ORDER BY at, position)
               FROM transition AS moved
               WHERE moved.org = subject.org AND moved.subject = subject.subject AND at > opened_at
           ) END AS moved
    FROM subject JOIN {_ASKED} USING (org, integration)
    JOIN incident ON incident.org = subject.org AND incident.subject = subject.subject
    WHERE subject.subject LIKE 'device/%'
      AND CASE WHEN asked_verb IS NULL THEN ticket_state <> 'resolved' ELSE asked_verb = 'open' END
""")  # noqa: S608

_DOWN = text(f"""
    SELECT org, parent, count(*) AS down
    FROM rollup_member JOIN unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[])) AS asked (org, parent)
         USING (org, parent)
    WHERE recovered_at IS NULL AND parent_condition = '{MANY}' GROUP BY org, parent
""")  # noqa: S608 - a constant

_LEFT_ALONE = text(f"""
    SELECT DISTINCT org, parent, parent_condition AS condition
    FROM rollup_member AS member
         JOIN unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[])) AS asked (org, parent) USING (org, parent)
    WHERE parent_condition <> '{MANY}' AND recovered_at IS NULL
      AND NOT EXISTS (
          SELECT FROM incident
          WHERE incident.org = member.org AND incident.subject = parent AND incident.condition = parent_condition
            AND CASE WHEN asked_verb IS NULL THEN ticket_state <> 'resolved' ELSE asked_verb = 'open' END)
      AND NOT EXISTS (
          SELECT FROM watch
          WHERE watch.org = member.org AND watch.subject = parent AND watch.condition = parent_condition
            AND kind IN ('early_resolve', 'open_refused', 'healthy_anew'))
""")  # noqa: S608 - a constant

_MEMBERS = text("""
    SELECT subject, condition, name, parent, parent_condition, recovered_at IS NOT NULL AS recovered FROM rollup_member
    WHERE org = :org AND parent = :parent ORDER BY joined_at, subject
""")

_PARENTS = text("""
    SELECT org, subject, condition, name, parent, parent_condition, recovered_at IS NOT NULL AS recovered
    FROM rollup_member JOIN unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[])) AS asked (org, subject)
         USING (org, subject)
""")

_JOIN = text("""
    INSERT INTO rollup_member (org, subject, condition, name, parent, parent_condition, joined_at)
    SELECT * FROM unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[]), CAST(:conditions AS text[]),
                         CAST(:names AS text[]), CAST(:parents AS text[]), CAST(:parent_conditions AS text[]),
                         CAST(:at AS bigint[]))
    ON CONFLICT (org, subject) DO UPDATE SET
        condition = excluded.condition, name = excluded.name, parent = excluded.parent,
        parent_condition = excluded.parent_condition, joined_at = excluded.joined_at, recovered_at = NULL
""")

_RECOVER = text("""
    UPDATE rollup_member AS member SET recovered_at = gone.at
    FROM unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[]), CAST(:at AS bigint[])) AS gone (org, subject, at)
    WHERE member.org = gone.org AND member.subject = gone.subject AND recovered_at IS NULL
""")

_MOVE = text(f"""
    WITH moved AS (
        UPDATE rollup_member AS member SET parent_condition = CAST(:condition AS text)
        FROM rollup_member AS before
        WHERE member.org = :org AND member.parent = :parent AND member.parent_condition <> CAST(:condition AS text)
          AND before.org = member.org AND before.subject = member.subject
        RETURNING member.org, member.subject, member.parent, before.parent_condition, member.recovered_at
    ), back AS (
        DELETE FROM former_member USING moved
        WHERE former_member.org = moved.org AND former_member.subject = moved.subject
          AND former_member.parent = moved.parent AND former_member.parent_condition = CAST(:condition AS text)
          AND {IS_OPEN}
    )
    INSERT INTO former_member (org, subject, parent, parent_condition, ticket)
    SELECT org, subject, parent, parent_condition, {TICKET_LEFT.format(of="moved")} FROM moved
    WHERE recovered_at IS NULL
    ON CONFLICT DO NOTHING
""")  # noqa: S608

_MOVE_BACK = text(f"""
    WITH back AS (
        DELETE FROM former_member USING rollup_member AS member
        WHERE member.org = :org AND member.parent = :parent AND member.parent_condition <> :many
          AND former_member.org = member.org AND former_member.subject = member.subject
          AND former_member.parent = member.parent AND former_member.parent_condition = :many
          AND {IS_OPEN}
        RETURNING member.org, member.subject
    )
    UPDATE rollup_member AS member SET parent_condition = :many FROM back
    WHERE member.org = back.org AND member.subject = back.subject
""")  # noqa: S608

_DISSOLVE = text(f"""
    WITH gone AS (
        DELETE FROM rollup_member
        WHERE org = :org AND parent = :parent AND (parent_condition = :many) = CAST(:of_many AS boolean)
        RETURNING org, subject, condition, name, parent, parent_condition, recovered_at, joined_at
    ), former AS (
        INSERT INTO former_member (org, subject, parent, parent_condition, ticket)
        SELECT org, subject, parent, parent_condition, {TICKET_LEFT.format(of="gone")} FROM gone
        WHERE recovered_at IS NULL
        ON CONFLICT DO NOTHING
    )
    SELECT subject, joined_at FROM gone WHERE recovered_at IS NULL
""")  # noqa: S608

Place = tuple[str, str]
"""Org and integration (its id)."""


@dataclass(frozen=True, slots=True)
class Around:
    """What is known of the devices behind an integration: `singles` are tickets of their own, by subject."""

    spells: tuple[Spell, ...] = ()
    singles: dict[str, Single] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Belongs:
    """A device on the list of a ticket, ticked or not."""

    member: Member
    parent: Parent
    recovered: bool = False


async def around(connection: AsyncConnection, since: Mapping[Place, int]) -> dict[Place, Around]:
    """Who failed behind these integrations at the given instants or later, and the singles that there are."""
    asked = {
        "orgs": [org for org, _ in since],
        "integrations": [integration for _, integration in since],
        "from_at": list(since.values()),
    }
    spells: defaultdict[Place, list[Spell]] = defaultdict(list)
    singles: defaultdict[Place, dict[str, Single]] = defaultdict(dict)
    holes = await progress.holes_ended(connection, min(since.values(), default=0) - TIMEOUT_MAX_MS)
    for row in await connection.execute(_FAILING_BEHIND_HOLES if holes else _FAILING_NOW, asked):
        spells[row.org, row.integration].append(_spell(row, row.since, holes))
    for row in await connection.execute(_FAILED, asked):
        spells[row.org, row.integration].append(_spell(row, to_ms(parse_time(row.since)), holes, row.until))
    for row in await connection.execute(_SINGLES, asked):
        member = Member(row.subject, row.condition, row.name)
        singles[row.org, row.integration][row.subject] = Single(
            member, row.opened_at, tuple((abs(at), at > 0) for at in row.moved or ())
        )
    return {place: Around(tuple(spells[place]), singles[place]) for place in since}


def _spell(row: Row[Any], since: int, holes: Mapping[int, Sequence[int]], until: int | None = None) -> Spell:
    """`holes` is by shard when those of its log have ended."""
    fresh = None if row.judged_from is None else Fresh(row.judged_from, row.shard, row.model, row.interval_s)
    counts = 0
    if holes and row.again_after_s is not None:
        counts = down_from(since, row.fired_at, round(row.again_after_s * 1000), holes.get(row.shard, ()))
    return Spell(Member(row.subject, row.condition, row.name), since, until, fresh, counts, row.from_at or 0)


async def down(connection: AsyncConnection, integrations: Collection[Key]) -> dict[Key, int]:
    """How many on the lists of their tickets about many devices have not recovered."""
    return {(row.org, row.parent): row.down for row in await connection.execute(_DOWN, columns_of(integrations))}


async def left_alone(connection: AsyncConnection, integrations: Collection[Key]) -> set[tuple[str, str, str]]:
    """Org, integration and condition of those lists of the integrations' own tickets on which somebody is down, whose
    ticket is resolved or refused, and is not looked at any more, nor is a recovery of the integration."""
    rows = await connection.execute(_LEFT_ALONE, columns_of(integrations))
    return {(row.org, row.parent, row.condition) for row in rows}


async def parents(connection: AsyncConnection, keys: Collection[Key]) -> dict[Key, Belongs]:
    """Whose list these devices are on."""
    return {(row.org, row.subject): _belongs(row) for row in await connection.execute(_PARENTS, columns_of(keys))}


def _belongs(row: Row[Any]) -> Belongs:
    member, parent = Member(row.subject, row.condition, row.name), Parent(row.parent, row.parent_condition)
    return Belongs(member, parent, row.recovered)


async def members(connection: AsyncConnection, org: str, parent: str) -> list[Belongs]:
    """Everybody on the lists of the integration's tickets, in the order of joining."""
    return [_belongs(row) for row in await connection.execute(_MEMBERS, {"org": org, "parent": parent})]


async def join(connection: AsyncConnection, joining: Sequence[tuple[str, Belongs, int]]) -> None:
    """Org, who is on whose list, since when; each device once. Who was on another list leaves it."""
    members = [(belongs.member, belongs.parent) for _, belongs, _ in joining]
    await connection.execute(
        _JOIN,
        {
            "orgs": [org for org, *_ in joining],
            "subjects": [member.subject for member, _ in members],
            "conditions": [member.condition for member, _ in members],
            "names": [member.name for member, _ in members],
            "parents": [parent.subject for _, parent in members],
            "parent_conditions": [parent.condition for _, parent in members],
            "at": [at for *_, at in joining],
        },
    )


async def recover(connection: AsyncConnection, recovered: Mapping[Key, int]) -> None:
    """Ticks these devices, wherever they are listed."""
    await connection.execute(_RECOVER, {**columns_of(recovered), "at": list(recovered.values())})


async def move(connection: AsyncConnection, org: str, parent: Parent) -> None:
    """The list belongs to the integration's ticket about this condition now; those who are down on it are former
    members of the other."""
    await connection.execute(_MOVE, {"org": org, "parent": parent.subject, "condition": parent.condition})


async def move_back(connection: AsyncConnection, org: str, parent: str) -> None:
    """Whose list the integration's own ticket has taken over, and who is down since, is on that about many devices
    again."""
    await connection.execute(_MOVE_BACK, {"org": org, "parent": parent, "many": MANY})


async def dissolve(connection: AsyncConnection, org: str, parent: str, *, of_many: bool) -> dict[str, int]:
    """The ticket has ended: the one about many devices, or the integration's own. Answers with those on its list that
    had not recovered, its former members now, and when each has joined."""
    values = {"org": org, "parent": parent, "many": MANY, "of_many": of_many}
    rows = await connection.execute(_DISSOLVE, values)
    return {row.subject: row.joined_at for row in rows}
