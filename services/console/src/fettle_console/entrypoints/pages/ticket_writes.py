"""What people do to one ticket on its page: the update box, the description, the links."""

from typing import Annotated, Any

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response

from fettle_chassis.http import Problem
from fettle_console.adapters.org_client import Answer
from fettle_console.domain.routing import Owner
from fettle_console.entrypoints.pages.ticket_page import BESIDE, Shown, shown_ticket
from fettle_console.entrypoints.pages.visits import CommandId, TheOperator, Visit
from fettle_contracts.problems import ProblemCode

router = APIRouter()

_DEEDS = {
    "comment": "comments",
    "start": "start",
    "move-to-open": "move-to-open",
    "resolve": "resolve",
    "reopen": "reopen",
}


@router.post("/orgs/{org}/tickets/{number}/update")
async def update(
    number: int,
    visit: TheOperator,
    command_id: CommandId,
    action: Annotated[str, Form()] = "comment",
    comment: Annotated[str, Form()] = "",
    edit: Annotated[str, Form()] = "",
) -> Response:
    """The update box: a comment, a change of state, or both at once. What is being edited (`edit`) stays open."""
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
    beside = edit if edit in BESIDE else ""
    if answer.ok:
        return _back(visit, number, beside)
    again = Shown(refused=answer.refusal, typed=comment, beside=beside)
    return await shown_ticket(visit, number, again, answer.status)


@router.post("/orgs/{org}/tickets/{number}/description")
async def edit_description(
    number: int,
    visit: TheOperator,
    command_id: CommandId,
    version: Annotated[int, Form()],
    description: Annotated[str, Form()] = "",
) -> Response:
    """Saves the description if it is still the one that was shown; otherwise shows both texts."""
    text = description.replace("\r\n", "\n")
    answer = await _replace(visit, number, "description", text, command_id, version)
    if answer.ok:
        return _back(visit, number)
    again = Shown(refused=answer.refusal, panel="description", draft=text)
    return await shown_ticket(visit, number, again, answer.status)


@router.post("/orgs/{org}/tickets/{number}/links")
async def edit_links(
    number: int,
    visit: TheOperator,
    command_id: CommandId,
    version: Annotated[int, Form()],
    label: Annotated[list[str] | None, Form()] = None,
    url: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Saves all links, those without an address left out, if they are still the ones that were shown."""
    pairs = zip(label or [], url or [], strict=False)
    links = [{"label": name.strip() or at.strip(), "url": at.strip()} for name, at in pairs if at.strip()]
    answer = await _replace(visit, number, "links", links, command_id, version)
    if answer.ok:
        return _back(visit, number)
    again = Shown(refused=answer.refusal, panel="links", draft_links=links)
    return await shown_ticket(visit, number, again, answer.status)


def _back(visit: Visit, number: int, edit: str = "") -> Response:
    return RedirectResponse(f"/orgs/{visit.org}/tickets/{number}{visit.client.query(edit=edit)}", 303)


async def _replace(visit: Visit, number: int, part: str, wanted: Any, command_id: str, version: int) -> Answer:
    """Puts what is wanted in the place of a part of the ticket that is still as it was shown at `version`."""
    headers = {"idempotency-key": command_id, "if-match": f'"{version}"'}
    return await visit.client.send(Owner.TICKETS, "PUT", f"/tickets/{number}/{part}", {part: wanted}, headers)
