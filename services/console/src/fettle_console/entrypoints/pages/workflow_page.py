"""One workflow: its document, its latest runs, its versions and how they differ, and bringing one back."""

import asyncio
import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote
from uuid import uuid4

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import RedirectResponse, Response

from fettle_chassis.http import Problem
from fettle_console.adapters.org_client import ServiceRefused, unless_refused
from fettle_console.entrypoints.pages.visits import CommandId, TheAdmin, TheVisit, Visit
from fettle_console.views.differences import Difference
from fettle_console.views.graph import Graph, Reached
from fettle_console.views.runs import ListedRun
from fettle_console.views.workflows import Listed, SavedVersion
from fettle_contracts.problems import ProblemCode

router = APIRouter()

_RUNS = 5
_VERSIONS = 20
_NUMBER = {"ge": 1, "lt": 2**31}
_SAVED_AT = re.compile(r"[0-9TZ.:+-]{1,40}")


@router.get("/orgs/{org}/workflows/{name}")
async def workflow_page(name: str, request: Request, visit: TheVisit) -> Response:
    """The page, with the newest versions, or those behind `cursor`."""
    cursor = request.query_params.get("cursor") or None
    found, graph, versions, runs = await asyncio.gather(
        visit.client.get_workflow(name),
        graph_of(visit, name),
        visit.client.list_workflow_versions(name, limit=_VERSIONS, cursor=cursor).page(),
        visit.client.list_workflow_runs(name, limit=_RUNS).page(),
    )
    return await visit.page(
        "workflow.html",
        workflow=Listed.of(found),
        triggers=found["triggers"],
        graph=graph,
        lines=found["document"].split("\n"),
        versions=[SavedVersion.of(one) for one in versions["items"]],
        names=await visit.names(found["saved_by"], *(one["saved_by"] for one in versions["items"])),
        older=versions.get("next_cursor"),
        runs=[ListedRun.of(run) for run in runs["items"]],
        command_id=str(uuid4()),
    )


@router.get("/orgs/{org}/workflows/{name}/versions/{version}")
async def version_page(
    name: str,
    version: Annotated[int, Path(**_NUMBER)],
    visit: TheVisit,
    from_version: Annotated[int | None, Query(**_NUMBER)] = None,
) -> Response:
    """What a version was made of, and how it differs from the one before it or from `from_version`."""
    return await _version(visit, name, version, from_version)


async def _version(
    visit: Visit, name: str, version: int, from_version: int | None = None, refused: str = "", status: int = 200
) -> Response:
    present, found, difference, graph = await asyncio.gather(
        visit.client.get_workflow(name),
        visit.client.get_workflow_version(name, version),
        visit.client.get_workflow_difference(name, version, from_version=from_version),
        graph_of(visit, name, version),
    )
    newest = present["version"]
    back = None
    if version != newest:
        back = await visit.client.get_workflow_difference(name, version, from_version=newest)
    return await visit.page(
        "workflow_version.html",
        status=status,
        refused=refused,
        base=present["saved_at"],
        workflow=Listed.of(present),
        shown=SavedVersion.of(found),
        names=await visit.names(found["saved_by"]),
        document=found["document"],
        from_version=difference["from_version"],
        difference=Difference.of_hunks(difference["hunks"]),
        restored=Difference.of_hunks(back["hunks"]) if back else None,
        graph=graph,
        command_id=str(uuid4()),
    )


@router.post("/orgs/{org}/workflows/{name}/versions/{version}/restore")
async def restore(
    name: str,
    version: Annotated[int, Path(**_NUMBER)],
    visit: TheAdmin,
    command_id: CommandId,
    base: Annotated[str, Form()] = "",
) -> Response:
    """Saves the version's document as it stands, as the newest, if the workflow is still the one that was saved at
    `base`; otherwise shows what that would change now."""
    try:
        await visit.client.restore_workflow(name, version, saved_at=as_seen(base), key=command_id)
    except ServiceRefused as refused:
        if refused.status != 412:
            raise
        said = f"{await saver_of(visit, refused.body['present'])} has saved it meanwhile: nothing was restored."
        return await _version(visit, name, version, refused=said, status=412)
    return RedirectResponse(page_of(visit, name), 303)


async def graph_of(
    visit: Visit, name: str, version: int | None = None, reached: Mapping[str, Reached] | None = None
) -> Graph | None:
    """The graph of the workflow as it is or of a version; None when there is none to show: the workflow is gone, its
    document is not understood any more, or it is too tangled."""
    found = await unless_refused(visit.client.get_workflow_graph(name, version=version))
    return Graph.of(found["nodes"], reached) if found else None


def page_of(visit: Visit, name: str) -> str:
    return f"/orgs/{visit.org}/workflows/{quote(name, safe='')}"


def as_seen(base: str) -> str:
    """When the workflow was saved that the page was made of. Raises `Problem` 400 for what no page has."""
    if _SAVED_AT.fullmatch(base) is None:
        message = "This form is not as our page has it, and was not carried out. Load the page again."
        raise Problem(400, ProblemCode.MALFORMED, message, field="base")
    return base


async def saver_of(visit: Visit, present: Mapping[str, Any]) -> str:
    """Under which name the one is shown who saved it last."""
    by = present["saved_by"]
    return (await visit.names(by))[by]
