"""The words in which the oracles of an org tell what happens: times in broker milliseconds, subjects as `type/id`."""

from collections.abc import Sequence
from typing import NamedTuple

HEALTHY, PENDING, FIRING, RESOLVING, UNKNOWN = "healthy", "pending_open", "firing", "pending_resolve", "unknown"
OFFLINE, LOST, MANY = "device_offline", "heartbeats_lost", "multiple_devices_offline"
UNREACHABLE = "integration_unreachable"
ALL = "other/heartbeats"
VERSION = 2
"""Of the policy that the shards judge by: the org's first one is what it begins with."""
WRONG = frozenset({PENDING, FIRING, RESOLVING})


def wrong_with(subject: str) -> str:
    """What is wrong with a subject that is not well."""
    return UNREACHABLE if subject.startswith("integration/") else OFFLINE


class Beat(NamedTuple):
    """A heartbeat of this subject, and what it says."""

    at: int
    subject: str
    status: str


class Quiet(NamedTuple):
    """A silence that people made, from `start` up to but without `end`."""

    subject: str
    start: int
    end: int


class Rules(NamedTuple):
    """What counts for one subject, and for the org."""

    timeout: int
    open_debounce: int
    resolve_debounce: int
    window: int
    many: int


class Moved(NamedTuple):
    """A transition that the world is shown. `since` is when the reading turned that it shows."""

    at: int
    subject: str
    from_state: str | None
    to_state: str | None
    condition: str | None
    since: int = 0
    policy_version: int = 0


class Ended(NamedTuple):
    """A verdict of this instant, and its outcome."""

    at: int
    subject: str
    outcome: str


def answered(ended: Sequence[Ended], idle: Sequence[Ended]) -> list[Ended]:
    """While a ticket is asked for and nobody has answered yet, a silence holds back what would else be about it; where
    it was there in one of `idle`, it is all one."""
    known = {(one.at, one.subject) for one in idle if one.outcome == "already_open"}
    return [
        one._replace(outcome="already_open") if one.outcome == "silenced" and (one.at, one.subject) in known else one
        for one in ended
    ]
