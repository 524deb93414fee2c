"""Why there is or is not a ticket about a subject at an instant."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fettle_console.domain.routing import Owner
from fettle_console.entrypoints.pages.visits import TheVisit
from fettle_console.views.why import Why

router = APIRouter()


@router.get("/orgs/{org}/why")
async def why_page(request: Request, visit: TheVisit) -> Response:
    """The answer of the health monitor; it judges the subject again, so this may take some seconds. What it cannot say
    it says why: the page is there all the same, as it also stands inside others."""
    said = {name: request.query_params.get(name, "").strip() for name in ("subject", "at")}
    answer = await visit.client.send(Owner.HEALTH, "GET", f"/why{visit.client.query(**said)}")
    return await visit.page(
        "why.html",
        status=answer.status,
        subject=said["subject"],
        why=Why.of(answer.body) if answer.ok else None,
        refused=None if answer.ok else str(answer.body.get("detail") or "The health monitor does not say."),
    )
