"""One subject: how it is, its last 24 hours as a picture, and why at any instant of them."""

import asyncio
from uuid import uuid4

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fettle_client.shapes.health import Transition
from fettle_console.adapters.org_client import unless_away
from fettle_console.entrypoints.pages.judging import late_since
from fettle_console.entrypoints.pages.silences import makers, silencing_of
from fettle_console.entrypoints.pages.visits import TheVisit, Visit
from fettle_console.views.day import Window, picture
from fettle_console.views.subjects import Changed, Watched, subject_sentence
from fettle_contracts.ticket import Ticket
from fettle_contracts.times import parse_time

router = APIRouter()

_PAGE = 200
_DRAWN = 1000
"""A subject that flaps all day has some hundreds of transitions; of more the picture shows the latest."""

_LISTED = 20


@router.get("/orgs/{org}/health/{type}/{id:path}")
async def subject_page(type: str, id: str, request: Request, visit: TheVisit) -> Response:
    """The page; the picture ends where judging stands, and what the ticket service would add is left out while it is
    away."""
    subject = f"{type}/{id}"
    detail = await visit.client.get_subject(subject)
    now = visit.console.now()
    as_of = parse_time(detail["as_of"]) if detail["as_of"] else None
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
        last_heard=parse_time(detail["last_heard"]) if detail["last_heard"] else None,
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


async def _transitions(visit: Visit, subject: str, window: Window) -> list[Transition]:
    """Those of the window, the newest first, and the first one before it: it says how the window began."""
    found: list[Transition] = []
    async for transition in visit.client.list_transitions(subject=subject, limit=_PAGE):
        found.append(transition)
        if len(found) == _DRAWN or parse_time(transition["at"]) <= window.start:
            break
    return found


async def _tickets(visit: Visit, subject: str) -> list[Ticket]:
    found = await unless_away(visit.client.list_tickets(subject=subject, state="all", limit=_LISTED).page())
    return [Ticket.model_validate(item) for item in found["items"]] if found else []
