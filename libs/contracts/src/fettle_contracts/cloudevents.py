"""CloudEvents 1.0 over Kafka, in binary and in structured mode.

Source: CloudEvents 1.0.2, its JSON format and its Kafka protocol binding. Fettle writes binary mode; it reads both.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fettle_contracts.codes import DeadLetterCode
from fettle_contracts.message import Unreadable
from fettle_contracts.times import parse_time, rfc3339, to_milliseconds

CONTENT_TYPE = "content-type"
JSON_TYPE = "application/json"
STRUCTURED_TYPE = "application/cloudevents+json"
TRACE_HEADER = "traceparent"
SIGNATURE_HEADER = "fettle-signature"

_SURROGATE = re.compile("[\ud800-\udfff]")
_OWN_HEADERS = frozenset({CONTENT_TYPE, TRACE_HEADER, SIGNATURE_HEADER})

Headers = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """One event. `data` is JSON text, `key` the Kafka key, `time` UTC cut to milliseconds as the wire carries it.

    `causation_id` is the id of what caused the event, `causation_depth` how long the chain of causes is.
    """

    id: str
    source: str
    type: str
    time: datetime
    data: bytes
    subject: str | None = None
    key: str | None = None
    traceparent: str | None = None
    causation_id: str | None = None
    causation_depth: int = 0
    signature: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", to_milliseconds(self.time))


def to_binary(event: CloudEvent) -> tuple[Headers, bytes]:
    """Headers and value of the record: attributes in `ce_` headers, the data as it is."""
    headers = [(f"ce_{name}", value.encode()) for name, value in _attributes(event).items()]
    headers.append((CONTENT_TYPE, JSON_TYPE.encode()))
    return headers + _beside(event), event.data


def to_structured(event: CloudEvent) -> tuple[Headers, bytes]:
    """Headers and value of the record: the whole event as one JSON object.

    Raises ValueError when the data is not JSON.
    """
    body: dict[str, Any] = {**_attributes(event), "datacontenttype": JSON_TYPE}
    if event.data:
        body["data"] = json.loads(event.data)
    return [(CONTENT_TYPE, STRUCTURED_TYPE.encode()), *_beside(event)], _compact(body)


def from_record(
    headers: Iterable[tuple[str, bytes | None]],
    key: bytes | None,
    value: bytes | None,
    *,
    received_at: datetime | None = None,
) -> CloudEvent:
    """The event that a record carries, in either mode; no value is empty data.

    `received_at` (the record's timestamp) stands in for a `time` attribute that is absent, as CloudEvents allows.
    The data of a structured event is written anew as compact JSON, so a signature holds in binary mode only.
    Raises Unreadable (`unreadable`, `content_type`).
    """
    named = _texts(headers)
    content_type = named.get(CONTENT_TYPE, JSON_TYPE).partition(";")[0].strip().lower()
    if content_type.startswith("application/cloudevents"):
        attributes, data = _read_structured(content_type, value or b"")
    else:
        attributes = {name[3:]: text for name, text in named.items() if name not in _OWN_HEADERS}
        _expect_json(content_type)
        data = value or b""
    return _event(attributes, named, _key_text(key), data, received_at)


def _attributes(event: CloudEvent) -> dict[str, str]:
    attributes = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time": rfc3339(event.time),
    }
    if event.subject is not None:
        attributes["subject"] = event.subject
    if event.causation_id is not None:
        attributes["causationid"] = event.causation_id
    if event.causation_depth or event.causation_id:
        attributes["causationdepth"] = str(event.causation_depth)
    return attributes


def _beside(event: CloudEvent) -> Headers:
    """Headers of their own in both modes: W3C trace context and the signature."""
    beside = ((TRACE_HEADER, event.traceparent), (SIGNATURE_HEADER, event.signature))
    return [(name, text.encode()) for name, text in beside if text is not None]


def _texts(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """Fettle's and CloudEvents' own headers as text by lower-case name; others are left alone."""
    named: dict[str, str] = {}
    for raw_name, raw in headers:
        name = raw_name.lower()
        if not (name.startswith("ce_") or name in _OWN_HEADERS):
            continue
        if name in named:
            raise _unreadable(f"header {name} is there twice")
        try:
            named[name] = (raw or b"").decode()
        except UnicodeDecodeError:
            raise _unreadable(f"header {name} is not UTF-8") from None
    return named


def _read_structured(content_type: str, value: bytes) -> tuple[dict[str, str], bytes]:
    if content_type != STRUCTURED_TYPE:
        raise Unreadable(DeadLetterCode.CONTENT_TYPE, f"{content_type} is not {STRUCTURED_TYPE}")
    try:
        body = json.loads(value)
    except (ValueError, RecursionError):
        raise _unreadable("the structured event is not JSON, or nested too deeply") from None
    if not isinstance(body, dict):
        raise _unreadable("the structured event is not a JSON object")
    _expect_json(str(body.get("datacontenttype") or JSON_TYPE).partition(";")[0].strip().lower())
    attributes = {
        name: _text(value) for name, value in body.items() if name not in ("data", "data_base64") and value is not None
    }
    return attributes, _structured_data(body)


def _structured_data(body: Mapping[str, Any]) -> bytes:
    encoded = body.get("data_base64")
    if encoded is None:
        return _compact(body["data"]) if "data" in body else b""
    if "data" in body:
        raise _unreadable("the structured event has both data and data_base64")
    try:
        return base64.b64decode(str(encoded), validate=True)
    except ValueError:
        raise _unreadable("data_base64 is not base64") from None


def _expect_json(content_type: str) -> None:
    if content_type != JSON_TYPE and not content_type.endswith("+json"):
        raise Unreadable(DeadLetterCode.CONTENT_TYPE, f"the data is {content_type}, not {JSON_TYPE}")


def _event(
    attributes: Mapping[str, str],
    named: Mapping[str, str],
    key: str | None,
    data: bytes,
    received_at: datetime | None,
) -> CloudEvent:
    if attributes.get("specversion") != "1.0":
        raise _unreadable("not a CloudEvent: specversion must be 1.0")
    for name in ("id", "source", "type"):
        if not attributes.get(name):
            raise _unreadable(f"not a CloudEvent: {name} is missing")
    return CloudEvent(
        id=attributes["id"],
        source=attributes["source"],
        type=attributes["type"],
        time=_time(attributes.get("time"), received_at),
        data=data,
        subject=attributes.get("subject"),
        key=key,
        traceparent=named.get(TRACE_HEADER, attributes.get("traceparent")),
        causation_id=attributes.get("causationid"),
        causation_depth=_depth(attributes.get("causationdepth", "0")),
        signature=named.get(SIGNATURE_HEADER),
    )


def _time(text: str | None, received_at: datetime | None) -> datetime:
    if text is None:
        if received_at is None:
            raise _unreadable("the event has no time")
        return received_at
    try:
        return parse_time(text)
    except ValueError as error:
        raise _unreadable(f"time {error}") from None


def _depth(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise _unreadable("causationdepth must be a whole number of 0 or more")
    return int(text)


def _key_text(key: bytes | None) -> str | None:
    try:
        return None if key is None else key.decode()
    except UnicodeDecodeError:
        raise _unreadable("the key is not UTF-8") from None


def _text(value: object) -> str:
    try:
        text = value if isinstance(value, str) else json.dumps(value)
    except RecursionError:
        raise _unreadable("an attribute of the structured event is nested too deeply") from None
    if _SURROGATE.search(text):
        raise _unreadable("an attribute of the structured event is not Unicode text")
    return text


def _compact(value: object) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise _unreadable("the structured event's data is not Unicode text") from None
    except RecursionError:
        raise _unreadable("the structured event's data is nested too deeply") from None
    except ValueError:
        raise _unreadable("the structured event's data is not JSON: it has NaN or Infinity") from None


def _unreadable(message: str) -> Unreadable:
    return Unreadable(DeadLetterCode.UNREADABLE, message)
