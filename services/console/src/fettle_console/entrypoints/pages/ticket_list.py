"""The list of tickets."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from fettle_console.adapters.org_client import unless_refused
from fettle_console.entrypoints.pages.first_steps import first_steps
from fettle_console.entrypoints.pages.rendering import page
from fettle_console.entrypoints.pages.visits import TheVisit
from fettle_console.views.list_query import SORTS, TABS, ListQuery
from fettle_console.views.tickets import Row
from fettle_console.views.words import KINDS, SOURCES, kind
from fettle_contracts.ticket import TicketSource

router = APIRouter()

PAGE = 50


@router.get("/orgs/{org}/tickets")
async def ticket_list(request: Request, visit: TheVisit) -> Response:
    """One page of the list. The address says all, in one way; the live script asks for the same address again."""
    query = ListQuery.read(request.query_params)
    address = f"/orgs/{visit.org}/tickets{query.address()}"
    by_script = "hx-request" in request.headers
    if not by_script and request.url.query != query.address().removeprefix("?"):
        return RedirectResponse(address, 303)
    found, reports = await asyncio.gather(
        visit.client.list_tickets(**query.for_service(PAGE)).page(), reports_on(visit)
    )
    new = not found["items"] and not query.narrowed and not any((await visit.counts()).values())
    steps = await first_steps(visit) if new else None
    sources = [(source.value, SOURCES[source]) for source in TicketSource if source is not TicketSource.PLATFORM_OUTAGE]
    answer = await visit.page(
        "tickets.html",
        query=query,
        rows=[Row.of(item) for item in found["items"]],
        next_cursor=found.get("next_cursor"),
        tabs=TABS,
        sorts=SORTS,
        sources=sources,
        kinds=_kinds(found["items"]),
        reports_on=reports,
        steps=steps,
        command_id=str(uuid4()),
    )
    if by_script:
        answer.headers["hx-replace-url"] = address
    return answer


def _kinds(shown: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is suggested as a kind, in words: those of Fettle itself, and what workflows and others call those that are
    shown."""
    return list(dict.fromkeys([*KINDS.values(), *sorted({kind(ticket["kind"]) for ticket in shown})]))


@router.get("/orgs/{org}/open-count")
async def open_count(visit: TheVisit) -> Response:
    """The number beside "Tickets", for pages that have no other reason to ask again."""
    return page("_open_count.html", {"org": visit.org, "counts": await visit.counts()})


async def reports_on(visit: TheVisit) -> bool:
    """Whether the org lets people report issues; the button is gone where it does not."""
    policy = await unless_refused(visit.client.get_ticket_policy())
    return policy is not None and policy.get("report_issue_enabled", True)
