"""The org itself: what it is called, taking its tickets along, and deleting it for good."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from fettle_console.domain.routing import Owner
from fettle_console.entrypoints.front import passed_on
from fettle_console.entrypoints.org_api import OrgChange, changed
from fettle_console.entrypoints.pages.visits import TheAdmin, Visit
from fettle_contracts.message import faults

router = APIRouter()

_EXPORT = "/tickets/export?format=jsonl&timeline=true"


@router.get("/orgs/{org}/settings")
async def org_page(visit: TheAdmin) -> Response:
    """Its name, and how it ends."""
    return await _shown(visit)


@router.post("/orgs/{org}/settings")
async def change(
    visit: TheAdmin, name: Annotated[str, Form()] = "", zone: Annotated[str | None, Form()] = None
) -> Response:
    """Gives the org another name, and the zone of its times; its id stays, and so does what is as it was."""
    said: dict[str, str | None] = {}
    if name.strip() != visit.session.org_name:
        said["name"] = name.strip()
    if zone is not None and (zone.strip() or None) != visit.session.zone:
        said["zone"] = zone.strip() or None
    if not said:
        return RedirectResponse(f"/orgs/{quote(visit.org)}/settings", 303)
    try:
        new = OrgChange.model_validate(said)
    except ValidationError as error:
        refused = "; ".join(str(fault) for fault in faults(error))
        return await _shown(visit, refused=refused, typed=(name, zone or ""), status=400)
    async with visit.recorded("PUT", "/") as heard:
        await changed(visit.org, new, visit.console)
        heard.status, heard.about = 200, new.words()
    return RedirectResponse(f"/orgs/{quote(visit.org)}/settings", 303)


@router.get("/orgs/{org}/export.jsonl")
async def export(visit: TheAdmin) -> Response:
    """All tickets with their timelines as a file, one a line, as the API exports them."""
    path = f"/api/v1/orgs/{quote(visit.org)}{_EXPORT}"
    answer = await passed_on(visit.console.services.call(Owner.TICKETS, visit.session.caller, "GET", path))
    answer.headers["content-disposition"] = f'attachment; filename="{visit.org}-tickets.jsonl"'
    return answer


@router.post("/orgs/{org}/settings/delete")
async def delete(visit: TheAdmin, confirm: Annotated[str, Form()] = "") -> Response:
    """Deletes the org when its id is repeated. Everybody is signed out by it, who did it too."""
    if confirm.strip() != visit.org:
        refused = f"Nothing was deleted: that is not {visit.org}."
        return await _shown(visit, not_deleted=refused, status=409)
    async with visit.recorded("DELETE", "/") as heard:
        heard.status = 204 if await visit.console.orgs.delete(visit.org, visit.console.now()) else 404
    visit.console.tokens.forget(visit.org)
    return RedirectResponse("/sign-in", 303)


async def _shown(
    visit: Visit, *, refused: str = "", typed: tuple[str, str] | None = None, not_deleted: str = "", status: int = 200
) -> Response:
    here = await visit.console.orgs.get(visit.org)
    counts = await visit.counts()
    return await visit.page(
        "org.html",
        status=status,
        created_at=here.created_at if here else None,
        typed=typed or (visit.session.org_name, visit.session.zone or ""),
        tickets=sum(counts.values()) if counts else None,
        refused=refused,
        not_deleted=not_deleted,
    )
