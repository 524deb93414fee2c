"""What happens to tickets, from `ticket.events`: as much of it as a wait needs to know.

Every event of every org comes by here, most of them for nobody: three fields of each are read, and nothing else.
"""

from uuid import UUID

import msgspec

from fettle_chassis.consume import Record
from fettle_chassis.failures import BadRecord
from fettle_contracts.codes import DeadLetterCode
from fettle_contracts.ticket_events import EntryType
from fettle_workflow_engine.domain.waits import Sighting


class _Ticket(msgspec.Struct):
    id: UUID
    version: int
    state: str


class _Event(msgspec.Struct):
    org: str
    ticket: _Ticket


_CHANGES: dict[bytes | None, str] = {entry.ce_type.encode(): entry.value for entry in EntryType}
_EVENT = msgspec.json.Decoder(_Event)


def decode_sighting(record: Record) -> Sighting | None:
    """None for an event of a kind that this version does not know. Raises BadRecord."""
    kind = next((value for name, value in record.headers if name == "ce_type"), None)
    if kind is None:
        raise BadRecord(DeadLetterCode.UNREADABLE, "this is no event: it has no ce_type")
    change = _CHANGES.get(kind)
    if change is None:
        return None
    try:
        event = _EVENT.decode(record.value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
        raise BadRecord(DeadLetterCode.UNREADABLE, str(fault)[:200]) from None
    return Sighting(event.org, event.ticket.id, event.ticket.version, event.ticket.state, change)
