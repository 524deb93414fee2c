"""How many runs each workflow has started, minute by minute, for its budget of runs an hour.

Two engines that start runs of one workflow at the same moment may each not see what the other starts; the budget is
exceeded by what one batch holds at most.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

HOUR = timedelta(hours=1)

Workflow = tuple[str, str]
"""Org and name."""


async def spent(connection: AsyncConnection, workflows: Iterable[Workflow], now: datetime) -> Mapping[Workflow, int]:
    """Runs that each of them has started in the last sixty minutes of the clock, the present one included."""
    wanted = sorted(set(workflows))
    rows = await connection.execute(
        text("""
            SELECT org, workflow, sum(runs) AS runs
            FROM unnest(CAST(:orgs AS text[]), CAST(:names AS text[])) AS wanted (org, workflow)
            JOIN workflow_minute USING (org, workflow)
            WHERE minute > :since
            GROUP BY org, workflow
        """),
        {"orgs": [org for org, _ in wanted], "names": [name for _, name in wanted], "since": _minute(now) - HOUR},
    )
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
