"""When subjects have moved, by the history. Instants are in broker milliseconds."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

Moment = tuple[str, str, int]
"""An org, one of its subjects, and an instant."""

_JUST_THEN = text("""
    SELECT org, subject, at
    FROM unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[]), CAST(:at AS bigint[])) AS asked (org, subject, at)
         JOIN transition USING (org, subject, at)
""")

_SINCE = text("""
    SELECT asked.place, last.at,
           to_state = 'healthy' AND coalesce(from_state NOT IN ('firing', 'pending_resolve', 'flapping'), true) AS well
    FROM unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[]), CAST(:since AS bigint[]), CAST(:by AS bigint[]))
         WITH ORDINALITY AS asked (org, subject, since, by, place)
    CROSS JOIN LATERAL (
        SELECT from_state, to_state, at FROM transition
        WHERE transition.org = asked.org AND transition.subject = asked.subject AND at > asked.since
        ORDER BY at DESC, position DESC LIMIT 1
    ) AS last
    WHERE EXISTS (
        SELECT FROM transition
        WHERE transition.org = asked.org AND transition.subject = asked.subject AND at > asked.since AND at <= asked.by
    )
""")


async def just_then(connection: AsyncConnection, moments: Sequence[Moment]) -> set[Moment]:
    """The moments at which a subject has moved."""
    orgs, subjects, at = zip(*moments, strict=True)
    asked = {"orgs": orgs, "subjects": subjects, "at": at}
    return {(row.org, row.subject, row.at) for row in await connection.execute(_JUST_THEN, asked)}


async def since(
    connection: AsyncConnection, moments: Sequence[Moment], by: Sequence[int]
) -> list[tuple[bool, int] | None]:
    """Of each subject that has moved behind its moment and `by` an instant: whether it is well, which nothing has said
    in a verdict, and since when it is as it is. None of those that have not."""
    orgs, subjects, behind = zip(*moments, strict=True)
    asked = {"orgs": orgs, "subjects": subjects, "since": behind, "by": list(by)}
    found: list[tuple[bool, int] | None] = [None] * len(moments)
    for row in await connection.execute(_SINCE, asked):
        found[row.place - 1] = (bool(row.well), row.at)
    return found
