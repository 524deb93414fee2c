"""One subject: how it is, its last 24 hours as a picture, and why at any instant of them."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fettle_chassis.http import Problem
from fettle_console.domain.routing import Owner
from fettle_console.entrypoints.pages.judging import late_since
from fettle_console.entrypoints.pages.silences import makers, silencing_of
from fettle_console.entrypoints.pages.visits import TheVisit, Visit
from fettle_console.views.day import Window, picture
from fettle_console.views.subjects import Changed, Watched, subject_sentence
from fettle_contracts.ticket import Ticket
from fettle_contracts.times import parse_time

router = APIRouter()

_PAGE = 200
_PAGES = 5
"""A subject that flaps all day has some hundreds of transitions; of more the picture shows the latest."""

_LISTED = 20


@router.get("/orgs/{org}/health/{type}/{id:path}")
async def subject_page(type: str, id: str, request: Request, visit: TheVisit) -> Response:
    """The page; the picture ends where judging stands, and what the ticket service would add is left out while it is
    away."""
    subject = f"{type}/{id}"
    detail = await visit.client.get(Owner.HEALTH, f"/subjects/{quote(type, safe='')}/{quote(id)}")
    now = visit.console.now()
    as_of = parse_time(detail["as_of"]) if detail.get("as_of") else None
    window = Window(as_of or now)
    transitions, tickets, silencing = await asyncio.gather(
        _transitions(visit, subject, window),
        _tickets(visit, subject),
        silencing_of(visit, subject),
    )
    names = await visit.names(*makers(silencing), *(held["made_by"] for held in detail.get("silenced", ())))
    return await visit.page(
        "subject.html",
        subject=Watched.of(detail),
        watched=subject,
        detail=detail,
        sentence=subject_sentence(detail, now),
        last_heard=parse_time(detail["last_heard"]) if detail.get("last_heard") else None,
        late_since=late_since(detail, now),
        day=picture(window, detail, transitions, tickets, names),
        changes=[Changed.of(transition) for transition in transitions[:_LISTED]],
        more=len(transitions) > _LISTED,
        tickets=tickets,
        silencing=silencing,
        names=names,
        panel=request.query_params.get("edit", ""),
        command_id=str(uuid4()),
    )


async def _transitions(visit: Visit, subject: str, window: Window) -> list[Mapping[str, Any]]:
    """Those of the window, the newest first, and the first one before it: it says how the window began."""
    found: list[Mapping[str, Any]] = []
    cursor = ""
    for _ in range(_PAGES):
        query = visit.client.query(subject=subject, limit=str(_PAGE), cursor=cursor)
        page = await visit.client.get(Owner.HEALTH, f"/transitions{query}")
        for transition in page["items"]:
            found.append(transition)
            if parse_time(transition["at"]) <= window.start:
                return found
        cursor = page.get("next_cursor") or ""
        if not cursor:
            break
    return found


async def _tickets(visit: Visit, subject: str) -> list[Ticket]:
    query = visit.client.query(subject=subject, state="all", limit=str(_LISTED))
    try:
        found = await visit.client.get(Owner.TICKETS, f"/tickets{query}")
    except Problem:
        return []
    return [Ticket.model_validate(item) for item in found["items"]]
