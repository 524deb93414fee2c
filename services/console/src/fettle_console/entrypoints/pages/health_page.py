"""The org's subjects and how they are."""

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from fettle_console.entrypoints.pages.judging import late_since
from fettle_console.entrypoints.pages.rendering import page
from fettle_console.entrypoints.pages.visits import TheVisit
from fettle_console.views.address import query_of
from fettle_console.views.health_query import SORTS, STATES, TYPES, HealthQuery
from fettle_console.views.subjects import Watched

router = APIRouter()

_PAGE = 100


@router.get("/orgs/{org}/health")
async def health_page(request: Request, visit: TheVisit) -> Response:
    """Subjects with state, since when, and where. The address says all, in one way, as that of the tickets does."""
    query = HealthQuery.read(request.query_params)
    address = f"/orgs/{visit.org}/health{query.address()}"
    by_script = "hx-request" in request.headers
    if not by_script and request.url.query != query.address().removeprefix("?"):
        return RedirectResponse(address, 303)
    found = await visit.client.list_subjects(**query.for_service(_PAGE)).page()
    answer = await visit.page(
        "health.html",
        subjects=[Watched.of(item) for item in found["items"]],
        next_cursor=found.get("next_cursor"),
        late_since=late_since(found, visit.console.now()),
        query=query,
        silence=f"/orgs/{visit.org}/new-silence{query_of(**query.selection)}" if query.selection else None,
        states=STATES,
        types=TYPES,
        sorts=SORTS,
    )
    if by_script:
        answer.headers["hx-replace-url"] = address
    return answer


@router.get("/orgs/{org}/health/last-heard")
async def last_heard(request: Request, visit: TheVisit) -> Response:
    """When the subjects on the page of the same address were last heard. The page's script asks for it behind the page,
    as it is asked of who owns their shards, which may take a moment."""
    query = HealthQuery.read(request.query_params)
    found = await visit.client.list_subjects(**query.for_service(_PAGE), heard=True).page()
    return page(
        "last_heard.html", {"subjects": [Watched.of(item) for item in found["items"]], "zone": visit.session.zone}
    )
