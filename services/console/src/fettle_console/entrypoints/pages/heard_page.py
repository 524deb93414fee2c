"""The heartbeats of a subject in the hour before an instant."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fettle_console.entrypoints.pages.visits import TheVisit
from fettle_console.entrypoints.pages.why_page import asked_of_an_instant
from fettle_console.views.heard import ticks

router = APIRouter()


@router.get("/orgs/{org}/heard")
async def heard_page(request: Request, visit: TheVisit) -> Response:
    """Ticks on an axis. The health monitor reads them from the log, which may take some seconds."""
    subject, found, refused = await asked_of_an_instant(request, visit, visit.client.list_heartbeats)
    return await visit.page(
        "heard.html",
        status=refused.status if refused else 200,
        subject=subject,
        heard=ticks(found) if found else None,
        refused=refused.message if refused else None,
    )
