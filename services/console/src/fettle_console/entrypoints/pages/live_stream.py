"""The stream that keeps pages alive: not the events themselves, only what has changed; pages then ask again."""

import json
from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.sse import format_sse_event

from fettle_console.adapters.live import Beat, Happened, StartOver
from fettle_console.entrypoints.pages.visits import TheVisit, session_of
from fettle_console.entrypoints.streams import EventStream
from fettle_contracts.times import rfc3339

router = APIRouter()


@router.get("/orgs/{org}/live", response_class=EventStream)
async def live(
    visit: TheVisit, request: Request, last_event_id: Annotated[str | None, Header()] = None, after: str | None = None
) -> EventStream:
    """`ticket` and `health` events, `reset` when some were missed, `beat` every five seconds at least. Of a ticket that
    changes several times within a moment only the last is told. Ends with the session.

    Begins behind `after`, the place at which a page was made, and when it connects again, behind what it heard last."""

    async def allowed() -> bool:
        session = await session_of(request, visit.console)
        return session is not None and session.caller.org == visit.org

    return EventStream.of(visit.console.live.follow(visit.org, last_event_id or after), allowed, _told)


def _told(item: list[Happened] | StartOver | Beat) -> bytes:
    match item:
        case StartOver(id):
            return format_sse_event(id=id, event="reset", data_str="{}")
        case Beat(id, as_of, is_live):
            beat = {"as_of": rfc3339(as_of), "live": is_live}
            return format_sse_event(id=id, event="beat", data_str=json.dumps(beat))
    return b"".join(_changed(each) for each in latest(item))


def latest(happened: list[Happened]) -> list[Happened]:
    """Of each ticket its last change, in the order in which these came."""
    latest: dict[int | None, Happened] = {}
    for each in happened:
        latest.pop(each.event.ticket, None)
        latest[each.event.ticket] = each
    return list(latest.values())


def _changed(happened: Happened) -> bytes:
    event = happened.event
    if event.ticket is None:
        return format_sse_event(id=happened.id, event="health", data_str="{}")
    changed = {"number": event.ticket, "state": event.state, "version": event.version}
    return format_sse_event(id=happened.id, event="ticket", data_str=json.dumps(changed))
