"""Tickets once more, naively: what an org's commands come to, one after the other, as the product's table says it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

WINDOW = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
MOVES = {"start": "in_progress", "move-to-open": "open", "resolve": "resolved", "reopen": "open"}
NAMES = {"start": "started", "move-to-open": "moved-to-open", "resolve": "resolved", "reopen": "reopened"}
FORBIDDEN = {("start", "resolved"), ("move-to-open", "resolved"), ("reopen", "in_progress")}
ELSEWHERE = ("merged", "superseded", "removed")
MONITOR = "health_monitor"
ENDS = {"user": "by_person", "workflow": "by_workflow", "health_monitor": "recovered"}


class Said(NamedTuple):
    """A command as it was sent, by either door. `actor` is what kind of actor `who` is, `more` what its verb carries,
    `at` when it became true."""

    id: str
    verb: str
    actor: str
    number: int | None = None
    key: str | None = None
    comment: str | None = None
    more: dict[str, Any] = {}  # noqa: RUF012 - nobody writes to it
    at: datetime | None = None
    who: str = "ann@acme.test"

    @property
    def by(self) -> str:
        """Who did it, as its entry says: the person, the workflow, or the monitor, of which there is one."""
        return MONITOR if self.actor == MONITOR else self.who


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
    opened_at: datetime
    opened_by: str
    state: str = "open"
    description: str = ""
    description_version: int = 1
    links: int = 0
    started_by: str | None = None
    resolved_by: str | None = None
    resolution: str | None = None
    resolved_at: datetime | None = None
    previous: int | None = None
    parent: int | None = None
    updated_at: datetime = field(init=False)
    timeline: list[tuple[str, str]] = field(init=False)
    """Each entry, and who made it."""
    members: dict[str, bool] = field(default_factory=dict)
    """Who is on the checklist, and who of them has recovered."""
    unsaid: bool = False
    spoke_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.updated_at = self.spoke_at = self.opened_at
        self.timeline = [("opened", self.opened_by)]

    def add(self, entries: list[str], by: str, at: datetime) -> None:
        """What they did at that time; before it the timeline speaks of the checklist, if that is due."""
        made = [(entry, by) for entry in entries]
        if self.unsaid and at - self.spoke_at >= MINUTE:
            made, self.unsaid, self.spoke_at = [("checklist-changed", MONITOR), *made], False, at
        if made:
            self.timeline += made
            self.updated_at = at

    def not_before(self, at: datetime) -> datetime:
        return max(at, self.updated_at)

    def standing(self) -> tuple[Any, ...]:
        """What its row says."""
        named = (self.number, self.source, self.key, self.title, self.opened_at, self.state)
        edited = (self.description, self.description_version, self.links)
        ended = (self.resolution, self.resolved_at, self.previous, self.parent, self.updated_at)
        worked = (self.opened_by, self.started_by, self.resolved_by)
        return (*named, *edited, *ended, *worked, len(self.members), sum(self.members.values()), len(self.timeline))


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
        return self._of_ref({"dedup_key": said.key} if said.key is not None else {"number": said.number})

    def _of_ref(self, ref: dict[str, Any]) -> Known | None:
        if "dedup_key" in ref:
            return self._of_key(ref["dedup_key"])
        return next((ticket for ticket in self.tickets if ticket.number == ref["number"]), None)

    def _of_key(self, key: str) -> Known | None:
        held = [ticket for ticket in self.tickets if ticket.key == key]
        return next((ticket for ticket in held if ticket.state != "resolved"), held[-1] if held else None)

    def _parent(self, said: Said) -> Known | None:
        return None if said.more.get("parent") is None else self._of_ref(said.more["parent"])

    def _open(self, said: Said, now: datetime) -> Outcome:
        latest, at, parent = None if said.key is None else self._of_key(said.key), said.at or now, self._parent(said)
        if not said.more["title"]:
            return _met("rejected", latest, "title_empty")
        if latest is not None and latest.state != "resolved":
            return _met("unchanged", latest)
        if latest is not None and latest.resolution not in ELSEWHERE and _inside(latest, at):
            at = latest.not_before(at)
            self._move(latest, "reopen", said, at)
            if parent is not None and parent is not latest:
                latest.parent = parent.number
            latest.add(["reopened"], said.by, at)
            return _met("applied", latest)
        ticket = Known(len(self.tickets) + 1, said.actor, said.key, said.more["title"], at, said.by)
        ticket.previous = None if latest is None else latest.number
        ticket.parent = None if parent is None else parent.number
        self.tickets.append(ticket)
        return _met("applied", ticket)

    def _on(self, ticket: Known, said: Said, now: datetime) -> Outcome:
        refused = self._refused(ticket, said, now)
        if refused is not None:
            return _met("rejected", ticket, refused)
        if said.verb == "update-checklist":
            return self._on_checklist(ticket, said, now)
        at, entries, comments = ticket.not_before(said.at or now), list[str](), (said.comment or "").strip() != ""
        if said.verb in MOVES and ticket.state != MOVES[said.verb]:
            self._move(ticket, said.verb, said, at)
            entries.append(NAMES[said.verb])
            if said.verb == "resolve":
                ticket.resolution = said.more.get("resolution") or ticket.resolution
                parent = self._parent(said)
                ticket.parent = ticket.parent if parent is None else parent.number
                comments |= parent is not None and ticket.resolution == "merged"
        if said.verb == "edit-description" and said.more["description"] != ticket.description:
            ticket.description = said.more["description"]
            ticket.description_version += 1
            entries.append("description-edited")
        if said.verb == "set-links" and len(said.more["links"]) != ticket.links:
            ticket.links = len(said.more["links"])
            ticket.description_version += 1
            entries.append("links-edited")
        entries += ["comment-added"] if comments else []
        if entries:
            ticket.add(entries, said.by, at)
        return _met("applied" if entries else "unchanged", ticket)

    def _on_checklist(self, ticket: Known, said: Said, now: datetime) -> Outcome:
        changed = False
        for subject in said.more["add"]:
            changed |= ticket.members.get(subject["id"], True)
            ticket.members[subject["id"]] = False
        for subject in said.more["recovered"]:
            if ticket.members.get(subject["id"]) is False:
                changed = ticket.members[subject["id"]] = True
        ticket.unsaid |= changed
        if changed:
            ticket.add([], said.by, ticket.not_before(now))
        return _met("applied" if changed else "unchanged", ticket)

    def _refused(self, ticket: Known, said: Said, now: datetime) -> str | None:
        if said.verb == "update-checklist":
            return None if ticket.source == "health_monitor" else "wrong_state"
        if said.verb == "comment":
            return None if (said.comment or "").strip() else "comment_empty"
        if said.verb == "edit-description":
            same, seen = said.more["description"] == ticket.description, said.more.get("description_version")
            return "description_changed" if not same and seen not in (None, ticket.description_version) else None
        if said.verb == "set-links":
            if len(said.more["links"]) > 10:
                return "too_many_links"
            same, seen = len(said.more["links"]) == ticket.links, said.more.get("description_version")
            return "description_changed" if not same and seen not in (None, ticket.description_version) else None
        if (said.verb, ticket.state) in FORBIDDEN or (said.actor, ticket.source) in NOT_THE_MONITORS:
            return "wrong_state"
        if said.verb == "resolve" and ticket.state != "resolved" and said.more.get("parent"):
            return "parent_invalid" if self._parent(said) in (None, ticket) else None
        if said.verb == "reopen" and ticket.state == "resolved":
            return None if self._comes_back(ticket, said.actor, said.at or now) else "wrong_state"
        return None

    def _comes_back(self, ticket: Known, actor: str, at: datetime) -> bool:
        holder = None if ticket.key is None else self._of_key(ticket.key)
        if holder is not None and holder.state != "resolved":
            return False
        its_own = actor == "health_monitor" and ticket.resolution not in ELSEWHERE
        return actor == "user" or (its_own and _inside(ticket, at))

    def _move(self, ticket: Known, verb: str, said: Said, at: datetime) -> None:
        if verb == "reopen" and ticket.resolution == "merged":
            ticket.parent = None
        ticket.state = MOVES[verb]
        resolved = verb == "resolve"
        ticket.resolution, ticket.resolved_at = (ENDS[said.actor], at) if resolved else (None, None)
        ticket.resolved_by = said.by if resolved else None
        if not resolved:
            ticket.started_by = said.by if verb == "start" else None


NOT_THE_MONITORS = {("health_monitor", "user"), ("health_monitor", "workflow")}


def _inside(ticket: Known, at: datetime) -> bool:
    return ticket.resolved_at is not None and at - ticket.resolved_at < WINDOW


def _met(outcome: str, ticket: Known | None, code: str | None = None) -> Outcome:
    if ticket is None:
        return Outcome(outcome, code)
    return Outcome(outcome, code, ticket.number, ticket.state, len(ticket.timeline))
