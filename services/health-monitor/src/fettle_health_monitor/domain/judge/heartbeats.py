"""Reading the value of a heartbeat.

The same rules as `fettle_contracts.heartbeat`, which those use who write heartbeats, and as its codes; written once
more because a model of pydantic costs too much for each of a fleet's records. Tests hold the two together.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from fettle_contracts.codes import DeadLetterCode
from fettle_contracts.heartbeat import (
    HEARTBEAT_MAX_BYTES,
    INTERVAL_MAX_S,
    INTERVAL_MIN_S,
    SPACE_MAX_CHARACTERS,
    TEXT_MAX_CHARACTERS,
    UNSHOWABLE,
)
from fettle_contracts.identity import check_subject_id
from fettle_health_monitor.domain.judge.refusals import WrongRecord
from fettle_health_monitor.domain.judge.states import CONDITIONS, Reading

Text = Annotated[str, Meta(max_length=TEXT_MAX_CHARACTERS)]
SpacePath = Annotated[str, Meta(max_length=SPACE_MAX_CHARACTERS)]


class Heartbeat(msgspec.Struct, frozen=True):
    """What a heartbeat says. A field that is absent, null or empty was not said. `reason`, `at` and `seq` are the
    sender's own notes: nothing is judged by them."""

    status: str | None = None
    integration: Text | None = None
    interval_s: float | None = None
    name: Text | None = None
    model: Text | None = None
    space: SpacePath | None = None


NOTHING_SAID: Final = Heartbeat()
_decoder: Final = msgspec.json.Decoder(Heartbeat)
_READINGS: Final = {
    "offline": Reading.OFFLINE,
    "unreachable": Reading.UNREACHABLE,
    "credentials_invalid": Reading.CREDENTIALS_INVALID,
}


def read(value: bytes | None, key: bytes) -> tuple[Heartbeat, Reading]:
    """The heartbeat and what it says of its subject, whose type `key` tells; an empty value is alive and well. An
    integration that it is said to be behind is left out of that of an integration. Raises `WrongRecord`."""
    if not value:
        return NOTHING_SAID, Reading.OK
    if len(value) > HEARTBEAT_MAX_BYTES:
        raise WrongRecord(DeadLetterCode.TOO_LARGE, f"{len(value)} bytes are over the limit of {HEARTBEAT_MAX_BYTES}")
    try:
        heartbeat = _decoder.decode(value)
    except msgspec.ValidationError as error:
        raise WrongRecord(DeadLetterCode.FIELD_INVALID, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WrongRecord(DeadLetterCode.NOT_JSON, str(error)) from None
    _check_texts(heartbeat)
    interval = heartbeat.interval_s
    if interval is not None and not INTERVAL_MIN_S <= interval <= INTERVAL_MAX_S:
        raise WrongRecord(
            DeadLetterCode.INTERVAL_OUT_OF_RANGE,
            f"interval_s {interval:g} is outside {INTERVAL_MIN_S} to {INTERVAL_MAX_S}",
        )
    reading = Reading.OK
    if heartbeat.status and heartbeat.status != "ok":
        reading = _unhealthy(heartbeat.status, key.split(b"/", 2)[1].decode())
    if heartbeat.integration:
        _check_integration(heartbeat.integration)
        if is_behind_none(key):
            heartbeat = msgspec.structs.replace(heartbeat, integration=None)
    return heartbeat, reading


def filled(said: Heartbeat, earlier: Heartbeat) -> Heartbeat:
    """What a heartbeat says of its subject, and where it leaves something out, what an earlier one did."""
    return Heartbeat(
        status=said.status,
        integration=said.integration or earlier.integration,
        interval_s=said.interval_s or earlier.interval_s,
        name=said.name or earlier.name,
        model=said.model or earlier.model,
        space=said.space or earlier.space,
    )


def gist(value: bytes) -> int | None:
    """The hash of what a heartbeat says, without the sender's own notes; None for one that cannot be read."""
    if len(value) > HEARTBEAT_MAX_BYTES:
        return None
    try:
        said = _decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    interval = said.interval_s
    if interval is not None and not INTERVAL_MIN_S <= interval <= INTERVAL_MAX_S:
        return None  # numbers far apart can have one hash
    return hash(said)


def _check_texts(said: Heartbeat) -> None:
    """Names and places are shown and kept: no control characters, and what UTF-8 can hold."""
    for field in ("integration", "name", "model", "space"):
        text = getattr(said, field)
        if text and not text.isprintable() and UNSHOWABLE.search(text):
            raise WrongRecord(DeadLetterCode.FIELD_INVALID, f"no control characters - at `$.{field}`")


def _unhealthy(status: str, subject_type: str) -> Reading:
    reading = _READINGS.get(status)
    if reading is None or reading not in CONDITIONS[subject_type]:
        raise WrongRecord(DeadLetterCode.STATUS_INVALID, f"no {subject_type} reports the status {status!r}")
    return reading


def is_behind_none(key: bytes) -> bool:
    """Whether the subject is an integration: no other stands before it, whatever is said of it."""
    return key.split(b"/", 2)[1] == b"integration"


def _check_integration(name: str) -> None:
    """Raises `WrongRecord` when no integration can have this id."""
    try:
        check_subject_id(name)
    except ValueError as error:
        raise WrongRecord(DeadLetterCode.FIELD_INVALID, f"{error} - at `$.integration`") from None
