"""Heartbeats posted as NDJSON: each line one heartbeat with `type` and `id`, taken or refused on its own."""

import json
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from fettle_contracts.codes import DeadLetterCode
from fettle_contracts.heartbeat import HEARTBEAT_MAX_BYTES, INTERVAL_MAX_S, INTERVAL_MIN_S, STATUSES, Heartbeat
from fettle_contracts.identity import HEARTBEAT_TYPES, HeartbeatKey, SubjectRef
from fettle_contracts.message import faults


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
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return Refused(number, DeadLetterCode.NOT_JSON, "the line is not JSON")
    if not isinstance(fields, dict):
        return Refused(number, DeadLetterCode.NOT_JSON, "the line is not a JSON object")
    try:
        subject = _subject(fields)
    except ValueError as error:
        return Refused(number, DeadLetterCode.KEY_INVALID, str(error), "id" if "type" in fields else "type")
    value = {name: part for name, part in fields.items() if name not in ("type", "id")}
    encoded = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace") if value else b""
    if len(encoded) > HEARTBEAT_MAX_BYTES:
        return Refused(number, DeadLetterCode.TOO_LARGE, f"a heartbeat has at most {HEARTBEAT_MAX_BYTES} bytes")
    return _fault(number, subject, value) or Accepted(number, HeartbeatKey(org, subject).encode(), encoded)


def _subject(fields: dict[str, Any]) -> SubjectRef:
    """Raises ValueError with a plain reason."""
    kind, name = fields.get("type"), fields.get("id")
    if not isinstance(kind, str) or kind not in HEARTBEAT_TYPES:
        raise ValueError("type must be device or integration")
    if not isinstance(name, str):
        raise ValueError("id must be text of 1 to 200 bytes")
    return SubjectRef.parse(f"{kind}/{name}")


def _fault(number: int, subject: SubjectRef, value: dict[str, Any]) -> Refused | None:
    try:
        heartbeat = Heartbeat.model_validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        fault = faults(error)[0]
        match fault.field:
            case "status":
                return _status(number, subject)
            case "interval_s":
                message = f"interval_s must be a whole number from {INTERVAL_MIN_S} to {INTERVAL_MAX_S}"
                return Refused(number, DeadLetterCode.INTERVAL_OUT_OF_RANGE, message, "interval_s")
        return Refused(number, DeadLetterCode.FIELD_INVALID, f"{fault.field} {fault.message}", fault.field)
    return None if heartbeat.status in STATUSES[subject.type] else _status(number, subject)


def _status(number: int, subject: SubjectRef) -> Refused:
    allowed = ", ".join(sorted(STATUSES[subject.type]))
    return Refused(number, DeadLetterCode.STATUS_INVALID, f"status of a {subject.type} is one of: {allowed}", "status")
