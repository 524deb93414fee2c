"""Trying a workflow out: on an event that is given, recorded or a ticket's, and on what happened in the last days."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from fettle_console.adapters.org_client import ServiceRefused
from fettle_console.entrypoints.pages.visits import TheOperator, Visit
from fettle_console.entrypoints.pages.workflow_page import graph_of
from fettle_console.views.json_texts import laid_out
from fettle_console.views.trials import OnTicket, Preview, Tried
from fettle_console.views.workflows import Listed, trigger

router = APIRouter()

_EVENT_CHARACTERS = 8000
"""Of an event in an address; larger ones go by the API."""
_NUMBER_DIGITS = 19


@router.get("/orgs/{org}/workflows/{name}/try")
async def try_page(
    name: str,
    visit: TheOperator,
    days: Annotated[int | None, Query(ge=1, le=30)] = None,
    on: str = "",
    event: Annotated[str, Query(max_length=_EVENT_CHARACTERS)] = "",
    run: str = "",
    ticket: str = "",
) -> Response:
    """What the last `days` would have come to, or what a run on an event would do: one of the kind `on`, by `event`
    (JSON; an example without one) or as it happened to a `ticket` last, or that of the recorded `run`. Nothing is sent,
    nothing kept."""
    present = await visit.client.get_workflow(name)
    tried = preview = shown_event = on_ticket = None
    refused, status = "", 200
    asked = {"run": run} if run else _asked(on, event, ticket.strip()) if on or ticket else {}
    if days is None and isinstance(asked, str):
        return await _page(visit, present, status=400, refused=asked, on=on, event=event, ticket=ticket)
    try:
        if days is not None:
            preview = Preview.of(await visit.client.preview_workflow(name, days=days), days)
        elif isinstance(asked, dict) and asked:
            found = await visit.client.try_workflow(name, **asked)
            tried, shown_event = Tried.of(found), laid_out(found["event"])
            on_ticket = OnTicket.of(found) if "ticket" in asked else None
        else:
            return await _page(visit, present)
    except ServiceRefused as refusal:
        refused, status = refusal.message, refusal.status
    return await _page(
        visit,
        present,
        status=status,
        refused=refused,
        on=on,
        event=event or ("" if run or ticket else shown_event or ""),
        run=run,
        ticket=ticket,
        on_ticket=on_ticket,
        of_another=shown_event if run or ticket else None,
        days=days,
        tried=tried,
        graph=await graph_of(visit, name, reached=tried.reached) if tried and tried.stand else None,
        preview=preview,
    )


def _asked(on: str, event: str, ticket: str) -> dict[str, Any] | str:
    """What is asked of the engine, or what is wrong with the event or the ticket."""
    if ticket and event.strip():
        return "A ticket brings its event along: leave one of both empty."
    if ticket:
        digits = ticket.removeprefix("#")
        number = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < _NUMBER_DIGITS else 0
        asked = {"ticket": number, **({"trigger": on} if on else {})}
        return asked if number else "A ticket is named by its number."
    if not event.strip():
        return {"trigger": on}
    try:
        data = json.loads(event)
    except ValueError as error:
        return f"The event is no JSON: {error}."
    return {"trigger": on, "event": data} if isinstance(data, dict) else "An event is an object, in braces."


async def _page(visit: Visit, present: Any, *, status: int = 200, **said: Any) -> Response:
    nothing = {
        "refused": "",
        "on": "",
        "event": "",
        "run": "",
        "ticket": "",
        "on_ticket": None,
        "of_another": None,
        "days": None,
        "tried": None,
        "graph": None,
        "preview": None,
    }
    kinds = [(kind, trigger(kind)) for kind in dict.fromkeys(present["triggers"])]
    about = {
        "workflow": Listed.of(present),
        "kinds": kinds,
        "about_tickets": any(kind.startswith("ticket.") for kind in present["triggers"]),
    }
    return await visit.page("workflow_try.html", status=status, **{**nothing, **said, **about})
