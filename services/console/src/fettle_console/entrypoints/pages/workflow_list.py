"""The org's workflows: what starts each, how it went last, and switching one or all of them on or off."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from fettle_chassis.http import Problem
from fettle_console.adapters.org_client import ServiceRefused, unless_refused
from fettle_console.domain.documents import switched
from fettle_console.domain.origins import local_path
from fettle_console.entrypoints.pages.visits import CommandId, TheAdmin, TheVisit, Visit
from fettle_console.views.workflows import Listed
from fettle_contracts.problems import ProblemCode

router = APIRouter()

_PAGE = 25
"""Each one's newest run is a question of its own, so that a page is of fewer than other lists."""


@router.get("/orgs/{org}/workflows")
async def workflow_list(request: Request, visit: TheVisit) -> Response:
    """A page of workflows by name, each with its newest run."""
    cursor = request.query_params.get("cursor") or None
    found, policy = await asyncio.gather(
        visit.client.list_workflows(limit=_PAGE, cursor=cursor).page(), visit.client.get_workflow_policy()
    )
    newest = await asyncio.gather(*(newest_run(visit, item["workflow"]) for item in found["items"]))
    return await visit.page(
        "workflows.html",
        workflows=[Listed.of(item, run) for item, run in zip(found["items"], newest, strict=True)],
        switched_on=policy["enabled"],
        switched_by=policy["changed_by"],
        first_page=cursor is None,
        next_cursor=found.get("next_cursor"),
        command_id=str(uuid4()),
    )


async def newest_run(visit: Visit, name: str) -> Mapping[str, Any] | None:
    """The workflow's newest run, if there is any; None too when the workflow went meanwhile."""
    found = await unless_refused(visit.client.list_workflow_runs(name, limit=1).page())
    return next(iter(found["items"]), None) if found else None


@router.post("/orgs/{org}/workflows/{name}/switch")
async def switch(
    name: str,
    visit: TheAdmin,
    command_id: CommandId,
    enabled: Annotated[bool, Form()],
    next: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Enables or disables one workflow: saves its document with that one word changed."""
    seen = await visit.client.get_workflow(name)
    wanted = switched(seen["document"], enabled)
    if wanted is None:
        message = f"Where {name} says `enabled` only a person can tell: edit its document."
        raise Problem(409, ProblemCode.CONFLICT, message)
    try:
        await visit.client.put_workflow(name, wanted, saved_at=seen["saved_at"], key=command_id)
    except ServiceRefused as refused:
        if refused.status != 412:
            raise
        message = f"Somebody else saved {name} at this very moment, and it is as they left it. Go back and try again."
        raise Problem(409, ProblemCode.CONFLICT, message) from None
    return RedirectResponse(local_path(next) or f"/orgs/{visit.org}/workflows", 303)


@router.post("/orgs/{org}/workflow-policy")
async def switch_all(visit: TheAdmin, command_id: CommandId, enabled: Annotated[bool, Form()]) -> Response:
    """Switches all of the org's workflows off, or lets those that are enabled run again."""
    await visit.client.put_workflow_policy(enabled=enabled, key=command_id)
    return RedirectResponse(f"/orgs/{visit.org}/workflows", 303)
