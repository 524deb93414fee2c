"""What other systems say, as events: records of the topic `signals`, and requests to hooks."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from fettle_chassis.consume import Record
from fettle_chassis.failures import BadRecord
from fettle_contracts.cloudevents import STRUCTURED_TYPE, CloudEvent, from_record
from fettle_contracts.codes import DeadLetterCode
from fettle_contracts.hooks import HOOK_MAX_BYTES
from fettle_contracts.identity import check_org
from fettle_contracts.times import from_ms, rfc3339
from fettle_workflow_engine.domain.catalogue import SIGNAL
from fettle_workflow_engine.domain.hooks import GITHUB_DELIVERY
from fettle_workflow_engine.domain.json_objects import NoObject, read_object
from fettle_workflow_engine.handler import Event

SIGNAL_MAX_BYTES = HOOK_MAX_BYTES
ATTRIBUTE_LIMIT = 500
HOOK_SOURCE = HOOK_TYPE = "hook"
"""Source and type of what comes by a hook and is no CloudEvent."""

_REQUIRED = ("ce-specversion", "ce-id", "ce-source", "ce-type")
"""Whoever sends one of these means a CloudEvent (HTTP binding 1.0.2, 3.1), and hears what is missing of it."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def decode_signal(record: Record) -> Event:
    """The event of a record. Raises BadRecord or Unreadable: no CloudEvent, a key without an org, data that is no JSON
    object or over 256 KiB."""
    event = from_record(record.headers, record.key, record.value, received_at=from_ms(record.timestamp_ms))
    org = (event.key or "").partition("/")[0]
    try:
        check_org(org)
    except ValueError:
        raise BadRecord(DeadLetterCode.KEY_INVALID, "the key of a signal begins with its org: org/…") from None
    if len(event.data) > SIGNAL_MAX_BYTES:
        raise BadRecord(DeadLetterCode.TOO_LARGE, f"the data of a signal has at most {SIGNAL_MAX_BYTES} bytes")
    try:
        data = signal_of(event)
    except NoObject as reason:
        raise BadRecord(DeadLetterCode.FIELD_INVALID, str(reason)) from None
    # Anybody may write any source: it counts inside the org alone, and no run that it starts can be another event's.
    source = f"signals/{org}/{event.source}"
    return Event(org, SIGNAL, source, event.id, data, event.causation_depth, event.traceparent)


def signal_of(event: CloudEvent) -> Mapping[str, Any]:
    """What a workflow sees of it as `event`. Raises NoObject."""
    for name, text in (("id", event.id), ("type", event.type), ("source", event.source)):
        if len(text) > ATTRIBUTE_LIMIT or _CONTROL.search(text):
            raise NoObject(f"{name} has at most {ATTRIBUTE_LIMIT} characters, none of them a control character")
    if event.subject is not None and "\0" in event.subject:
        raise NoObject("subject holds a character that text cannot hold")
    try:
        data = read_object(event.data, SIGNAL_MAX_BYTES)
    except NoObject as reason:
        raise NoObject(f"the data {reason}") from None
    return {
        "id": event.id,
        "type": event.type,
        "source": event.source,
        "subject": event.subject,
        "time": rfc3339(event.time),
        "data": data,
    }


def hook_event(headers: Mapping[str, str], body: bytes, id: str, now: datetime) -> CloudEvent:
    """The CloudEvent that a request carries (HTTP binding, binary or structured), or the one that a bare JSON object
    becomes: of the type that GitHub names beside it, else of type `hook`. `id` is the delivery's. Raises Unreadable."""
    structured = headers.get("content-type", "").partition(";")[0].strip().lower() == STRUCTURED_TYPE
    if structured or any(name in headers for name in _REQUIRED):
        named = {name.replace("ce-", "ce_", 1): unquote(text) for name, text in headers.items() if name[:3] == "ce-"}
        named["content-type"] = headers.get("content-type", "application/json")
        return from_record([(name, text.encode()) for name, text in named.items()], None, body, received_at=now)
    kind = headers.get("x-github-event", HOOK_TYPE) if GITHUB_DELIVERY in headers else HOOK_TYPE
    return CloudEvent(id=id, source=HOOK_SOURCE, type=kind, time=now, data=body)
