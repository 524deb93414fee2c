"""The members of a ticket's checklist: a ticket's page shows the first hundred, this one all of them."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from fettle_console.domain.routing import Owner
from fettle_console.entrypoints.pages.visits import TheVisit
from fettle_console.views.rollups import progress
from fettle_contracts.ticket import Checklist

router = APIRouter()

_PAGE = 200


@router.get("/orgs/{org}/tickets/{number}/checklist")
async def checklist_page(number: int, visit: TheVisit, cursor: Annotated[str, Query(max_length=500)] = "") -> Response:
    """Two hundred members in the order of joining, from behind the cursor on."""
    query = visit.client.query(limit=str(_PAGE), cursor=cursor)
    found = await visit.client.get(Owner.TICKETS, f"/tickets/{number}/checklist{query}")
    checklist = Checklist.model_validate(found)
    return await visit.page(
        "checklist.html",
        number=number,
        members=checklist.items,
        progress=progress(checklist),
        cursor=cursor,
        next_cursor=found.get("next_cursor"),
    )
