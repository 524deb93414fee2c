"""How the world hears what happened: messages for the outbox."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid5

from fettle_chassis.outbox import Outgoing
from fettle_contracts.cloudevents import CloudEvent
from fettle_contracts.results import COMMAND_RESULT
from fettle_contracts.ticket_events import EntryType
from fettle_contracts.topics import EVENTS, RESULTS
from fettle_ticket_service.adapters.wire import Wire, command_result, entry_id
from fettle_ticket_service.asked import Answer, Asked
from fettle_ticket_service.domain.book import Entry

SOURCE = "fettle/ticket-service"

_RESULT_IDS = UUID("6f2f2b52-6d5b-5f0c-9d43-6a0a3d7b8c11")

TOPICS_OF = {entry: (EVENTS, entry.trigger_topic) if entry.trigger_topic else (EVENTS,) for entry in EntryType}
"""Every event goes to `ticket.events`, the five triggers to their own topics too."""


class Announcer:
    """Makes the messages that belong to one answered command."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def messages(self, asked: Asked, answer: Answer, entries: Sequence[Entry], now: datetime) -> list[Outgoing]:
        """Its ticket events in order, then its result."""
        return [*(self._event(asked, entry) for entry in entries), _result(asked, answer, now)]

    def _event(self, asked: Asked, entry: Entry) -> Outgoing:
        kind, ticket = entry.event.type, entry.ticket
        event = CloudEvent(
            id=str(entry_id(ticket.id, ticket.version)),
            source=SOURCE,
            type=kind.ce_type,
            time=entry.event.at,
            data=self._wire.ticket_event(asked.org, entry),
            subject=str(ticket.id),
            key=f"{asked.org}/{ticket.id}",
            traceparent=asked.traceparent,
            causation_id=asked.id,
            causation_depth=asked.depth,
        )
        return Outgoing.of(event, *TOPICS_OF[kind])


def _result(asked: Asked, answer: Answer, now: datetime) -> Outgoing:
    """Its id follows from the command and, for a command that is not remembered, from the refusal."""
    refusal = asked.refused.code if asked.refused else ""
    event = CloudEvent(
        id=str(uuid5(_RESULT_IDS, "\n".join((*asked.identity, refusal)))),
        source=SOURCE,
        type=COMMAND_RESULT,
        time=now,
        data=command_result(asked, answer),
        key=asked.org,
        traceparent=asked.traceparent,
        causation_id=asked.id,
        causation_depth=asked.depth,
    )
    return Outgoing.of(event, RESULTS)
