"""The org's API tokens: made, with the text shown once, and revoked."""

from typing import Annotated
from urllib.parse import quote
from uuid import UUID, uuid4

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from fettle_chassis.http import Problem
from fettle_console.entrypoints.pages.visits import CommandId, TheAdmin, Visit
from fettle_console.entrypoints.token_api import NewToken, minted, revoked
from fettle_console.views.tokens import LIVES, ROLES, ShownToken
from fettle_contracts.message import faults
from fettle_contracts.problems import ProblemCode

router = APIRouter()

_PAGE = 50
_DAY_S = 86_400


@router.get("/orgs/{org}/tokens")
async def token_page(visit: TheAdmin, cursor: UUID | None = None, revoke: UUID | None = None) -> Response:
    """Tokens, oldest first, with what revoking one would end if the address asks for that."""
    return await _shown(visit, cursor=cursor, revoke=revoke)


@router.post("/orgs/{org}/tokens")
async def mint(
    visit: TheAdmin,
    command_id: CommandId,
    role: Annotated[str, Form()],
    days: Annotated[int, Form()],
    name: Annotated[str, Form()] = "",
) -> Response:
    """Makes a token and shows its text, this once."""
    try:
        new = NewToken.model_validate({"role": role, "name": name.strip(), "expires_in_s": days * _DAY_S})
    except ValidationError as error:
        refused = "; ".join(str(fault) for fault in faults(error))
        return await _shown(visit, refused=refused, typed=name, status=400)
    async with visit.recorded("POST", "/tokens", command_id) as heard:
        answer = await minted(visit.org, new, visit.session.caller.actor_id, visit.console, command_id, heard)
        heard.status = answer.status
    body = answer.body or {}
    return await _shown(visit, text=body.get("token", ""), made=body.get("name", ""))


@router.post("/orgs/{org}/tokens/{id}/revoke")
async def revoke(id: UUID, visit: TheAdmin) -> Response:
    """Ends a token with the sessions that came with it; one that is gone is as was wanted. Who revokes their own is
    signed out by it."""
    async with visit.recorded("DELETE", f"/tokens/{id}") as heard:
        heard.status = 204 if await revoked(visit.org, id, visit.console, heard) else 404
    return RedirectResponse(f"/orgs/{quote(visit.org)}/tokens", 303)


async def _shown(
    visit: Visit,
    *,
    cursor: UUID | None = None,
    revoke: UUID | None = None,
    text: str = "",
    made: str = "",
    refused: str = "",
    typed: str = "",
    status: int = 200,
) -> Response:
    now, reader = visit.console.now(), visit.session.caller.actor_id
    found = await visit.console.tokens.page(visit.org, cursor, _PAGE + 1)
    people = await visit.console.tokens.signed_in(visit.org, now)
    tokens = [ShownToken.of(token, now, people.get(token.id, 0), reader) for token in found[:_PAGE]]
    asked = next((token for token in tokens if revoke and token.id == str(revoke)), None)
    if revoke and asked is None:
        raise Problem(404, ProblemCode.NOT_FOUND, "The org has no such token; it may be revoked already.")
    return await visit.page(
        "tokens.html",
        status=status,
        tokens=tokens,
        names=await visit.names(*(token.created_by for token in tokens)),
        asked=asked,
        roles=[(role.value, *words) for role, words in ROLES.items()],
        lives=LIVES,
        text=text,
        made=made,
        refused=refused,
        typed=typed,
        cursor=str(cursor or ""),
        next_cursor=tokens[-1].id if len(found) > _PAGE else "",
        command_id=str(uuid4()),
    )
