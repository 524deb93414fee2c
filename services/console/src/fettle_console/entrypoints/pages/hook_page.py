"""A workflow's hook: its address for other systems, and the secrets that they sign with, for admins."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote
from uuid import uuid4

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from fettle_console.domain.routing import Owner
from fettle_console.entrypoints.pages.visits import CommandId, TheAdmin, Visit
from fettle_console.entrypoints.pages.workflow_list import workflow_path
from fettle_console.entrypoints.pages.workflow_page import present_document
from fettle_console.views.hooks import HookSecret
from fettle_console.views.workflows import Listed

router = APIRouter()


@router.get("/orgs/{org}/workflows/{name}/hook")
async def hook_page(name: str, request: Request, visit: TheAdmin) -> Response:
    """Where to post, and which secrets hold, without their texts."""
    return await _page(visit, name, request)


@router.post("/orgs/{org}/workflows/{name}/hook")
async def make_secret(
    name: str,
    request: Request,
    visit: TheAdmin,
    command_id: CommandId,
    old_holds_s: Annotated[int, Form(ge=0, le=30 * 86_400)] = 86_400,
) -> Response:
    """Makes a secret. The answer shows its text, as no other page does, nor the answer to a form that is sent twice."""
    body, key = {"old_holds_s": old_holds_s}, {"idempotency-key": command_id}
    path = f"{workflow_path(name)}/hook/secrets"
    made = (await visit.client.send(Owner.WORKFLOWS, "POST", path, body, key)).accepted()
    return await _page(visit, name, request, made)


@router.post("/orgs/{org}/workflows/{name}/hook/{secret_id}/end")
async def end_secret(name: str, secret_id: str, visit: TheAdmin, command_id: CommandId) -> Response:
    """The secret does not hold any more."""
    path = f"{workflow_path(name)}/hook/secrets/{quote(secret_id, safe='')}"
    (await visit.client.send(Owner.WORKFLOWS, "DELETE", path, None, {"idempotency-key": command_id})).accepted()
    return RedirectResponse(f"/orgs/{visit.org}{workflow_path(name)}/hook", 303)


async def _page(visit: Visit, name: str, request: Request, made: Mapping[str, Any] | None = None) -> Response:
    present = await present_document(visit, name)
    hook = await visit.client.get(Owner.WORKFLOWS, f"{workflow_path(name)}/hook")
    origin = visit.console.settings.public_url or str(request.base_url)
    return await visit.page(
        "hook.html",
        workflow=Listed.of(present),
        takes_signals="signal" in present["triggers"],
        address=f"{origin.rstrip('/')}{hook['path']}",
        secrets=[HookSecret.of(one) for one in hook["secrets"]],
        names=await visit.names(*(one["made_by"] for one in hook["secrets"])),
        made=made,
        command_id=str(uuid4()),
    )
