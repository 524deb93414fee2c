"""The stream that keeps pages alive: not the events themselves, only what has changed; pages then ask again."""

import json
from collections.abc import AsyncIterable
from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from fettle_console import metrics
from fettle_console.adapters.live import Beat, Happened, StartOver
from fettle_console.entrypoints.pages.visits import TheVisit, session_of
from fettle_console.entrypoints.streams import while_allowed
from fettle_contracts.times import rfc3339

router = APIRouter()


@router.get("/orgs/{org}/live", response_class=EventSourceResponse)
async def live(
    visit: TheVisit, request: Request, last_event_id: Annotated[str | None, Header()] = None
) -> AsyncIterable[ServerSentEvent]:
    """`ticket` and `health` events, `reset` when some were missed, `beat` every five seconds at least. Ends with
    the session."""

    async def allowed() -> bool:
        return await session_of(request, visit.console) is not None

    with metrics.LIVE_STREAMS.track_inprogress():
        async for item in while_allowed(visit.console.live.follow(visit.org, last_event_id), allowed):
            match item:
                case Happened(id, event) if event.ticket is not None:
                    changed = {"number": event.ticket, "state": event.state, "version": event.version}
                    yield ServerSentEvent(id=id, event="ticket", raw_data=json.dumps(changed))
                case Happened(id, _):
                    yield ServerSentEvent(id=id, event="health", raw_data="{}")
                case StartOver(id):
                    yield ServerSentEvent(id=id, event="reset", raw_data="{}")
                case Beat(id, as_of, is_live):
                    beat = {"as_of": rfc3339(as_of), "live": is_live}
                    yield ServerSentEvent(id=id, event="beat", raw_data=json.dumps(beat))
