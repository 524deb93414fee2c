"""One ticket: what it says, its timeline, and what can be done with it now."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fettle_chassis.tokens import Role
from fettle_client.shapes.people import Link
from fettle_console.adapters.org_client import unless_away, unless_refused
from fettle_console.entrypoints.pages.silences import makers, silencing_of
from fettle_console.entrypoints.pages.timeline_page import SHOWN, newest, turns_before
from fettle_console.entrypoints.pages.visits import TheVisit, Visit
from fettle_console.views.rollups import opened_because, progress
from fettle_console.views.sentences import answer_first
from fettle_console.views.subjects import watched_subject
from fettle_console.views.tickets import ACTIONS, last_edit, line, monitor_opened_at
from fettle_contracts.ticket import LINKS_LIMIT, Ticket, TicketSource, TicketState

router = APIRouter()

BESIDE = ("description", "links")
"""What can be edited on the page beside the update box."""
_PANELS = (*BESIDE, "silence")


@dataclass(frozen=True, slots=True)
class Shown:
    """What of the page is open, and what was refused there with what was typed. `panel` is in the address, too;
    `beside` stays open while something else was done."""

    panel: str = ""
    beside: str = ""
    refused: str | None = None
    typed: str = ""
    draft: str | None = None
    draft_links: Sequence[Link] | None = None


@router.get("/orgs/{org}/tickets/{number}")
async def ticket_page(number: int, request: Request, visit: TheVisit) -> Response:
    panel = request.query_params.get("edit", "")
    return await shown_ticket(visit, number, Shown(panel=panel if panel in _PANELS else ""))


async def shown_ticket(visit: Visit, number: int, shown: Shown, status: int = 200) -> Response:
    """The page as it now is; what the health monitor would add is left out while it is away."""
    found, stretch = await asyncio.gather(visit.client.get_ticket(number), newest(visit, number, SHOWN))
    ticket = Ticket.model_validate(found)
    entries = [line(item, ticket) for item in stretch.entries]
    known = [*(line(item, ticket) for item in await turns_before(visit, number, stretch)), *entries]
    watched = watched_subject(ticket)
    silencing, is_judged = await asyncio.gather(silencing_of(visit, watched), _is_judged(visit, ticket))
    may_work = visit.may(Role.OPERATOR)
    return await visit.page(
        "ticket.html",
        status=status,
        ticket=ticket,
        progress=progress(ticket.checklist),
        children=found.get("children", []),
        more_children=found.get("more_children", False),
        entries=entries,
        earlier=stretch.earlier,
        edited=last_edit(known),
        sentence=answer_first(ticket, known, visit.console.now()),
        actions=ACTIONS[ticket.state],
        command_id=str(uuid4()),
        panel=(shown.panel or shown.beside) if may_work else "",
        shown=shown,
        links=_rows_of_links(ticket, shown),
        watched=watched,
        why_at=monitor_opened_at(ticket, known),
        opened_because=opened_because(ticket, [shown_line.entry for shown_line in known]),
        silencing=silencing,
        is_judged=is_judged,
        names=await visit.names(*makers(silencing)),
        link_patterns=await _link_patterns(visit),
    )


async def _is_judged(visit: Visit, ticket: Ticket) -> bool:
    """Whether the monitor will resolve it when its subject has recovered, as far as is known; true of what it never
    resolves."""
    if ticket.source is not TicketSource.HEALTH_MONITOR or ticket.state is TicketState.RESOLVED:
        return True
    policy = await unless_away(visit.client.get_health_policy())
    return policy is None or policy["enabled"]


async def _link_patterns(visit: Visit) -> str:
    """The org's, as JSON for the page's script; none when the ticket service does not say."""
    policy = await unless_refused(visit.client.get_ticket_policy())
    return json.dumps(policy.get("link_patterns", []) if policy else [])


def _rows_of_links(ticket: Ticket, shown: Shown) -> Sequence[Link]:
    """The rows of the form: what is there (or was typed), and room for two more."""
    present = [Link(label=link.label, url=link.url) for link in ticket.links]
    rows = present if shown.draft_links is None else shown.draft_links
    room = max(0, min(2, LINKS_LIMIT - len(rows)))
    return [*rows, *([Link(label="", url="")] * room)]
