"""All silences of an org: those that hold, those to come, and what is over."""

from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fettle_console.entrypoints.pages.judging import late_since
from fettle_console.entrypoints.pages.visits import TheVisit
from fettle_console.views.address import query_of
from fettle_console.views.silence_list import TABS, ListedSilence

router = APIRouter()

_PAGE = 50


@router.get("/orgs/{org}/health/silences")
async def silence_list(request: Request, visit: TheVisit) -> Response:
    """A page of one state, a selection as one row; or with `selection` all that were made with it, one by one."""
    said = {name: request.query_params.get(name, "").strip() for name in ("state", "selection", "cursor")}
    selection = said["selection"]
    state = said["state"] if said["state"] in dict(TABS) else "" if selection else "active"
    asked: dict[str, Any] = {"selection": selection} if selection else {"together": True}
    if state:
        asked["state"] = [state]
    found = await visit.client.list_silences(**asked, cursor=said["cursor"] or None, limit=_PAGE).page()
    here = f"/orgs/{visit.org}/health/silences{query_of(**{**said, 'state': said['state'] and state})}"
    return await visit.page(
        "silences.html",
        late_since=late_since(found, visit.console.now()),
        silences=[ListedSilence.of(visit.org, item, alone=bool(selection)) for item in found["items"]],
        names=await visit.names(*(item["made_by"] for item in found["items"])),
        next_cursor=found.get("next_cursor"),
        tabs=TABS,
        state=state,
        selection=selection,
        cursor=said["cursor"],
        here=here,
        command_id=str(uuid4()),
    )
