"""Tickets once more, naively: what an org's commands come to, one after the other, as the product's table says it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

WINDOW = timedelta(hours=1)
MOVES = {"start": "in_progress", "move-to-open": "open", "resolve": "resolved", "reopen": "open"}
NAMES = {"start": "started", "move-to-open": "moved-to-open", "resolve": "resolved", "reopen": "reopened"}
FORBIDDEN = {("start", "resolved"), ("move-to-open", "resolved"), ("reopen", "in_progress")}
ENDS = {"user": "by_person", "workflow": "by_workflow", "health_monitor": "recovered"}


class Said(NamedTuple):
    """A command as it was sent, by either door. `more` is what its verb carries."""

    id: str
    verb: str
    actor: str
    number: int | None = None
    key: str | None = None
    comment: str | None = None
    more: dict[str, Any] = {}  # noqa: RUF012 - nobody writes to it


class Outcome(NamedTuple):
    """What the result says: the rejection's code if it is one, and the ticket that was met."""

    outcome: str
    code: str | None = None
    number: int | None = None
    state: str | None = None
    version: int | None = None


@dataclass
class Known:
    """A ticket."""

    number: int
    source: str
    key: str | None
    title: str
    state: str = "open"
    description: str = ""
    description_version: int = 1
    links: int = 0
    resolution: str | None = None
    resolved_at: datetime | None = None
    previous: int | None = None
    timeline: list[str] = field(default_factory=lambda: ["opened"])


@dataclass
class Model:
    """An org. `take` plays one command at its time."""

    tickets: list[Known] = field(default_factory=list)
    seen: dict[str, Outcome] = field(default_factory=dict)

    @property
    def counts(self) -> Counter[str]:
        return Counter(ticket.state for ticket in self.tickets)

    def take(self, said: Said, now: datetime) -> Outcome:
        assert said.id not in self.seen, f"{said.id} had two effects"
        if said.verb == "open":
            outcome = self._open(said, now)
        else:
            ticket = self._named(said)
            outcome = Outcome("rejected", "ticket_not_found") if ticket is None else self._on(ticket, said, now)
        self.seen[said.id] = outcome
        return outcome

    def _named(self, said: Said) -> Known | None:
        if said.key is not None:
            return self._of_key(said.key)
        return next((ticket for ticket in self.tickets if ticket.number == said.number), None)

    def _of_key(self, key: str) -> Known | None:
        held = [ticket for ticket in self.tickets if ticket.key == key]
        return next((ticket for ticket in held if ticket.state != "resolved"), held[-1] if held else None)

    def _open(self, said: Said, now: datetime) -> Outcome:
        latest = None if said.key is None else self._of_key(said.key)
        if not said.more["title"]:
            return _met("rejected", latest, "title_empty")
        if latest is not None and latest.state != "resolved":
            return _met("unchanged", latest)
        if latest is not None and latest.resolved_at is not None and now - latest.resolved_at < WINDOW:
            self._move(latest, "reopen", said.actor, now)
            return _met("applied", latest)
        ticket = Known(len(self.tickets) + 1, said.actor, said.key, said.more["title"])
        ticket.previous = None if latest is None else latest.number
        self.tickets.append(ticket)
        return _met("applied", ticket)

    def _on(self, ticket: Known, said: Said, now: datetime) -> Outcome:
        before = len(ticket.timeline)
        refused = self._refused(ticket, said, now)
        if refused is not None:
            return _met("rejected", ticket, refused)
        if said.verb in MOVES and ticket.state != MOVES[said.verb]:
            self._move(ticket, said.verb, said.actor, now)
        if said.verb == "edit-description" and said.more["description"] != ticket.description:
            ticket.description = said.more["description"]
            ticket.description_version += 1
            ticket.timeline.append("description-edited")
        if said.verb == "set-links" and len(said.more["links"]) != ticket.links:
            ticket.links = len(said.more["links"])
            ticket.description_version += 1
            ticket.timeline.append("links-edited")
        if said.comment and said.comment.strip():
            ticket.timeline.append("comment-added")
        return _met("applied" if len(ticket.timeline) > before else "unchanged", ticket)

    def _refused(self, ticket: Known, said: Said, now: datetime) -> str | None:
        if said.verb == "comment":
            return None if (said.comment or "").strip() else "comment_empty"
        if said.verb == "edit-description":
            same, seen = said.more["description"] == ticket.description, said.more.get("description_version")
            return "description_changed" if not same and seen not in (None, ticket.description_version) else None
        if said.verb == "set-links":
            return "too_many_links" if len(said.more["links"]) > 10 else None
        if (said.verb, ticket.state) in FORBIDDEN or (said.actor, ticket.source) in NOT_THE_MONITORS:
            return "wrong_state"
        if said.verb == "reopen" and ticket.state == "resolved" and not self._comes_back(ticket, said.actor, now):
            return "wrong_state"
        return None

    def _comes_back(self, ticket: Known, actor: str, now: datetime) -> bool:
        holder = None if ticket.key is None else self._of_key(ticket.key)
        if holder is not None and holder.state != "resolved":
            return False
        inside = ticket.resolved_at is not None and now - ticket.resolved_at < WINDOW
        return actor == "user" or (actor == "health_monitor" and inside)

    def _move(self, ticket: Known, verb: str, actor: str, now: datetime) -> None:
        ticket.state = MOVES[verb]
        ticket.timeline.append(NAMES[verb])
        resolved = verb == "resolve"
        ticket.resolution, ticket.resolved_at = (ENDS[actor], now) if resolved else (None, None)


NOT_THE_MONITORS = {("health_monitor", "user"), ("health_monitor", "workflow")}


def _met(outcome: str, ticket: Known | None, code: str | None = None) -> Outcome:
    if ticket is None:
        return Outcome(outcome, code)
    return Outcome(outcome, code, ticket.number, ticket.state, len(ticket.timeline))
