"""The org's subjects and how they are."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fettle_console.domain.routing import Owner
from fettle_console.entrypoints.pages.visits import TheVisit
from fettle_console.views.subjects import Watched
from fettle_console.views.words import HEALTH
from fettle_contracts.times import parse_time

router = APIRouter()

_LATE = timedelta(seconds=30)
_PAGE = 100


@router.get("/orgs/{org}/health")
async def health_page(request: Request, visit: TheVisit) -> Response:
    """Subjects with state, since when, and where; filtered as the address says."""
    said = {name: request.query_params.get(name, "").strip() for name in ("state", "q", "cursor")}
    state = said["state"] if said["state"] in {str(known) for known in HEALTH} else ""
    asked = {"limit": str(_PAGE), "state": state, "q": said["q"], "cursor": said["cursor"]}
    query = urlencode({name: value for name, value in asked.items() if value})
    found = await visit.client.get(Owner.HEALTH, f"/subjects?{query}")
    as_of = parse_time(found["as_of"]) if found.get("as_of") else None
    late = as_of is not None and datetime.now(UTC) - as_of > _LATE
    return await visit.page(
        "health.html",
        subjects=[Watched.of(item) for item in found["items"]],
        next_cursor=found.get("next_cursor"),
        judged_as_of=as_of,
        late=late,
        state=state,
        q=said["q"],
        states=[(str(known), words) for known, words in HEALTH.items()],
    )
