"""Subjects as the health page shows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fettle_console.views.words import HEALTH
from fettle_contracts.identity import HEARTBEAT_TYPES
from fettle_contracts.ticket import Ticket
from fettle_contracts.times import parse_time
from fettle_contracts.transitions import HealthState


@dataclass(frozen=True, slots=True)
class Watched:
    """One subject. `mark` is the picture of its state, `since` None while it is not judged."""

    type: str
    id: str
    name: str
    mark: str
    state: str
    since: datetime | None
    integration: str
    space: str
    ticket: int | None

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "Watched":
        state = item.get("state")
        ticket = item.get("ticket") or {}
        return cls(
            type=item["type"],
            id=item["id"],
            name=item.get("name") or item["id"],
            mark=state or HealthState.UNKNOWN,
            state=HEALTH[HealthState(state)] if state else "Not judged",
            since=parse_time(item["since"]) if item.get("since") else None,
            integration=item.get("integration") or "",
            space=item.get("space") or "",
            ticket=ticket.get("number"),
        )


def watched_subject(ticket: Ticket) -> str | None:
    """The ticket's subject as `type/id`, if it is of a kind that the health monitor watches."""
    subject = ticket.subject
    return f"{subject.type.value}/{subject.id}" if subject.type in HEARTBEAT_TYPES else None
