"""The org's workflows: what starts each, how it went last, and switching one or all of them on or off."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote
from uuid import uuid4

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from fettle_chassis.http import Problem
from fettle_console.domain.documents import switched
from fettle_console.domain.origins import local_path
from fettle_console.domain.routing import Owner
from fettle_console.entrypoints.pages.visits import CommandId, TheAdmin, TheVisit, Visit
from fettle_console.views.workflows import Listed
from fettle_contracts.problems import ProblemCode

router = APIRouter()

_PAGE = 25
"""Each one's newest run is a question of its own, so that a page is of fewer than other lists."""


@router.get("/orgs/{org}/workflows")
async def workflow_list(request: Request, visit: TheVisit) -> Response:
    """A page of workflows by name, each with its newest run."""
    query = visit.client.query(limit=str(_PAGE), cursor=request.query_params.get("cursor", ""))
    found, policy = await asyncio.gather(
        visit.client.get(Owner.WORKFLOWS, f"/workflows{query}"),
        visit.client.get(Owner.WORKFLOWS, "/workflow-policy"),
    )
    newest = await asyncio.gather(*(newest_run(visit, item["workflow"]) for item in found["items"]))
    return await visit.page(
        "workflows.html",
        workflows=[Listed.of(item, run) for item, run in zip(found["items"], newest, strict=True)],
        switched_on=policy["enabled"],
        switched_by=policy["changed_by"],
        first_page=not request.query_params.get("cursor"),
        next_cursor=found.get("next_cursor"),
        command_id=str(uuid4()),
    )


async def newest_run(visit: Visit, name: str) -> Mapping[str, Any] | None:
    """The workflow's newest run, if there is any; None too when the workflow went meanwhile."""
    answer = await visit.client.send(Owner.WORKFLOWS, "GET", f"{workflow_path(name)}/runs?limit=1")
    return next(iter(answer.body["items"]), None) if answer.ok else None


@router.post("/orgs/{org}/workflows/{name}/switch")
async def switch(
    name: str,
    visit: TheAdmin,
    command_id: CommandId,
    enabled: Annotated[bool, Form()],
    next: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Enables or disables one workflow: saves its document with that one word changed."""
    path = workflow_path(name)
    seen = await visit.client.get(Owner.WORKFLOWS, path)
    wanted = switched(seen["document"], enabled)
    if wanted is None:
        message = f"Where {name} says `enabled` only a person can tell: edit its document."
        raise Problem(409, ProblemCode.CONFLICT, message)
    headers = {"idempotency-key": command_id, "if-match": f'"{seen["saved_at"]}"'}
    answer = await visit.client.send(Owner.WORKFLOWS, "PUT", path, wanted, headers)
    if answer.status == 412:
        message = f"Somebody else saved {name} at this very moment, and it is as they left it. Go back and try again."
        raise Problem(409, ProblemCode.CONFLICT, message)
    answer.accepted()
    return RedirectResponse(local_path(next) or f"/orgs/{visit.org}/workflows", 303)


@router.post("/orgs/{org}/workflow-policy")
async def switch_all(visit: TheAdmin, command_id: CommandId, enabled: Annotated[bool, Form()]) -> Response:
    """Switches all of the org's workflows off, or lets those that are enabled run again."""
    key = {"idempotency-key": command_id}
    (await visit.client.send(Owner.WORKFLOWS, "PUT", "/workflow-policy", {"enabled": enabled}, key)).accepted()
    return RedirectResponse(f"/orgs/{visit.org}/workflows", 303)


def workflow_path(name: str) -> str:
    """Its path in the API, after the org."""
    return f"/workflows/{quote(name, safe='')}"
