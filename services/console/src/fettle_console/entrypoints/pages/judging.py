"""Whether what pages show of health is the present: up to when heartbeats have been judged."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from fettle_chassis.http import Problem
from fettle_console.domain.routing import Owner
from fettle_console.entrypoints.pages.rendering import page
from fettle_console.entrypoints.pages.visits import TheVisit
from fettle_contracts.times import parse_time

router = APIRouter()

LATE = timedelta(seconds=30)


def late_since(found: Mapping[str, Any], now: datetime) -> datetime | None:
    """The `as_of` of an answer about health, if judging is late by more than half a minute."""
    as_of = parse_time(found["as_of"]) if found.get("as_of") else None
    return as_of if as_of is not None and now - as_of > LATE else None


@router.get("/orgs/{org}/judging")
async def judging(visit: TheVisit) -> Response:
    """What every page says at its foot while judging is late, and nothing otherwise. Nothing is said while the health
    monitor does not answer: its own pages say that."""
    try:
        found = await visit.client.get(Owner.HEALTH, "/health-policy")
    except Problem:
        found = {}
    return page("_judging.html", {"late_since": late_since(found, visit.console.now()), "zone": visit.session.zone})
