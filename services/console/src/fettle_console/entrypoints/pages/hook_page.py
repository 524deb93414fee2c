"""A workflow's hook: its address for other systems, and the secrets that they sign with, for admins."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from fettle_client.shapes.workflows import NewHookSecret
from fettle_console.entrypoints.pages.visits import CommandId, TheAdmin, Visit
from fettle_console.entrypoints.pages.workflow_page import page_of
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
    made = await visit.client.make_hook_secret(name, old_holds_s=old_holds_s, key=command_id)
    return await _page(visit, name, request, made)


@router.post("/orgs/{org}/workflows/{name}/hook/{secret_id}/end")
async def end_secret(name: str, secret_id: str, visit: TheAdmin, command_id: CommandId) -> Response:
    """The secret does not hold any more."""
    await visit.client.end_hook_secret(name, secret_id, key=command_id)
    return RedirectResponse(f"{page_of(visit, name)}/hook", 303)


async def _page(visit: Visit, name: str, request: Request, made: NewHookSecret | None = None) -> Response:
    present = await visit.client.get_workflow(name)
    hook = await visit.client.get_hook(name)
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
