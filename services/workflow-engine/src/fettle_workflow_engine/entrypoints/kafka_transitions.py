"""Subjects that change their state, from `health.transitions`."""

from fettle_chassis.consume import Record
from fettle_chassis.failures import BadRecord
from fettle_contracts.cloudevents import from_record
from fettle_contracts.codes import DeadLetterCode
from fettle_contracts.times import from_ms
from fettle_contracts.transitions import SOURCE, Transition
from fettle_contracts.transitions import TRANSITION as TRANSITION_TYPE
from fettle_workflow_engine.adapters.glances import reading
from fettle_workflow_engine.domain.catalogue import TRANSITION, TRIGGERS
from fettle_workflow_engine.domain.shapes import completing
from fettle_workflow_engine.entrypoints.kafka_triggers import known_as
from fettle_workflow_engine.handler import Event

_READ = reading(Transition)
_COMPLETE = completing(TRIGGERS[TRANSITION].event)


def decode_transition(record: Record) -> Event:
    """The event, with null for what its type knows and it leaves out. Raises BadRecord or Unreadable."""
    event = from_record(record.headers, record.key, record.value, received_at=from_ms(record.timestamp_ms))
    if event.type != TRANSITION_TYPE:
        raise BadRecord(DeadLetterCode.TYPE_UNKNOWN, f"{event.type!r} starts no workflow")
    message = _READ(event.data)
    org = message["org"]
    if event.key != org:
        raise BadRecord(DeadLetterCode.KEY_INVALID, f"the key of this event must be {org}")
    data = _COMPLETE(message)
    source = known_as(event.source, SOURCE, "transitions")
    return Event(org, TRANSITION, source, event.id, data, event.causation_depth, event.traceparent)
