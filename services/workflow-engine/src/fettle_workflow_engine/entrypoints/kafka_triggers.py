"""Ticket events from the five trigger topics."""

from uuid import UUID

from fettle_chassis.consume import Record
from fettle_chassis.failures import BadRecord
from fettle_contracts.cloudevents import from_record
from fettle_contracts.codes import DeadLetterCode
from fettle_contracts.ticket_events import SOURCE, TRIGGERS, TicketEvent
from fettle_contracts.times import from_ms
from fettle_workflow_engine.adapters.glances import reading
from fettle_workflow_engine.domain.catalogue import TRIGGERS as TRIGGER_KINDS
from fettle_workflow_engine.domain.catalogue import trigger_name
from fettle_workflow_engine.domain.shapes import completing
from fettle_workflow_engine.handler import Event

TRIGGER_TOPICS = tuple(trigger_name(entry) for entry in TRIGGERS)

_TRIGGER_OF = {entry.ce_type: trigger_name(entry) for entry in TRIGGERS}
_READ = reading(TicketEvent)
_COMPLETE = {trigger: completing(TRIGGER_KINDS[trigger].event) for trigger in TRIGGER_TOPICS}


def decode_trigger(record: Record) -> Event:
    """The event, with null for what its type knows and it leaves out. Raises BadRecord or Unreadable."""
    event = from_record(record.headers, record.key, record.value, received_at=from_ms(record.timestamp_ms))
    trigger = _TRIGGER_OF.get(event.type)
    if trigger is None:
        raise BadRecord(DeadLetterCode.TYPE_UNKNOWN, f"{event.type!r} starts no workflow")
    message = _READ(event.data)
    org = message["org"]
    key = f"{org}/{UUID(message['ticket']['id'])}"
    if event.key != key:
        raise BadRecord(DeadLetterCode.KEY_INVALID, f"the key of this event must be {key}")
    data = _COMPLETE[trigger](message)
    source = known_as(event.source, SOURCE, "tickets")
    return Event(org, trigger, source, event.id, data, event.causation_depth, event.traceparent)


def known_as(source: str, own: str, kind: str) -> str:
    """What an event's source counts as, whose kind of topic one service writes: a stranger's there counts among these
    topics alone, so that no run that its event starts can be one by an event of another kind."""
    return source if source == own else f"{kind}/{source}"


def identity_of(event: Event) -> tuple[str, str]:
    """By what a redelivered event is known."""
    return event.source, event.id
