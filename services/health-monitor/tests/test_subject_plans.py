"""Lists of subjects as Postgres carries them out beside 100,000 subjects: by an index, whatever they are sorted by."""

from collections.abc import Iterator
from typing import Any

import pytest
from correlator_facts import T0
from correlator_world import CorrelatorWorld
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.transitions import CONFIRMED_UNHEALTHY
from fettle_health_monitor.adapters.correlator import views

SUBJECTS, PAGE = 100_000, 51
FILL = f"""
    INSERT INTO subject (org, subject, shard, state, condition, since_at, changed_at, heard_name, heard_integration,
                         heard_space)
    SELECT org, 'device/d' || n, n % 4, state, CASE WHEN state = 'firing' THEN 'device_offline' END,
           CASE WHEN state IS NOT NULL THEN {T0} - n * 37 % 3600000 END, {T0}, 'Sensor ' || n, 'cloud-' || n % 40,
           'oslo/hq-' || n % 30 || '/' || n % 9
    FROM generate_series(1, {SUBJECTS}) AS n,
         LATERAL (SELECT CASE WHEN n % 20 = 0 THEN 'zoo' ELSE 'acme' END AS org,
                         CASE WHEN n % 50 = 1 THEN 'firing' WHEN n % 50 <> 2 THEN 'healthy' END AS state) AS one
"""
LISTS = {
    "all": views.Filter(),
    "unhealthy": views.Filter([str(state) for state in CONFIRMED_UNHEALTHY]),
    "devices": views.Filter(type="device"),
    "a space": views.Filter(space="oslo/hq-7"),
    "an integration": views.Filter(integration="cloud-3"),
    "of a state that nobody is in": views.Filter(["flapping"]),
    "an integration that nothing is behind": views.Filter(integration="cloud-none"),
}
MET_AT_MOST = 5_000
"""Rows that one page may look at, on its way to fifty."""


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def met(plan: dict[str, Any]) -> float:
    """Rows of subjects that a plan looked at, kept or not."""
    scans = [node for node in nodes(plan) if node.get("Relation Name") == "subject" and "Scan" in node["Node Type"]]
    names = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    rows: float = sum(node["Actual Loops"] * sum(node.get(name, 0) for name in names) for node in scans)
    return rows


async def pages(connection: AsyncConnection, wanted: views.Filter, sort: views.Sort) -> list[float]:
    """Rows that the statements of the first two pages looked at."""
    ran: list[tuple[str, Any]] = []

    def keep(_connection: Any, _cursor: Any, statement: str, values: Any, *_more: Any) -> None:
        ran.append((statement, values))

    engine = connection.engine.sync_engine
    event.listen(engine, "before_cursor_execute", keep)
    try:
        first = await views.subjects(connection, "acme", wanted, sort=sort, after=None, limit=PAGE)
        if first:
            after = views.place_of(first[-1], sort)
            await views.subjects(connection, "acme", wanted, sort=sort, after=after, limit=PAGE)
    finally:
        event.remove(engine, "before_cursor_execute", keep)
    raw: Any = (await connection.get_raw_connection()).driver_connection
    found = [await raw.fetchval(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {said}", *values) for said, values in ran]
    return [met(one[0]["Plan"]) for one in found]


@pytest.mark.rule("AC-119")
async def test_pages_of_a_large_fleet_are_found_by_an_index(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        async with unit_of_work(world.database) as work:
            await work.connection.execute(text(FILL))
            await work.connection.execute(text("ANALYZE subject"))
        async with world.database.reading() as connection:
            looked = {
                (name, sort): await pages(connection, wanted, sort)
                for name, wanted in LISTS.items()
                for sort in ("subject", "since", "-since")
            }
            assert {what: rows for what, rows in looked.items() if max(rows) > MET_AT_MOST} == {}
            last = await views.subjects(connection, "acme", views.Filter(), sort="-since", after=(0, ""), limit=200)
            assert {row.state for row in last} == {None}
