"""Runs: which there are, one node by node, and what people do to it."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Annotated, cast
from urllib.parse import urlencode
from uuid import uuid4

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from fettle_chassis.http import Problem
from fettle_chassis.tokens import Role
from fettle_client.shapes.workflows import RunState
from fettle_console.adapters.org_client import ServiceRefused, unless_refused
from fettle_console.entrypoints.pages.visits import CommandId, TheOperator, TheVisit, Visit
from fettle_console.entrypoints.pages.workflow_page import graph_of
from fettle_console.views.outcomes import RUNS
from fettle_console.views.run_nodes import RunInDepth
from fettle_console.views.runs import ListedRun
from fettle_contracts.problems import ProblemCode

router = APIRouter()

_PAGE = 50
_NAMES = 200
"""Workflows that are offered as a filter; one of more is found by its own page."""

_VERSIONS = 20
"""The newest versions, by which a run can be had again."""

_ACTS = ("cancel", "retry", "rerun")


@router.get("/orgs/{org}/runs")
async def run_list(request: Request, visit: TheVisit) -> Response:
    """The newest runs, of one state and one workflow if the address says so."""
    said = {name: request.query_params.get(name, "") for name in ("state", "workflow", "cursor")}
    state = said["state"] if said["state"] in RUNS else ""
    client = visit.client
    runs = partial(client.list_workflow_runs, said["workflow"]) if said["workflow"] else client.list_runs
    found, workflows = await asyncio.gather(
        runs(state=cast(RunState | None, state or None), limit=_PAGE, cursor=said["cursor"] or None).page(),
        client.list_workflows(limit=_NAMES).page(),
    )
    names = [item["workflow"] for item in workflows["items"]]
    kept = {name: value for name, value in (("state", state), ("workflow", said["workflow"])) if value}
    return await visit.page(
        "runs.html",
        runs=[ListedRun.of(run) for run in found["items"]],
        states=[(value, stand.word) for value, stand in RUNS.items()],
        names=names if said["workflow"] in ("", *names) else [said["workflow"], *names],
        state=state,
        workflow=said["workflow"],
        next_page=urlencode({**kept, "cursor": found["next_cursor"]}) if found.get("next_cursor") else "",
    )


@router.get("/orgs/{org}/runs/{id}")
async def run_page(id: str, visit: TheVisit, node: Annotated[str, Query(max_length=200)] = "") -> Response:
    """The run with every node's outcome, input, output, attempts and time; those of `node` are folded out."""
    return await _shown(visit, id, chosen=node)


@router.post("/orgs/{org}/runs/{id}/{act}")
async def act(
    id: str,
    act: str,
    visit: TheOperator,
    command_id: CommandId,
    version: Annotated[int | None, Form(ge=1, lt=2**31)] = None,
) -> Response:
    """Cancels, retries or reruns it (by `version`, or the newest), and shows the run that came of it; what is refused
    is said on its page."""
    if act not in _ACTS:
        raise Problem(404, ProblemCode.NOT_FOUND, "There is no such page.")
    try:
        if act == "cancel":
            run = await visit.client.cancel_run(id, key=command_id)
        elif act == "retry":
            run = await visit.client.retry_run(id, key=command_id)
        else:
            run = await visit.client.rerun(id, version=version, key=command_id)
    except ServiceRefused as refused:
        return await _shown(visit, id, refused.message, refused.status)
    return RedirectResponse(f"/orgs/{visit.org}/runs/{run['id']}", 303)


async def _shown(visit: Visit, id: str, refused: str = "", status: int = 200, chosen: str = "") -> Response:
    depth = RunInDepth.of(await visit.client.get_run(id), visit.console.now())
    graph, versions = await asyncio.gather(
        graph_of(visit, depth.run.workflow, depth.run.version, depth.reached),
        _versions(visit, depth),
    )
    return await visit.page(
        "run.html",
        status=status,
        depth=depth,
        run=depth.run,
        graph=graph,
        versions=versions,
        chosen=chosen,
        refused=refused,
        command_id=str(uuid4()),
    )


async def _versions(visit: Visit, depth: RunInDepth) -> Sequence[int]:
    """By which versions it can be rerun, the newest first; none while it runs, and none for a workflow that is gone."""
    if depth.going or not visit.may(Role.OPERATOR):
        return ()
    found = await unless_refused(visit.client.list_workflow_versions(depth.run.workflow, limit=_VERSIONS).page())
    return [one["version"] for one in found["items"]] if found else ()
