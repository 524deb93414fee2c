"""The members of a ticket's checklist: a ticket's page shows the first hundred, this one all of them."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from fettle_console.entrypoints.pages.visits import TheVisit
from fettle_console.views.rollups import progress
from fettle_contracts.ticket import Checklist

router = APIRouter()

_PAGE = 200


@router.get("/orgs/{org}/tickets/{number}/checklist")
async def checklist_page(number: int, visit: TheVisit, cursor: Annotated[str, Query(max_length=500)] = "") -> Response:
    """Two hundred members in the order of joining, from behind the cursor on."""
    found = await visit.client.list_checklist(number, limit=_PAGE, cursor=cursor or None).page()
    checklist = Checklist.model_validate(found)
    return await visit.page(
        "checklist.html",
        number=number,
        members=checklist.items,
        progress=progress(checklist),
        cursor=cursor,
        next_cursor=found.get("next_cursor"),
    )
