# Derived from asynchronous/events.py by `make schemas`; change that one.
"""What happens in the org, as it happens."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace

from fettle_client.errors import BrokenOff
from fettle_client.requests import Event, read
from fettle_client.synchronous.connection import Connection

SILENT_S = 60.0
AGAIN_S = 1.0


class Events(Connection):
    """Ticket events and health transitions."""

    def events(self, last_event_id: str | None = None, *, again: bool = True) -> Iterator[Event]:
        """What happens from now on, or from behind `last_event_id`, without a gap; where there would be one, an event
        `reset` says so.

        Connections that end are made again where they ended, until nobody has answered for `patience_s`; without
        `again` the events end with the connection. An event may come twice: of a ticket, `entry.version` decides.
        """
        import httpx2

        while True:
            request = read(self._path("events"))
            headers = {"accept": "text/event-stream", **({"last-event-id": last_event_id} if last_event_id else {})}
            with self._answer(replace(request, headers=headers), silent_s=SILENT_S) as answer:
                try:
                    for sent in httpx2.EventSource(answer):
                        last_event_id = sent.id or last_event_id
                        if sent.data:
                            yield Event(sent.event, json.loads(sent.data), sent.id)
                except (httpx2.SSEError, ValueError) as error:
                    raise BrokenOff(f"{answer.url} sends no events: {error}") from error
                except httpx2.TransportError:
                    pass  # ended, as connections do
            if not again:
                return
            time.sleep(AGAIN_S)
