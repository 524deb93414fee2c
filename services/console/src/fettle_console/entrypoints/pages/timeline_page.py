"""A ticket's timeline as pages read it: from the newest entry back, never the whole of it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from fettle_client.shapes.tickets import Entry
from fettle_console.entrypoints.pages.visits import TheVisit, Visit
from fettle_console.views.tickets import line
from fettle_contracts.ticket import Ticket

router = APIRouter()

SHOWN = 50
_REOPENED = 50
"""The latest reopenings, among which what a page says of the opening is looked for."""

Entries = Sequence[Entry]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Entries that follow one another, oldest first. `earlier` is the cursor of those before; empty at the start."""

    entries: Entries
    earlier: str


@router.get("/orgs/{org}/tickets/{number}/timeline")
async def timeline_page(number: int, visit: TheVisit, cursor: Annotated[str, Query(max_length=500)] = "") -> Response:
    """The newest entries, or those before the cursor: what a ticket's page fetches when earlier ones are asked for."""
    found, stretch = await asyncio.gather(visit.client.get_ticket(number), newest(visit, number, SHOWN, cursor))
    ticket = Ticket.model_validate(found)
    entries = [line(item, ticket) for item in stretch.entries]
    return await visit.page("timeline.html", ticket=ticket, entries=entries, earlier=stretch.earlier, cursor=cursor)


async def newest(visit: Visit, number: int, limit: int, cursor: str = "") -> Stretch:
    """The newest entries, or the newest of those before the cursor."""
    found = await visit.client.list_timeline(number, sort="-version", limit=limit, cursor=cursor or None).page()
    return Stretch(found["items"][::-1], found["next_cursor"] or "")


async def turns_before(visit: Visit, number: int, stretch: Stretch) -> Entries:
    """What a page must know of the entries before the stretch, oldest first: the opening, the latest reopenings, and
    the last edit of the description."""
    if not stretch.earlier:
        return []
    entries = visit.client.list_timeline
    pages = await asyncio.gather(
        entries(number, limit=1).page(),
        entries(number, type="reopened", sort="-version", limit=_REOPENED).page(),
        entries(number, type="description-edited", sort="-version", limit=1).page(),
    )
    turns = [entry for page in pages for entry in page["items"] if entry["version"] < stretch.entries[0]["version"]]
    return sorted(turns, key=lambda entry: entry["version"])
