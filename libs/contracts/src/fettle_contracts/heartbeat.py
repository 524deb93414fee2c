"""`device.heartbeats`: what devices and gateways write, and the limits that every reader and writer shares."""

import math
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, WithJsonSchema, WrapValidator
from pydantic_core import ErrorDetails

from fettle_contracts.codes import DeadLetterCode
from fettle_contracts.identity import SubjectType, check_subject_id
from fettle_contracts.message import Message, faults
from fettle_contracts.times import Instant

HEARTBEAT_MAX_BYTES = 16 * 1024
INTERVAL_MIN_S = 1
INTERVAL_MAX_S = 86_400
TEXT_MAX_CHARACTERS = 200
SPACE_MAX_CHARACTERS = 500
CONTROL_HEADER = "fettle-control"

JUDGED_FIELDS = ("status", "integration", "interval_s", "name", "model", "space")
"""What a heartbeat is judged by; all else in it are the sender's own notes."""

UNSHOWABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, and what UTF-8 cannot hold: in no name or place that is shown and kept."""


class HeartbeatStatus(StrEnum):
    OK = "ok"
    OFFLINE = "offline"
    UNREACHABLE = "unreachable"
    CREDENTIALS_INVALID = "credentials_invalid"


STATUSES: dict[SubjectType, frozenset[HeartbeatStatus]] = {
    SubjectType.DEVICE: frozenset({HeartbeatStatus.OK, HeartbeatStatus.OFFLINE}),
    SubjectType.INTEGRATION: frozenset(
        {HeartbeatStatus.OK, HeartbeatStatus.UNREACHABLE, HeartbeatStatus.CREDENTIALS_INVALID}
    ),
}
"""The statuses that a heartbeat may carry, by the type of its subject."""


def _status(value: object) -> object:
    """What is null or empty was not said. An unknown text is left for the enum to refuse."""
    if value is None or value == "":
        return HeartbeatStatus.OK
    if not isinstance(value, str):
        raise ValueError("must be text")
    return HeartbeatStatus(value) if value in tuple(HeartbeatStatus) else value


def at_most(characters: int) -> AfterValidator:
    """Text that is shown and kept: no longer, and without control characters."""

    def check(text: str) -> str:
        if len(text) > characters:
            raise ValueError(f"must have at most {characters} characters")
        if UNSHOWABLE.search(text):
            raise ValueError("must have no control characters")
        return text

    return AfterValidator(check)


def _note(value: Any, read: Callable[[Any], Any]) -> Any:
    try:
        return read(value)
    except ValidationError:
        return None


_Status = Annotated[HeartbeatStatus, BeforeValidator(_status)]
_Text = Annotated[str, at_most(TEXT_MAX_CHARACTERS)]
_Space = Annotated[str, at_most(SPACE_MAX_CHARACTERS)]
_Interval = Annotated[
    float,
    Field(ge=INTERVAL_MIN_S, le=INTERVAL_MAX_S),
    WithJsonSchema({"maximum": INTERVAL_MAX_S, "minimum": INTERVAL_MIN_S, "type": "integer"}),
]
_NOTE = WrapValidator(_note)


class Heartbeat(Message):
    """The value of a heartbeat; an empty value means `status: ok`. `at` and `seq` are evidence, never judged by.

    A field that is null or empty was not said. `integration`, `name` and `model` have at most 200 characters, `space`
    500, and no control characters. The schema says what every reader takes, those of the first release too; this one
    also takes parts of a second in `interval_s`, and reads a note (`reason`, `at`, `seq`) of another kind as null.
    """

    status: _Status = HeartbeatStatus.OK
    integration: _Text | None = None
    interval_s: _Interval | None = None
    name: _Text | None = None
    model: _Text | None = None
    space: _Space | None = None
    reason: Annotated[str | None, _NOTE] = None
    at: Annotated[Instant | None, _NOTE] = None
    seq: Annotated[int | None, _NOTE] = None


class HeartbeatRefused(Exception):
    """A heartbeat that the judge would put aside: `code` is the one of its dead letter, `field` the one at fault."""

    def __init__(self, code: DeadLetterCode, message: str, field: str) -> None:
        super().__init__(message)
        self.code, self.message, self.field = code, message, field


def check_heartbeat(subject: SubjectType, said: Mapping[str, Any]) -> Heartbeat:
    """The heartbeat that a device or an integration says in these fields, as JSON has them. Raises HeartbeatRefused
    for what the judge refuses, with the code that it would give."""
    try:
        heartbeat = Heartbeat.model_validate(said, strict=True)
    except ValidationError as error:
        raise _refusal(subject, error) from None
    if heartbeat.status not in STATUSES[subject]:
        raise _status_refused(subject)
    if heartbeat.integration:
        try:
            check_subject_id(heartbeat.integration)
        except ValueError as error:
            raise HeartbeatRefused(DeadLetterCode.FIELD_INVALID, f"integration: {error}", "integration") from None
    return heartbeat


def _refusal(subject: SubjectType, error: ValidationError) -> HeartbeatRefused:
    """Of several faults the one that the judge comes upon first: what does not fit at all, the interval, the status."""
    order = (DeadLetterCode.FIELD_INVALID, DeadLetterCode.INTERVAL_OUT_OF_RANGE, DeadLetterCode.STATUS_INVALID)
    found = [
        (_code(detail), fault) for detail, fault in zip(error.errors(include_url=False), faults(error), strict=True)
    ]
    code, fault = min(found, key=lambda one: order.index(one[0]))
    if code is DeadLetterCode.STATUS_INVALID:
        return _status_refused(subject)
    if code is DeadLetterCode.INTERVAL_OUT_OF_RANGE:
        message = f"interval_s must be a number from {INTERVAL_MIN_S} to {INTERVAL_MAX_S}"
        return HeartbeatRefused(code, message, "interval_s")
    return HeartbeatRefused(code, f"{fault.field} {fault.message}", fault.field)


def _code(detail: ErrorDetails) -> DeadLetterCode:
    field, value = detail["loc"][0], detail["input"]
    if field == "status" and isinstance(value, str):
        return DeadLetterCode.STATUS_INVALID
    if field == "interval_s" and detail["type"].endswith("_than_equal") and math.isfinite(value):
        return DeadLetterCode.INTERVAL_OUT_OF_RANGE
    return DeadLetterCode.FIELD_INVALID


def _status_refused(subject: SubjectType) -> HeartbeatRefused:
    allowed = ", ".join(sorted(STATUSES[subject]))
    return HeartbeatRefused(DeadLetterCode.STATUS_INVALID, f"status of a {subject} is one of: {allowed}", "status")
