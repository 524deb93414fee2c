"""What happens to tickets, from `ticket.events`: as much of it as a wait needs to know."""

import json
from uuid import UUID

from fettle_chassis.consume import Record
from fettle_chassis.failures import BadRecord
from fettle_contracts.cloudevents import from_record
from fettle_contracts.codes import DeadLetterCode
from fettle_contracts.ticket_events import EntryType
from fettle_contracts.times import from_ms
from fettle_workflow_engine.domain.waits import Sighting

_CHANGES = {entry.ce_type: entry.value for entry in EntryType}


def decode_sighting(record: Record) -> Sighting | None:
    """None for an event of a kind that this version does not know. Raises BadRecord or Unreadable.

    Every event of every org comes by here: only what is kept is looked at.
    """
    event = from_record(record.headers, record.key, record.value, received_at=from_ms(record.timestamp_ms))
    change = _CHANGES.get(event.type)
    if change is None:
        return None
    org, _, ticket_id = (event.key or "").partition("/")
    try:
        ticket = json.loads(event.data)["ticket"]
        return Sighting(org, UUID(ticket_id), int(ticket["version"]), str(ticket["state"]), change)
    except (ValueError, TypeError, KeyError) as fault:
        raise BadRecord(DeadLetterCode.UNREADABLE, f"no ticket event: {fault!r}") from None
