"""How the world hears what happened: messages for the outbox."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b

from fettle_chassis.outbox import Outgoing
from fettle_contracts.cloudevents import JSON_TYPE
from fettle_contracts.codes import RejectionCode
from fettle_contracts.results import COMMAND_RESULT
from fettle_contracts.ticket_events import SOURCE, EntryType
from fettle_contracts.topics import EVENTS, RESULTS
from fettle_ticket_service.adapters.wire import Wire, command_result, time_text
from fettle_ticket_service.asked import Answer, Asked
from fettle_ticket_service.domain.book import Entry

TOPICS_OF = {entry: (EVENTS, entry.trigger_topic) if entry.trigger_topic else (EVENTS,) for entry in EntryType}
"""Every event goes to `ticket.events`, the five triggers to their own topics too."""

MAY_PASS = {RejectionCode.ORG_UNKNOWN, RejectionCode.RECORD_ALTERED}
"""Refusals after which the same command may have its effect."""

_TYPES = {entry: entry.ce_type for entry in EntryType}


class Announcer:
    """Makes the messages that belong to one answered command, or to an entry that no command made."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def messages(self, asked: Asked, answer: Answer, entries: Sequence[Entry], now: datetime) -> list[Outgoing]:
        """Its ticket events in order, then its result."""
        return [*(self.event(asked.org, entry, asked) for entry in entries), self.result(asked, answer, now)]

    def event(self, org: str, entry: Entry, cause: Asked | None = None) -> Outgoing:
        kind, ticket = entry.event.type, str(entry.ticket.id)
        attributes = {"ce_id": str(entry.id), "ce_type": _TYPES[kind], "ce_subject": ticket}
        headers = _headers(cause, attributes, entry.event.at)
        key = f"{org}/{ticket}".encode()
        return Outgoing(TOPICS_OF[kind], key, self._wire.ticket_event(org, entry), headers)

    def result(self, asked: Asked, answer: Answer, now: datetime) -> Outgoing:
        """Its id follows from the command and, for a command that is not remembered, from the refusal; of several that
        share an identity each has a result of its own."""
        refusal = asked.refused.code if asked.refused else ""
        if answer.reason in MAY_PASS:
            refusal = answer.reason
        if answer.reason == RejectionCode.COMMAND_ID_REUSED:
            refusal = f"{answer.reason}\n{asked.fingerprint.hex()}"
        id = blake2b("\n".join((*asked.identity, refusal)).encode(), digest_size=16).hexdigest()
        headers = _headers(asked, {"ce_id": id, "ce_type": COMMAND_RESULT}, now)
        return Outgoing((RESULTS,), asked.org.encode(), command_result(asked, answer), headers)


def _headers(cause: Asked | None, attributes: dict[str, str], at: datetime) -> list[tuple[str, bytes]]:
    """The attributes of a CloudEvent in binary mode, as `fettle_contracts.cloudevents.to_binary` writes them, which
    takes five times as long; tests read them back with it."""
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_source", SOURCE.encode()),
        ("ce_time", time_text(at).encode()),
        ("content-type", JSON_TYPE.encode()),
    ]
    headers.extend([(name, value.encode()) for name, value in attributes.items()])
    if cause is not None:
        headers.append(("ce_causationid", cause.id.encode()))
        headers.append(("ce_causationdepth", str(cause.depth).encode()))
        if cause.traceparent is not None:
            headers.append(("traceparent", cause.traceparent.encode()))
    return headers
