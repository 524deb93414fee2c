"""What people do to one ticket on its page: the update box, the description, the links."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response

from fettle_chassis.http import Problem
from fettle_client import AsyncFettle
from fettle_client.shapes.people import Link
from fettle_console.adapters.org_client import ServiceRefused
from fettle_console.entrypoints.pages.ticket_page import BESIDE, Shown, shown_ticket
from fettle_console.entrypoints.pages.visits import CommandId, TheOperator, Visit
from fettle_console.views.address import query_of
from fettle_contracts.problems import ProblemCode

router = APIRouter()

_DEEDS: Mapping[str, Callable[..., Awaitable[object]]] = {
    "comment": AsyncFettle.comment_on_ticket,
    "start": AsyncFettle.start_ticket,
    "move-to-open": AsyncFettle.move_ticket_to_open,
    "resolve": AsyncFettle.resolve_ticket,
    "reopen": AsyncFettle.reopen_ticket,
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
    beside = edit if edit in BESIDE else ""
    try:
        await _DEEDS[action](visit.client, number, comment=text or None, key=command_id)
    except ServiceRefused as refused:
        again = Shown(refused=refused.message, typed=comment, beside=beside)
        return await shown_ticket(visit, number, again, refused.status)
    return _back(visit, number, beside)


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
    try:
        await visit.client.edit_description(number, text, description_version=version, key=command_id)
    except ServiceRefused as refused:
        again = Shown(refused=refused.message, panel="description", draft=text)
        return await shown_ticket(visit, number, again, refused.status)
    return _back(visit, number)


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
    links = [Link(label=name.strip() or at.strip(), url=at.strip()) for name, at in pairs if at.strip()]
    try:
        await visit.client.set_links(number, links, description_version=version, key=command_id)
    except ServiceRefused as refused:
        again = Shown(refused=refused.message, panel="links", draft_links=links)
        return await shown_ticket(visit, number, again, refused.status)
    return _back(visit, number)


def _back(visit: Visit, number: int, edit: str = "") -> Response:
    return RedirectResponse(f"/orgs/{visit.org}/tickets/{number}{query_of(edit=edit)}", 303)
