"""A call of the API before it is sent, and an event as it comes: nothing here talks to anybody."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

JSON, YAML, NDJSON, CSV = "application/json", "application/yaml", "application/x-ndjson", "text/csv"
CLOUD_EVENT = "application/cloudevents+json"

Value = str | int | datetime | Sequence[str]

_DOTS = {".": "%2E", "..": "%2E%2E"}
_HALVES = "backslashreplace"
"""Half a pair of surrogates, which UTF-8 has no bytes for, becomes what JSON writes for it."""


@dataclass(frozen=True, slots=True)
class Request:
    """`path` begins behind `/api/v1/` and is encoded."""

    method: str
    path: str
    query: Mapping[str, str | list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None

    def after(self, cursor: str) -> "Request":
        """The same list from behind `cursor` on."""
        return replace(self, query={**self.query, "cursor": cursor})


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: `type` is the CloudEvent's (`fettle.ticket.opened.v1`), `data` its data.

    The type `reset` says that events were missed: read again what you hold. `id` is where to go on from.
    """

    type: str
    data: dict[str, Any]
    id: str


def path(*parts: str | int) -> str:
    """The parts as one encoded path; a `/` inside one parts nothing, and `..` leads nowhere."""
    return "/".join(_DOTS.get(str(part)) or quote(str(part), safe="") for part in parts)


def read(path: str, **query: Value | None) -> Request:
    """Asks for something."""
    return Request("GET", path, _query(query))


def send(method: str, path: str, body: object = None, *, kind: str = JSON, **query: Value | None) -> Request:
    """Changes something, by a request that may come twice as it is. A body of bytes goes as it is, as `kind`."""
    if body is None:
        return Request(method, path, _query(query))
    content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode(errors=_HALVES)
    return Request(method, path, _query(query), {"content-type": kind}, content)


def write(
    method: str,
    path: str,
    body: object = None,
    *,
    key: str | None,
    seen: int | str | None = None,
    kind: str = JSON,
    **query: Value | None,
) -> Request:
    """Changes something once, however often it is sent: under `key`, or under one that is drawn here. `seen` is the
    version that the writer saw."""
    request = send(method, path, body, kind=kind, **query)
    headers = {**request.headers, "idempotency-key": key or str(uuid.uuid4())}
    if seen is not None:
        headers["if-match"] = f'"{seen}"'
    return replace(request, headers=headers)


def with_headers(request: Request, headers: Mapping[str, str]) -> Request:
    """The same request with more headers."""
    return replace(request, headers={**request.headers, **headers})


def fields(**values: object) -> dict[str, Any]:
    """A body without what was not given, times as text."""
    return {
        name: instant(value) if isinstance(value, datetime) else value
        for name, value in values.items()
        if value is not None
    }


def instant(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds. Raises ValueError for a time without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a time needs a time zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _query(values: Mapping[str, Value | None]) -> dict[str, str | list[str]]:
    return {name: _text(value) for name, value in values.items() if value is not None}


def _text(value: Value) -> str | list[str]:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case datetime():
            return instant(value)
    return list(value)
