"""`health.transitions`: a subject moving from one health state to another."""

from enum import StrEnum
from typing import Any

from pydantic import Field

from fettle_contracts.identity import OrgName
from fettle_contracts.message import Message, is_none
from fettle_contracts.people import Subject
from fettle_contracts.times import Instant

SOURCE = "fettle/health-monitor"
"""Who says how subjects are."""
TRANSITION = "fettle.health.transition.v1"


class HealthState(StrEnum):
    """How a subject is, as the monitor shows it."""

    HEALTHY = "healthy"
    PENDING_OPEN = "pending_open"
    FIRING = "firing"
    PENDING_RESOLVE = "pending_resolve"
    FLAPPING = "flapping"
    UNKNOWN = "unknown"


FAILING = (HealthState.FIRING, HealthState.PENDING_RESOLVE, HealthState.FLAPPING)
"""Who is known to be down, or not yet confirmed to be well again; of who is unknown nobody can tell."""

CONFIRMED_UNHEALTHY = (*FAILING, HealthState.UNKNOWN)
"""Whom lists and the overview count as unhealthy; who waits for the open debounce is not yet."""


class Condition(StrEnum):
    """What is wrong with a subject; also the kind of the ticket about it."""

    DEVICE_OFFLINE = "device_offline"
    INTEGRATION_UNREACHABLE = "integration_unreachable"
    INTEGRATION_CREDENTIALS_INVALID = "integration_credentials_invalid"


class TransitionSubject(Subject):
    """The subject, with the connection that it reports through."""

    integration: str | None = Field(default=None, exclude_if=is_none)


class Transition(Message):
    """`from` is null when the subject is first heard or registered, `to` is null when it is forgotten.

    `at` is broker time, the instant at which the rule became true; `since` is since when it
    reads as it does: when the trouble began, and of who recovers when that was over.
    """

    org: OrgName
    subject: TransitionSubject
    from_: HealthState | None = Field(default=None, alias="from")
    to: HealthState | None = None
    condition: Condition | None = None
    at: Instant
    since: Instant | None = None
    policy_version: int = 0
    flap_count: int = 0
    evidence: dict[str, Any] = Field(default_factory=dict)
