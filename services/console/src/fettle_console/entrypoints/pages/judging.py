"""Whether what pages show of health is the present: up to when heartbeats have been judged."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from fettle_console.adapters.org_client import unless_away
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
    policy = await unless_away(visit.client.get_health_policy())
    late = late_since(policy, visit.console.now()) if policy else None
    return page("_judging.html", {"late_since": late, "zone": visit.session.zone})
