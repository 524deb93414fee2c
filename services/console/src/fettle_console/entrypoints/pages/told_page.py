"""Who was told of a ticket: the runs that its events started, and the messages that they sent."""

import asyncio
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.responses import Response

from fettle_console.domain.routing import Owner
from fettle_console.entrypoints.pages.ticket_page import timeline_of
from fettle_console.entrypoints.pages.visits import TheVisit, Visit
from fettle_console.views.runs import RunOfTicket
from fettle_contracts.ticket_events import TRIGGERS

router = APIRouter()

_EVENTS = 50
"""The latest of a ticket's events whose runs are looked for: as many as one request may ask about."""

_SHOWN = 10
"""Runs that are shown with their messages."""


@router.get("/orgs/{org}/tickets/{number}/told")
async def told_page(number: int, visit: TheVisit) -> Response:
    """The latest runs, the newest first, with every message that they sent or tried to send."""
    entries = await timeline_of(visit, number)
    events = [entry["id"] for entry in entries if entry["type"] in TRIGGERS][-_EVENTS:]
    query = urlencode([*(("event", event) for event in events), ("limit", str(_SHOWN))])
    found = await visit.client.get(Owner.WORKFLOWS, f"/runs?{query}")
    runs = await asyncio.gather(*(_whole(visit, run["id"]) for run in found["items"]))
    return await visit.page(
        "told.html",
        number=number,
        runs=[RunOfTicket.of(run) for run in runs if run],
        more=bool(found.get("next_cursor")),
    )


async def _whole(visit: Visit, id: str) -> dict[str, Any]:
    """The run with its nodes; nothing when it went meanwhile."""
    answer = await visit.client.send(Owner.WORKFLOWS, "GET", f"/runs/{id}")
    return dict(answer.body) if answer.ok else {}
