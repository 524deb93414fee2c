"""One ticket: what it says, its timeline, and what can be done with it now."""

from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from fettle_chassis.http import Problem
from fettle_chassis.tokens import Role
from fettle_console.adapters.org_client import Answer
from fettle_console.domain.routing import Owner
from fettle_console.entrypoints.pages.visits import TheVisit, Visit
from fettle_console.views.rollups import progress
from fettle_console.views.tickets import ACTIONS, answer_first, line
from fettle_contracts.problems import ProblemCode
from fettle_contracts.ticket import Ticket

router = APIRouter()

_PAGE = 200
_LONGEST = 1000
_DEEDS = {
    "comment": "comments",
    "start": "start",
    "move-to-open": "move-to-open",
    "resolve": "resolve",
    "reopen": "reopen",
}

CommandId = Annotated[str, Form(max_length=100)]
"""Drawn with the page, so that a form sent twice is one command."""


@router.get("/orgs/{org}/tickets/{number}")
async def ticket_page(number: int, request: Request, visit: TheVisit) -> Response:
    return await _page(visit, number, editing=request.query_params.get("edit") == "description")


@router.post("/orgs/{org}/tickets/{number}/update")
async def update(
    number: int,
    visit: TheVisit,
    command_id: CommandId,
    action: Annotated[str, Form()] = "comment",
    comment: Annotated[str, Form()] = "",
) -> Response:
    """The update box: a comment, a change of state, or both at once."""
    visit.must(Role.OPERATOR)
    if action not in _DEEDS:
        raise Problem(400, ProblemCode.MALFORMED, "There is no such action.", field="action")
    text = comment.replace("\r\n", "\n").strip()
    answer = await visit.client.send(
        Owner.TICKETS,
        "POST",
        f"/tickets/{number}/{_DEEDS[action]}",
        {"comment": text} if text else {},
        {"idempotency-key": command_id},
    )
    if answer.ok:
        return _back(visit, number)
    return await _page(visit, number, answer.status, refused=_said(answer), typed=comment)


@router.post("/orgs/{org}/tickets/{number}/description")
async def edit_description(
    number: int,
    visit: TheVisit,
    command_id: CommandId,
    version: Annotated[int, Form()],
    description: Annotated[str, Form()] = "",
) -> Response:
    """Saves the description if it is still the one that was shown; otherwise shows both texts."""
    visit.must(Role.OPERATOR)
    text = description.replace("\r\n", "\n")
    answer = await visit.client.send(
        Owner.TICKETS,
        "PUT",
        f"/tickets/{number}/description",
        {"description": text},
        {"idempotency-key": command_id, "if-match": f'"{version}"'},
    )
    if answer.ok:
        return _back(visit, number)
    return await _page(visit, number, answer.status, refused=_said(answer), editing=True, draft=text)


async def _page(
    visit: Visit,
    number: int,
    status: int = 200,
    *,
    refused: str | None = None,
    typed: str = "",
    editing: bool = False,
    draft: str | None = None,
) -> Response:
    found = await visit.client.get(Owner.TICKETS, f"/tickets/{number}")
    ticket = Ticket.model_validate(found)
    entries = [line(item, ticket) for item in await _timeline(visit, number)]
    return await visit.page(
        "ticket.html",
        status=status,
        ticket=ticket,
        progress=progress(ticket.checklist),
        children=found.get("children", []),
        more_children=found.get("more_children", False),
        entries=entries,
        sentence=answer_first(ticket, entries, visit.console.now()),
        actions=ACTIONS[ticket.state],
        command_id=str(uuid4()),
        refused=refused,
        typed=typed,
        editing=editing and visit.may(Role.OPERATOR),
        draft=draft,
    )


async def _timeline(visit: Visit, number: int) -> list[dict[str, Any]]:
    """All entries in order; of a very long story the last ones."""
    items: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = await visit.client.get(Owner.TICKETS, f"/tickets/{number}/timeline?limit={_PAGE}{cursor}")
        items.extend(page["items"])
        if not page.get("next_cursor"):
            return items[-_LONGEST:]
        cursor = f"&cursor={page['next_cursor']}"


def _back(visit: Visit, number: int) -> Response:
    return RedirectResponse(f"/orgs/{visit.org}/tickets/{number}", 303)


def _said(answer: Answer) -> str:
    return str(answer.body.get("detail") or "The ticket service refused this without a reason.")
