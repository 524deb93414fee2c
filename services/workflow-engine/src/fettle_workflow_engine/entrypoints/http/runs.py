"""Runs by HTTP."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from fettle_chassis.http import Problem, Viewer
from fettle_contracts.problems import ProblemCode
from fettle_workflow_engine.adapters import run_lists, workflow_rows
from fettle_workflow_engine.adapters.run_lists import Wanted
from fettle_workflow_engine.domain.run import RunState
from fettle_workflow_engine.entrypoints.http import pages
from fettle_workflow_engine.entrypoints.http.desk import Desk, TheDesk

router = APIRouter(prefix="/api/v1/orgs/{org}", tags=["runs"])

Events = Annotated[tuple[UUID, ...], Query(max_length=50)]
"""Ids of entries of tickets' timelines."""


@router.get("/runs")
async def runs(
    caller: Viewer,
    desk: TheDesk,
    state: RunState | None = None,
    event: Events = (),
    cursor: pages.Cursor = None,
    limit: pages.Limit = pages.LIMIT_DEFAULT,
) -> dict[str, Any]:
    """The org's runs, the newest first; with `event`, those that one of these entries of a ticket's timeline started.
    A run that a person started anew by the event of another is not among them."""
    return await _page(
        desk, caller.org, Wanted(state=state, events=tuple(map(str, event)), before=_before(cursor)), limit
    )


@router.get("/workflows/{name}/runs")
async def runs_of_workflow(
    name: pages.Name,
    caller: Viewer,
    desk: TheDesk,
    state: RunState | None = None,
    cursor: pages.Cursor = None,
    limit: pages.Limit = pages.LIMIT_DEFAULT,
) -> dict[str, Any]:
    """One workflow's runs, the newest first."""
    async with desk.database.reading() as connection:
        if await workflow_rows.find(connection, caller.org, name) is None:
            raise Problem(404, ProblemCode.NOT_FOUND, "There is no such workflow.")
    return await _page(desk, caller.org, Wanted(name, state, before=_before(cursor)), limit)


@router.get("/runs/{run_id}")
async def run(run_id: str, caller: Viewer, desk: TheDesk) -> dict[str, Any]:
    """A run with every node's input, output, attempts and times."""
    id = run_id_of(run_id)
    async with desk.database.reading() as connection:
        found = await run_lists.find(connection, caller.org, id)
    if found is None:
        raise no_such_run()
    return found


async def _page(desk: Desk, org: str, wanted: Wanted, limit: int) -> dict[str, Any]:
    async with desk.database.reading() as connection:
        found = await run_lists.page(connection, org, wanted, limit + 1)
    page, last = pages.cut(found, limit)
    return {"items": page, "next_cursor": pages.encoded(last["started_at"], last["id"]) if last else None}


def _before(cursor: str | None) -> tuple[datetime, UUID] | None:
    return None if cursor is None else pages.moment_of(cursor)


def run_id_of(text: str) -> UUID:
    """The id that a path names. Raises Problem 404: what is none is nobody's."""
    try:
        return UUID(text)
    except ValueError:
        raise no_such_run() from None


def no_such_run() -> Problem:
    return Problem(404, ProblemCode.NOT_FOUND, "There is no such run.")
