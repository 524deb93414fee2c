"""Heartbeats posted as NDJSON: each line one heartbeat with `type` and `id`, taken or refused on its own.

What is taken is what the judge would take, read by the parser that it uses. The sender's notes are passed on as they
were written and looked at by nobody; only what is no JSON (NaN, bytes that are no UTF-8) is refused there too, as it
must not come into the topic.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from fettle_contracts.codes import DeadLetterCode
from fettle_contracts.heartbeat import HEARTBEAT_MAX_BYTES, JUDGED_FIELDS, HeartbeatRefused, check_heartbeat
from fettle_contracts.identity import HEARTBEAT_TYPES, HeartbeatKey, SubjectRef

_decoder: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Accepted:
    """A line that may go to Kafka, as the record it becomes."""

    line: int
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that never can. `code` is the one that the dead letter of such a record would carry."""

    line: int
    code: str
    message: str
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Lines:
    accepted: tuple[Accepted, ...]
    refused: tuple[Refused, ...]


def read_lines(org: str, body: bytes) -> Lines:
    """Every line of `body` that is not blank, numbered from 1, in order."""
    accepted: list[Accepted] = []
    refused: list[Refused] = []
    for number, line in enumerate(body.split(b"\n"), start=1):
        if not line.strip():
            continue
        verdict = _read(org, number, line)
        if isinstance(verdict, Accepted):
            accepted.append(verdict)
        else:
            refused.append(verdict)
    return Lines(tuple(accepted), tuple(refused))


def _read(org: str, number: int, line: bytes) -> Accepted | Refused:
    try:
        fields = _decoder.decode(line.decode())
        kind, name = (_decoded(fields, field) for field in ("type", "id"))
        said = {field: _decoded(fields, field) for field in JUDGED_FIELDS if field in fields}
    except msgspec.ValidationError as error:
        return Refused(number, DeadLetterCode.FIELD_INVALID, f"the line is no heartbeat: {error}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Refused(number, DeadLetterCode.NOT_JSON, f"the line is not JSON: {error}")
    try:
        key = HeartbeatKey(org, _subject(kind, name))
    except ValueError as error:
        return Refused(number, DeadLetterCode.KEY_INVALID, str(error), "id" if "type" in fields else "type")
    value = {field: part for field, part in fields.items() if field not in ("type", "id")}
    encoded = msgspec.json.encode(value) if value else b""
    if len(encoded) > HEARTBEAT_MAX_BYTES:
        return Refused(number, DeadLetterCode.TOO_LARGE, f"a heartbeat has at most {HEARTBEAT_MAX_BYTES} bytes")
    try:
        check_heartbeat(key.subject.type, said)
    except HeartbeatRefused as refused:
        return Refused(number, refused.code, refused.message, refused.field)
    return Accepted(number, key.encode(), encoded)


def _decoded(fields: Mapping[str, msgspec.Raw], field: str) -> Any:
    return msgspec.json.decode(fields[field]) if field in fields else None


def _subject(kind: Any, name: Any) -> SubjectRef:
    """Raises ValueError with a plain reason."""
    if not isinstance(kind, str) or kind not in HEARTBEAT_TYPES:
        raise ValueError("type must be device or integration")
    if not isinstance(name, str):
        raise ValueError("id must be text of 1 to 200 bytes")
    return SubjectRef.parse(f"{kind}/{name}")
