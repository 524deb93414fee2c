"""Subjects as the health page shows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zlib import crc32

from fettle_console.views.words import HEALTH, condition, span
from fettle_contracts.identity import HEARTBEAT_TYPES
from fettle_contracts.ticket import Ticket
from fettle_contracts.times import parse_time
from fettle_contracts.transitions import HealthState


@dataclass(frozen=True, slots=True)
class Watched:
    """One subject. `key` names it in a page, `mark` is the picture of its state, `since` None while not judged. `told`
    is whether anybody said when it was last `heard` (None: never)."""

    key: str
    type: str
    id: str
    name: str
    mark: str
    state: str
    since: datetime | None
    integration: str
    space: str
    ticket: int | None
    told: bool
    heard: datetime | None

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "Watched":
        state = item.get("state")
        ticket = item.get("ticket") or {}
        return cls(
            key=f"s-{crc32(item['type'].encode() + b'/' + item['id'].encode()):08x}",
            type=item["type"],
            id=item["id"],
            name=item.get("name") or item["id"],
            mark=state or HealthState.UNKNOWN,
            state=HEALTH[HealthState(state)] if state else "Not judged",
            since=parse_time(item["since"]) if item.get("since") else None,
            integration=item.get("integration") or "",
            space=item.get("space") or "",
            ticket=ticket.get("number"),
            told=item.get("last_heard_as_of") is not None,
            heard=parse_time(item["last_heard"]) if item.get("last_heard") else None,
        )


@dataclass(frozen=True, slots=True)
class Changed:
    """One transition in words. `mark` is the picture of the state that it led to; `why` the judge's own reason."""

    at: datetime
    mark: str
    state: str
    why: str

    @classmethod
    def of(cls, transition: Mapping[str, Any]) -> "Changed":
        state = transition.get("to")
        wrong = transition.get("condition")
        reason = (transition.get("evidence") or {}).get("reason") or ""
        said = [condition(wrong)] if wrong else []
        return cls(
            at=parse_time(transition["at"]),
            mark=state or HealthState.UNKNOWN,
            state=HEALTH[HealthState(state)] if state else "Forgotten",
            why=", ".join([*said, *([str(reason).replace("_", " ")] if reason else [])]),
        )


def watched_subject(ticket: Ticket) -> str | None:
    """The ticket's subject as `type/id`, if it is of a kind that the health monitor watches."""
    subject = ticket.subject
    return f"{subject.type.value}/{subject.id}" if subject.type in HEARTBEAT_TYPES else None


_UNWATCHED = {
    "subject_cap": "It is not watched: the org has as many subjects as its policy allows.",
    "list_only": "It is not watched: when it last reported, the org's policy watched only what is registered.",
}

_HOW = {
    HealthState.HEALTHY: ("has been healthy", ""),
    HealthState.PENDING_OPEN: ("has been unhealthy", ", not yet long enough for a ticket"),
    HealthState.FIRING: ("has been down", ""),
    HealthState.PENDING_RESOLVE: ("has been heard again", ", not yet long enough to resolve its ticket"),
    HealthState.FLAPPING: ("has been coming and going", ""),
    HealthState.UNKNOWN: ("has been out of sight", ""),
}


def subject_sentence(detail: Mapping[str, Any], now: datetime) -> str:
    """How it is and for how long, and when it was last heard."""
    name, state = detail.get("name") or detail["id"], detail.get("state")
    if state is None:
        return _UNWATCHED.get(detail.get("unwatched") or "", f"{name} is not judged.")
    how, but = _HOW[HealthState(state)]
    lasted = f" for {_span(detail['since'], now)}" if detail.get("since") else ""
    heard = f"; last heard {_span(detail['last_heard'], now)} ago" if detail.get("last_heard") else ""
    return f"{name} {how}{lasted}{but}{heard}."


def _span(since: str, now: datetime) -> str:
    return span((now - parse_time(since)).total_seconds())
