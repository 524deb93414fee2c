"""`GET /api/v1/orgs/{org}/events`: what happens in the org, as server-sent events."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.sse import format_sse_event

from fettle_chassis.tokens import Role
from fettle_console.adapters.live import Beat, Happened, StartOver
from fettle_console.console import TheConsole
from fettle_console.entrypoints.guards import needs, still_admitted
from fettle_console.entrypoints.streams import EventStream

router = APIRouter(prefix="/api/v1/orgs/{org}/events", tags=["events"])


@router.get("", response_class=EventStream, dependencies=[needs(Role.VIEWER)])
async def follow_events(
    org: str, request: Request, console: TheConsole, last_event_id: Annotated[str | None, Header()] = None
) -> EventStream:
    """Ticket events and health transitions from now on, or from after `Last-Event-ID`.

    `event` is the CloudEvent's type, `data` its data. An event may come twice; `entry.version` decides. A `reset`
    event says that some were missed: read lists again. Comments keep the connection alive.
    The stream ends when its token does.
    """
    allowed = partial(still_admitted, request, console, org, Role.VIEWER)
    return EventStream.of(console.live.follow(org, last_event_id), allowed, _told)


def _told(item: list[Happened] | StartOver | Beat) -> bytes:
    match item:
        case StartOver(id):
            return format_sse_event(id=id, event="reset", data_str="{}")
        case Beat(id, _, live):
            return format_sse_event(id=id, comment="live" if live else "not live")
    return b"".join(format_sse_event(id=each.id, event=each.event.type, data_str=each.event.data) for each in item)
