"""Channels made, changed and removed, and the org's secrets kept and removed: by admins."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from fettle_chassis.http import Problem
from fettle_console.adapters.org_client import ServiceRefused
from fettle_console.domain.channel_forms import FIELDS, KINDS, filled, settings_of
from fettle_console.entrypoints.pages.channel_page import secrets_of, shown_channels
from fettle_console.entrypoints.pages.visits import CommandId, TheAdmin, Visit, texts_of
from fettle_contracts.problems import ProblemCode

router = APIRouter()

_FIRST_KIND = "slack"


@router.get("/orgs/{org}/new-channel")
async def begin(visit: TheAdmin, kind: str = _FIRST_KIND) -> Response:
    """The form for a channel of this kind."""
    return await _form(visit, None, _kind(kind), {})


@router.post("/orgs/{org}/new-channel")
async def make(
    request: Request,
    visit: TheAdmin,
    command_id: CommandId,
    kind: Annotated[str, Form()],
    name: Annotated[str, Form()],
) -> Response:
    """Makes the channel; what is refused is said above the form, which stays as it was filled."""
    said = await texts_of(request)
    try:
        await visit.client.create_channel(name.strip(), **_channel(_kind(kind), said), key=command_id)
    except ServiceRefused as refused:
        return await _form(visit, None, kind, said, refused)
    return _back(visit)


@router.get("/orgs/{org}/channels/{name}/edit")
async def edit(name: str, visit: TheAdmin) -> Response:
    """The form as the channel is."""
    present = await visit.client.get_channel(name)
    kind = present["kind"]
    said = {**filled(_kind(kind), present["settings"]), "hourly_cap": str(present["hourly_cap"])}
    return await _form(visit, name, kind, said, held_back=present["held_back"])


@router.post("/orgs/{org}/channels/{name}/edit")
async def change(
    name: str, request: Request, visit: TheAdmin, command_id: CommandId, kind: Annotated[str, Form()]
) -> Response:
    """Replaces the channel's settings."""
    said = await texts_of(request)
    try:
        await visit.client.put_channel(name, **_channel(_kind(kind), said), key=command_id)
    except ServiceRefused as refused:
        return await _form(visit, name, kind, said, refused)
    return _back(visit)


@router.post("/orgs/{org}/channels/{name}/remove")
async def remove(name: str, visit: TheAdmin, command_id: CommandId) -> Response:
    """Removes the channel with what it holds back."""
    await visit.client.remove_channel(name, key=command_id)
    return _back(visit)


@router.post("/orgs/{org}/secrets")
async def keep(
    visit: TheAdmin, command_id: CommandId, name: Annotated[str, Form()], value: Annotated[str, Form()]
) -> Response:
    """Keeps a secret under this name, in place of the one before. The value is in no page, not even a refused one."""
    try:
        await visit.client.put_secret(name.strip() or "-", value, key=command_id)
    except ServiceRefused as refused:
        return await shown_channels(visit, refused=refused.message, status=refused.status, secret=name)
    return _back(visit)


@router.post("/orgs/{org}/secrets/{name}/remove")
async def forget(name: str, visit: TheAdmin, command_id: CommandId) -> Response:
    """Removes the secret, unless a channel needs it."""
    try:
        await visit.client.remove_secret(name, key=command_id)
    except ServiceRefused as refused:
        return await shown_channels(visit, refused=refused.message, status=refused.status)
    return _back(visit)


def _kind(kind: str) -> str:
    if kind not in FIELDS:
        raise Problem(400, ProblemCode.MALFORMED, f"There is no kind of channel {kind!r}.", field="kind")
    return kind


def _back(visit: Visit) -> Response:
    return RedirectResponse(f"/orgs/{visit.org}/channels", 303)


def _channel(kind: str, said: Mapping[str, str]) -> dict[str, Any]:
    cap = said.get("hourly_cap", "").strip()
    return {
        "kind": kind,
        "settings": settings_of(kind, said),
        **({"hourly_cap": int(cap) if cap.isdecimal() else cap} if cap else {}),
    }


async def _form(
    visit: Visit,
    name: str | None,
    kind: str,
    said: Mapping[str, str],
    refused: ServiceRefused | None = None,
    held_back: int = 0,
) -> Response:
    field = str(refused.body.get("field") or "") if refused else ""
    return await visit.page(
        "channel_edit.html",
        status=refused.status if refused else 200,
        name=name,
        kind=kind,
        kinds=KINDS,
        fields=FIELDS[kind],
        said=said,
        secrets=[item["name"] for item in await secrets_of(visit)],
        refused=refused.message if refused else "",
        faulty=field.removeprefix("settings.").partition(".")[0],
        held_back=held_back,
        command_id=str(uuid4()),
    )
