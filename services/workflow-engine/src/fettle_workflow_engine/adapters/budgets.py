"""How many runs each workflow has started, minute by minute, for its budget of runs an hour."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

HOUR = timedelta(hours=1)

Workflow = tuple[str, str]
"""Org and name."""


_HOLD = text("""
    INSERT INTO workflow_minute AS known (org, workflow, minute, runs)
    SELECT org, workflow, :starting, 0
    FROM unnest(CAST(:orgs AS text[]), CAST(:names AS text[])) AS wanted (org, workflow)
    ON CONFLICT (org, workflow, minute) DO UPDATE SET runs = 0
""")

_SPENT = text("""
    SELECT org, workflow, sum(runs) AS runs
    FROM unnest(CAST(:orgs AS text[]), CAST(:names AS text[])) AS wanted (org, workflow)
    JOIN workflow_minute USING (org, workflow)
    WHERE minute >= :since
    GROUP BY org, workflow
""")

_STARTING = datetime(1, 1, 1, tzinfo=UTC)
"""Minute of the row that whoever starts runs of a workflow holds until they are counted."""


async def spent(connection: AsyncConnection, workflows: Iterable[Workflow], now: datetime) -> Mapping[Workflow, int]:
    """Runs that each of them has started in the last hour and, as whole minutes are counted, up to a minute before it.

    Waits while anybody else, in this engine or another, is about to start runs of one of them; has others wait until
    the transaction ends.
    """
    wanted = sorted(set(workflows))
    if not wanted:
        return {}
    those = {"orgs": [org for org, _ in wanted], "names": [name for _, name in wanted]}
    await connection.execute(_HOLD, those | {"starting": _STARTING})
    rows = await connection.execute(_SPENT, those | {"since": _minute(now) - HOUR})
    return {(row.org, row.workflow): int(row.runs) for row in rows}


async def spend(connection: AsyncConnection, started: Mapping[Workflow, int], now: datetime) -> None:
    """Adds the runs that were started now."""
    if not started:
        return
    ordered = sorted(started)
    await connection.execute(
        text("""
            INSERT INTO workflow_minute AS known (org, workflow, minute, runs)
            SELECT org, workflow, :minute, runs
            FROM unnest(CAST(:orgs AS text[]), CAST(:names AS text[]), CAST(:runs AS integer[]))
                 AS new (org, workflow, runs)
            ON CONFLICT (org, workflow, minute) DO UPDATE SET runs = known.runs + excluded.runs
        """),
        {
            "orgs": [org for org, _ in ordered],
            "names": [name for _, name in ordered],
            "runs": [started[one] for one in ordered],
            "minute": _minute(now),
        },
    )


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
