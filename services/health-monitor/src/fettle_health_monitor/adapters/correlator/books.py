"""The books of verdicts: each that was called for has one outcome, or waits for it, or for the answer that settles it.

What a transition calls for stands on its row (`calls`), everything else that is called for is entered here by whoever
calls. Outcomes and waiting verdicts are written elsewhere, so that the two sides can be held against each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_health_monitor.domain.correlator.verdicts import Verdict

WAITING = "waiting"
"""How verdicts end that have not ended."""

_NAMED = 10

_ENTER = text("""
    INSERT INTO called (verdict, org, cause, at)
    SELECT * FROM unnest(CAST(:verdicts AS uuid[]), CAST(:orgs AS text[]), CAST(:causes AS text[]),
                         CAST(:at AS bigint[]))
    ON CONFLICT DO NOTHING
""")

_HOURS = text(f"""
    WITH late AS (
        SELECT id AS verdict, org, at FROM transition WHERE calls AND at >= :since
        UNION ALL SELECT verdict, org, at FROM called WHERE at >= :since
    ),
    ended AS (
        SELECT verdict, org, at, outcome AS ending, awaits FROM outcome WHERE at >= :since
        UNION ALL SELECT id, org, at, '{WAITING}', NULL FROM verdict WHERE at >= :since
    ),
    -- what has waited ends as of a later instant than that at which it was called for
    early AS (SELECT verdict FROM ended EXCEPT SELECT verdict FROM late),
    entries AS (
        SELECT verdict, org, at, 1 AS called, 0 AS ended, NULL AS ending, false AS unanswered, true AS settled FROM late
        UNION ALL SELECT id, org, at, 1, 0, NULL, false, true FROM transition
                  WHERE calls AND id = ANY(ARRAY(SELECT verdict FROM early))
        UNION ALL SELECT verdict, org, at, 1, 0, NULL, false, true FROM called
                  WHERE verdict = ANY(ARRAY(SELECT verdict FROM early))
        UNION ALL SELECT verdict, org, at, 0, 1, ending, awaits IS NOT NULL,
                         awaits IS NULL OR NOT EXISTS (SELECT FROM command WHERE id = awaits AND answer IS NOT NULL)
                  FROM ended
    ),
    verdicts AS (
        SELECT verdict, min(org) AS org, min(at) / 3600000 AS hour, sum(called) AS called, min(ending) AS ending,
               bool_or(unanswered) AS unanswered, sum(called) = 1 AND sum(ended) = 1 AND bool_and(settled) AS right
        FROM entries GROUP BY verdict
    )
    SELECT org, hour, ending, sum(called) AS called, count(*) AS verdicts,
           count(*) FILTER (WHERE NOT verdicts.right) AS wrong, count(*) FILTER (WHERE unanswered) AS unanswered,
           (array_agg(verdict) FILTER (WHERE NOT verdicts.right))[1:{_NAMED}] AS which
    FROM verdicts GROUP BY org, hour, ending ORDER BY org, hour, ending
""")  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class Hour:
    """One org's verdicts of one hour (of 3,600,000 broker milliseconds since 1970), by their instants. `ended` counts
    them by outcome, and as `waiting` those without one yet. `unaccounted` are those that were not called for, have no
    end, or several, or do not end by the answer that they have awaited: `which` names some. `unanswered` still await
    the ticket service's."""

    org: str
    hour: int
    called: int
    ended: Mapping[str, int]
    unaccounted: int
    which: tuple[UUID, ...]
    unanswered: int = 0


async def enter(connection: AsyncConnection, called: Sequence[Verdict]) -> None:
    """Verdicts that something else than a transition calls for; one that was called for before stays as it was."""
    await connection.execute(
        _ENTER,
        {
            "verdicts": [verdict.id for verdict in called],
            "orgs": [verdict.org for verdict in called],
            "causes": [verdict.cause.value for verdict in called],
            "at": [verdict.at for verdict in called],
        },
    )


async def hours(connection: AsyncConnection, since: int) -> list[Hour]:
    """The books from an instant on, as one moment shows them; with what ended since then, whenever it was called for.
    Verdicts that are older than retention keeps are not in them with both sides."""
    rows = (await connection.execute(_HOURS, {"since": since})).all()
    found = []
    for (org, hour), group in groupby(rows, key=lambda row: (row.org, row.hour)):
        parts = list(group)
        found.append(
            Hour(
                org=org,
                hour=hour,
                called=sum(int(part.called) for part in parts),
                ended={part.ending: part.verdicts for part in parts if part.ending is not None},
                unaccounted=sum(part.wrong for part in parts),
                which=tuple(verdict for part in parts for verdict in part.which or ())[:_NAMED],
                unanswered=sum(part.unanswered for part in parts),
            )
        )
    return found
