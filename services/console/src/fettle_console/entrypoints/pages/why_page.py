"""Why there is or is not a ticket about a subject at an instant."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, tzinfo
from typing import TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fettle_chassis.http import Problem
from fettle_console.entrypoints.pages.visits import TheVisit, Visit
from fettle_console.views.why import Why

router = APIRouter()

Found = TypeVar("Found")

_WITHOUT_ZONE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?")


@router.get("/orgs/{org}/why")
async def why_page(request: Request, visit: TheVisit) -> Response:
    """The answer of the health monitor; it judges the subject again, so this may take some seconds."""
    subject, found, refused = await asked_of_an_instant(request, visit, visit.client.explain)
    return await visit.page(
        "why.html",
        status=refused.status if refused else 200,
        subject=subject,
        why=Why.of(found) if found else None,
        refused=refused.message if refused else None,
    )


async def asked_of_an_instant(
    request: Request, visit: Visit, ask: Callable[..., Awaitable[Found]]
) -> tuple[str, Found | None, Problem | None]:
    """The `subject` of the address, and what the health monitor answers about it `at` the instant there, or why not.
    Does not raise when that is away: the page says so and is there all the same, as it also stands inside others."""
    said = {name: request.query_params.get(name, "").strip() for name in ("subject", "at")}
    if _WITHOUT_ZONE.fullmatch(said["at"]):  # as a field for a time sends it
        said["at"] = _instant(said["at"], visit.zone)
    try:
        return said["subject"], await ask(said["subject"] or None, at=said["at"] or None), None
    except Problem as refused:
        return said["subject"], None, refused


def _instant(local: str, zone: tzinfo) -> str:
    """What the clock of the zone showed; what no clock shows goes on, to be refused."""
    try:
        at = datetime.fromisoformat(local).replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return f"{local}Z"
    return at.isoformat().replace("+00:00", "Z")
