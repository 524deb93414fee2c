"""Who was told of a ticket: the runs that its events started, and the messages that they sent."""

import asyncio

from fastapi import APIRouter
from fastapi.responses import Response

from fettle_console.adapters.org_client import unless_refused
from fettle_console.entrypoints.pages.timeline_page import newest
from fettle_console.entrypoints.pages.visits import TheVisit, Visit
from fettle_console.views.runs import RunOfTicket
from fettle_contracts.ticket_events import TRIGGERS

router = APIRouter()

_EVENTS = 50
"""The latest of a ticket's events whose runs are looked for: as many as one request may ask about."""

_PAGE, _PAGES = 100, 10

_SHOWN = 10
"""Runs that are shown with their messages."""


@router.get("/orgs/{org}/tickets/{number}/told")
async def told_page(number: int, visit: TheVisit) -> Response:
    """The latest runs, the newest first, with every message that they sent or tried to send."""
    events = await _events(visit, number)
    found = await visit.client.list_runs(event=events, limit=_SHOWN).page() if events else None
    listed = found["items"] if found else ()
    runs = await asyncio.gather(*(unless_refused(visit.client.get_run(run["id"])) for run in listed))
    return await visit.page(
        "told.html",
        number=number,
        runs=[RunOfTicket.of(run) for run in runs if run],
        more=bool(found and found["next_cursor"]),
    )


async def _events(visit: Visit, number: int) -> list[str]:
    """Among a ticket's latest thousand entries those that can have started a run, the newest first."""
    events: list[str] = []
    cursor = ""
    for _ in range(_PAGES):
        stretch = await newest(visit, number, _PAGE, cursor)
        events += [entry["id"] for entry in reversed(stretch.entries) if entry["type"] in TRIGGERS]
        cursor = stretch.earlier
        if len(events) >= _EVENTS or not cursor:
            break
    return events[:_EVENTS]
