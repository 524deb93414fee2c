"""`device.heartbeats`: what devices and gateways write, and the limits that every reader and writer shares."""

from enum import StrEnum

from pydantic import Field

from fettle_contracts.identity import SubjectType
from fettle_contracts.message import Message
from fettle_contracts.times import Instant

HEARTBEAT_MAX_BYTES = 16 * 1024
INTERVAL_MIN_S = 1
INTERVAL_MAX_S = 86_400
CONTROL_HEADER = "fettle-control"


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


class Heartbeat(Message):
    """The value of a heartbeat; an empty value means `status: ok`. `at` and `seq` are evidence, never judged by."""

    status: HeartbeatStatus = HeartbeatStatus.OK
    integration: str | None = None
    interval_s: int | None = Field(default=None, ge=INTERVAL_MIN_S, le=INTERVAL_MAX_S)
    name: str | None = None
    model: str | None = None
    space: str | None = None
    reason: str | None = None
    at: Instant | None = None
    seq: int | None = None
