"""How the devices behind an integration stood, or those on its list, at an instant at which a ticket of theirs ended,
whatever they have done since."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.times import parse_time, to_ms
from fettle_health_monitor.adapters.correlator.live import Failing, Key
from fettle_health_monitor.adapters.correlator.watches import COLUMNS, watch_of
from fettle_health_monitor.domain.correlator.rollups import integration_named
from fettle_health_monitor.domain.correlator.verdicts import Named
from fettle_health_monitor.domain.correlator.watches import Watch, WatchKind

_STOOD = """
    CROSS JOIN LATERAL (
        SELECT subject.state, subject.condition, NULL AS body WHERE subject.changed_at <= asked.at
        UNION ALL (
            SELECT to_state, transition.condition, transition.body FROM transition
            WHERE transition.org = subject.org AND transition.subject = subject.subject AND transition.at <= asked.at
              AND subject.changed_at > asked.at
            ORDER BY transition.at DESC, position DESC LIMIT 1
        )
    ) AS stood
"""

_WITHOUT_ITS_OWN = """
    NOT EXISTS (
        SELECT FROM incident WHERE incident.org = subject.org AND incident.subject = subject.subject
        AND CASE WHEN asked_verb IS NULL THEN ticket_state <> 'resolved' ELSE asked_verb = 'open' END)
"""

_WAS_NOT_PUBLISHED = """
    (SELECT outcome FROM outcome
     WHERE outcome.org = asked.org AND outcome.subject = asked.subject AND outcome.at <= asked.at
     ORDER BY outcome.at DESC, decided_at DESC, cause = 'recovered' LIMIT 1) IS NOT DISTINCT FROM 'unpublished'
"""
"""The last that was decided about it: it has not recovered since. Who recovers and flaps at one instant flaps then."""

_UNWELL = text(f"""
    WITH asked AS (
        SELECT org, subject, CAST(:at AS bigint) AS at FROM subject
        WHERE org = CAST(:org AS text) AND integration = CAST(:integration AS text)
        UNION SELECT CAST(:org AS text), unnest(CAST(:listed AS text[])), CAST(:at AS bigint)
    )
    SELECT subject.subject, stood.condition, shard, integration, model, interval_s
    FROM subject JOIN asked USING (org, subject)
    {_STOOD}
    LEFT JOIN LATERAL (
        SELECT from_state FROM transition
        WHERE transition.org = subject.org AND transition.subject = subject.subject AND transition.at > asked.at
          AND to_state = 'healthy' AND subject.changed_at > asked.at
        ORDER BY at, position LIMIT 1
    ) AS well ON true
    WHERE subject.subject LIKE 'device/%'
      AND stood.state IN ('pending_open', 'firing', 'pending_resolve', 'flapping')
      AND well.from_state IS DISTINCT FROM 'pending_open'
      AND NOT EXISTS (
          SELECT FROM outcome WHERE outcome.org = subject.org AND outcome.subject = subject.subject
          AND cause IN ('recovered', 'forgotten') AND outcome.at > asked.at)
      AND {_WITHOUT_ITS_OWN}
      AND (stood.state = 'pending_open' OR NOT {_WAS_NOT_PUBLISHED})
      AND NOT EXISTS (
          SELECT FROM rollup_member AS elsewhere
          WHERE elsewhere.org = subject.org AND elsewhere.subject = subject.subject AND recovered_at IS NULL
            AND parent <> 'integration/' || CAST(:integration AS text))
""")  # noqa: S608

_UNPUBLISHED = text(f"""
    SELECT org, subject, at
    FROM unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[]), CAST(:at AS bigint[])) AS asked (org, subject, at)
    WHERE {_WAS_NOT_PUBLISHED}
""")  # noqa: S608

_JUDGE_FROM = text("""
    UPDATE subject SET judged_from = fresh.at
    FROM unnest(CAST(:subjects AS text[]), CAST(:at AS bigint[])) AS fresh (subject, at)
    WHERE org = :org AND subject.subject = fresh.subject
""")

_AFRESH = text(f"""
    SELECT {COLUMNS} FROM watch WHERE watch.org = :org AND kind = '{WatchKind.JUDGED_AFRESH}' ORDER BY subject
""")  # noqa: S608

_FAILING = text(f"""
    SELECT subject.subject, shard, stood.state, stood.condition, stood.body, since_at, evidence, flap_count, name,
           integration, space
    FROM subject
    JOIN (SELECT CAST(:org AS text) AS org, subject, at
          FROM unnest(CAST(:subjects AS text[]), CAST(:at AS bigint[])) AS listed (subject, at)) AS asked
         USING (org, subject)
    {_STOOD}
    WHERE stood.state IN ('firing', 'pending_resolve', 'flapping') AND stood.condition IS NOT NULL
    ORDER BY subject.subject
""")  # noqa: S608

_ABOUT_TO_JOIN = text(f"""
    WITH asked AS (
        SELECT * FROM unnest(CAST(:orgs AS text[]), CAST(:integrations AS text[]), CAST(:at AS bigint[]))
                      AS asked (org, integration, at)
    )
    SELECT org, integration, subject.subject FROM subject JOIN asked USING (org, integration)
    {_STOOD}
    WHERE subject.subject LIKE 'device/%' AND stood.state = 'pending_open' AND {_WITHOUT_ITS_OWN}
    UNION
    SELECT org, asked.integration, subject
    FROM verdict JOIN asked USING (org) WHERE waits_for = 'integration/' || asked.integration
    EXCEPT
    SELECT org, asked.integration, subject
    FROM rollup_member JOIN asked USING (org)
    WHERE parent = 'integration/' || asked.integration AND recovered_at IS NULL
""")  # noqa: S608


@dataclass(frozen=True, slots=True)
class Unwell:
    """A device that was not well, and what its rules follow from."""

    subject: str
    condition: str
    shard: int
    integration: str | None
    model: str | None
    interval_s: float | None


async def without_a_ticket(
    connection: AsyncConnection, org: str, integration: str, at: int, *, listed: Collection[str]
) -> list[Unwell]:
    """The devices behind the integration, and those that its ticket has `listed` wherever they are by now, that were
    not well at this instant and have no ticket of their own; those that turned out to be well before they fired are
    left out, those that fire without a ticket since nothing was published, and those whose recovery from then has been
    decided before: this instant is told late."""
    asked = {"org": org, "integration": integration, "at": at, "listed": list(listed)}
    rows = await connection.execute(_UNWELL, asked)
    return [
        Unwell(
            row.subject,
            row.condition,
            row.shard,
            row.integration,
            row.model,
            None if row.interval_s is None else float(row.interval_s),
        )
        for row in rows
    ]


async def unpublished(connection: AsyncConnection, asked: Collection[tuple[Key, int]]) -> set[tuple[Key, int]]:
    """Those of these subjects, each at an instant, that have no ticket since nothing was published: by the last that
    had been decided about them by then."""
    if not asked:
        return set()
    values = {
        "orgs": [org for (org, _), _ in asked],
        "subjects": [subject for (_, subject), _ in asked],
        "at": [at for _, at in asked],
    }
    return {((row.org, row.subject), row.at) for row in await connection.execute(_UNPUBLISHED, values)}


async def judge_from(connection: AsyncConnection, org: str, since: Mapping[str, int]) -> None:
    """These devices have a fresh timeout from these instants on; what is wrong with them counts as begun at its end."""
    values = {"org": org, "subjects": list(since), "at": list(since.values())}
    await connection.execute(_JUDGE_FROM, values)


async def judged_afresh(connection: AsyncConnection, org: str) -> list[Watch]:
    """The org's devices that have a fresh time: their watches."""
    return [watch_of(row) for row in await connection.execute(_AFRESH, {"org": org})]


async def failing(connection: AsyncConnection, org: str, at: Mapping[str, int]) -> list[Failing]:
    """Those of these devices that fired, each at its instant, or were not yet confirmed healthy again, by name."""
    rows = await connection.execute(_FAILING, {"org": org, "subjects": list(at), "at": list(at.values())})
    found = []
    for row in rows:
        since, evidence, flap_count = row.since_at, row.evidence, row.flap_count
        if row.body is not None:
            since, evidence = to_ms(parse_time(row.body["since"])), row.body["evidence"]
            flap_count = row.body["flap_count"]
        named = Named(row.name, row.integration, row.space)
        found.append(Failing(row.subject, row.condition, since, evidence, named, row.shard, row.state, flap_count))
    return found


async def about_to_join(connection: AsyncConnection, at: Mapping[Key, int]) -> dict[Key, set[str]]:
    """The devices behind these integrations that would be on the list of a ticket about many soon: those that were
    about to fire at these instants and have no ticket of their own, and those whose verdicts wait for it."""
    asked = {
        "orgs": [org for org, _ in at],
        "integrations": [integration_named(subject) for _, subject in at],
        "at": list(at.values()),
    }
    found: defaultdict[Key, set[str]] = defaultdict(set)
    for row in await connection.execute(_ABOUT_TO_JOIN, asked):
        found[row.org, f"integration/{row.integration}"].add(row.subject)
    return found
