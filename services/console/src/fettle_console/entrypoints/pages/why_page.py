"""Why there is or is not a ticket about a subject at an instant."""

import re
from datetime import UTC, datetime, tzinfo

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fettle_chassis.http import Problem
from fettle_console.adapters.org_client import Answer
from fettle_console.domain.routing import Owner
from fettle_console.entrypoints.pages.visits import TheVisit, Visit
from fettle_console.views.why import Why

router = APIRouter()

_WITHOUT_ZONE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?")


@router.get("/orgs/{org}/why")
async def why_page(request: Request, visit: TheVisit) -> Response:
    """The answer of the health monitor; it judges the subject again, so this may take some seconds."""
    subject, answer = await asked_of_an_instant(request, visit, "/why")
    return await visit.page(
        "why.html",
        status=answer.status,
        subject=subject,
        why=Why.of(answer.body) if answer.ok else None,
        refused=None if answer.ok else answer.refusal,
    )


async def asked_of_an_instant(request: Request, visit: Visit, path: str) -> tuple[str, Answer]:
    """The `subject` of the address, and what the health monitor answers about it `at` the instant there. Does not raise
    when that is away: the page says so and is there all the same, as it also stands inside others."""
    said = {name: request.query_params.get(name, "").strip() for name in ("subject", "at")}
    if _WITHOUT_ZONE.fullmatch(said["at"]):  # as a field for a time sends it
        said["at"] = _instant(said["at"], visit.zone)
    try:
        answer = await visit.client.send(Owner.HEALTH, "GET", f"{path}{visit.client.query(**said)}")
    except Problem as away:
        answer = Answer(away.status, {"detail": away.message})
    return said["subject"], answer


def _instant(local: str, zone: tzinfo) -> str:
    """What the clock of the zone showed; what no clock shows goes on, to be refused."""
    try:
        at = datetime.fromisoformat(local).replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return f"{local}Z"
    return at.isoformat().replace("+00:00", "Z")
