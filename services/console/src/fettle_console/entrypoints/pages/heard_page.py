"""The heartbeats of a subject in the hour before an instant."""

import re

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fettle_chassis.http import Problem
from fettle_console.adapters.org_client import Answer
from fettle_console.domain.routing import Owner
from fettle_console.entrypoints.pages.visits import TheVisit
from fettle_console.views.heard import ticks

router = APIRouter()

_WITHOUT_ZONE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?")


@router.get("/orgs/{org}/heard")
async def heard_page(request: Request, visit: TheVisit) -> Response:
    """Ticks on an axis. The health monitor reads them from the log, which may take some seconds; what cannot be read is
    said here, as it also stands inside the subject's page."""
    said = {name: request.query_params.get(name, "").strip() for name in ("subject", "at")}
    if _WITHOUT_ZONE.fullmatch(said["at"]):  # as a field for a time sends it
        said["at"] += "Z"
    try:
        answer = await visit.client.send(Owner.HEALTH, "GET", f"/heard{visit.client.query(**said)}")
    except Problem as away:
        answer = Answer(away.status, {"detail": away.message})
    return await visit.page(
        "heard.html",
        status=answer.status,
        subject=said["subject"],
        heard=ticks(answer.body) if answer.ok else None,
        refused=None if answer.ok else answer.refusal,
    )
