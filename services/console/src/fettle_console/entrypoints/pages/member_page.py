"""The people of the org: who signs in with which role, given and taken."""

from typing import Annotated
from urllib.parse import quote
from uuid import uuid4

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from fettle_chassis.http import Problem
from fettle_chassis.tokens import Role
from fettle_console.domain.members import GivenBy
from fettle_console.entrypoints.member_api import NewRole, given
from fettle_console.entrypoints.pages.visits import CommandId, TheAdmin, Visit
from fettle_console.views.tokens import ROLES
from fettle_contracts.message import faults

router = APIRouter()

_PAGE = 50
_OUT = "none"


@router.get("/orgs/{org}/members")
async def member_page(visit: TheAdmin, cursor: str = "") -> Response:
    """Members by person, and a form that gives somebody a role."""
    return await _shown(visit, cursor=cursor)


@router.post("/orgs/{org}/members")
async def give(
    visit: TheAdmin, command_id: CommandId, person: Annotated[str, Form()], role: Annotated[str, Form()]
) -> Response:
    """Gives a person a role, or takes them out of the org. Who takes the own role away sees what is left to them."""
    try:
        new = NewRole.model_validate({"person": person, "role": None if role == _OUT else role})
    except ValidationError as error:
        return await _shown(visit, refused="; ".join(str(fault) for fault in faults(error)), typed=person, status=400)
    try:
        async with visit.recorded("PUT", "/members", command_id) as heard:
            answer = await given(visit.org, new, visit.session.caller.actor_id, visit.console, command_id, heard)
            heard.status = answer.status
    except Problem as problem:
        if problem.status not in (404, 409):
            raise
        return await _shown(visit, refused=problem.message, typed=person, status=problem.status)
    return RedirectResponse(f"/orgs/{quote(visit.org)}/members", 303)


async def _shown(visit: Visit, *, cursor: str = "", refused: str = "", typed: str = "", status: int = 200) -> Response:
    found = await visit.console.members.page(visit.org, cursor, _PAGE + 1)
    members = found[:_PAGE]
    return await visit.page(
        "members.html",
        status=status,
        members=[(member, member.given_by is GivenBy.PROVIDER) for member in members],
        names=await visit.names(*(member.added_by for member in members)),
        roles=[(role.value, *words) for role, words in ROLES.items() if role is not Role.INGEST],
        role_words=ROLES,
        out=_OUT,
        provider=visit.console.provider is not None,
        refused=refused,
        typed=typed,
        next_cursor=members[-1].person if len(found) > _PAGE else "",
        command_id=str(uuid4()),
    )
