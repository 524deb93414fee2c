"""`GET /api/v1/orgs/{org}/events`: what happens in the org, as server-sent events."""

from collections.abc import AsyncIterable
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from fettle_chassis.tokens import Role
from fettle_console import metrics
from fettle_console.adapters.live import Beat, Happened, StartOver
from fettle_console.console import TheConsole
from fettle_console.entrypoints.guards import needs, still_admitted
from fettle_console.entrypoints.streams import while_allowed

router = APIRouter(prefix="/api/v1/orgs/{org}/events", tags=["events"])


@router.get("", response_class=EventSourceResponse, dependencies=[needs(Role.VIEWER)])
async def follow_events(
    org: str, request: Request, console: TheConsole, last_event_id: Annotated[str | None, Header()] = None
) -> AsyncIterable[ServerSentEvent]:
    """Ticket events and health transitions from now on, or from after `Last-Event-ID`.

    `event` is the CloudEvent's type, `data` its data. An event may come twice; `entry.version` decides. A `reset`
    event says that some were missed: read lists again. Comments keep the connection alive.
    The stream ends when its token does.
    """
    allowed = partial(still_admitted, request, console, org, Role.VIEWER)
    with metrics.LIVE_STREAMS.track_inprogress():
        async for item in while_allowed(console.live.follow(org, last_event_id), allowed):
            match item:
                case Happened(id, event):
                    yield ServerSentEvent(id=id, event=event.type, raw_data=event.data)
                case StartOver(id):
                    yield ServerSentEvent(id=id, event="reset", raw_data="{}")
                case Beat(id, _, live):
                    yield ServerSentEvent(id=id, comment="live" if live else "not live")
