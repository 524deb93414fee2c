"""The whole fleet at a glance: now, over the last day, by integration, and what changed in the last hour."""

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from fettle_console.adapters.org_client import unless_away
from fettle_console.entrypoints.pages.judging import late_since
from fettle_console.entrypoints.pages.visits import TheVisit, Visit
from fettle_console.views import overview as views
from fettle_contracts.ticket import Ticket

router = APIRouter()

_STORMS = (
    "multiple_devices_offline",
    "heartbeats_lost",
    "integration_unreachable",
    "integration_credentials_invalid",
)
"""Kinds of tickets that are about many."""

_TICKETS = 50
_TOLD = 12
_TILES = 48
_AT_ONCE = 10_000
"""With more subjects than this, counting what they did in a day takes longer than anybody should wait for a page."""


@router.get("/orgs/{org}/health/overview")
async def overview_page(visit: TheVisit, day: bool = False) -> Response:
    """The page; of a large fleet its day and its last hour come with `day` only, for which the page then asks. Storms
    are left out while the ticket service is away."""
    found, *storms = await asyncio.gather(_fleet(visit, day=day), *(_storms(visit, kind) for kind in _STORMS))
    tickets = [ticket for few in storms for ticket in few]
    now = visit.console.now()
    tiles = views.tiles(visit.org, found, tickets)
    told = views.told(visit.org, found)
    return await visit.page(
        "overview.html",
        late_since=late_since(found, now),
        found=found,
        sentence=views.sentence(found, now),
        counts_by_state=views.counts(found),
        picture=views.picture(found, now, tickets),
        tiles=tiles[:_TILES],
        more_tiles=max(0, len(tiles) - _TILES) + found["more_integrations"],
        told=told[:_TOLD],
        more_told=max(0, len(told) - _TOLD),
    )


async def _fleet(visit: Visit, *, day: bool) -> Mapping[str, Any]:
    if not day:
        found: Mapping[str, Any] = await visit.client.show_overview(day=False)
        if sum(found["states"].values()) > _AT_ONCE:
            return found
    return await visit.client.show_overview()


async def _storms(visit: Visit, kind: str) -> list[Ticket]:
    """The latest of the kind, resolved ones too; what has not changed for longer than a day is still there if it is one
    of the few."""
    found = await unless_away(visit.client.list_tickets(kind=kind, state="all", sort="-updated", limit=_TICKETS).page())
    return [Ticket.model_validate(item) for item in found["items"]] if found else []
