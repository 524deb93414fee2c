"""Devices that fail together are one incident: they share the ticket of what they have in common, their integration.

Either the integration has a ticket of its own, or so many devices behind it fail at a time that they get one together.
What is known of a device is known as of the verdict's instant, not as of the moment at which it is decided.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from fettle_contracts.identity import SubjectRef
from fettle_contracts.ticket import MANY_DEVICES_OFFLINE
from fettle_health_monitor.domain.correlator.incident import Incident
from fettle_health_monitor.domain.correlator.verdicts import Verdict

MANY: Final = MANY_DEVICES_OFFLINE
"""What a ticket about many devices says is wrong with their integration. No subject has this condition by itself."""


def integration_of(integration: str) -> str:
    """The subject of which devices say `integration`."""
    return f"integration/{integration}"


def is_integration(subject: str) -> bool:
    return subject.startswith("integration/")


def integration_named(subject: str) -> str:
    """What devices say of an integration's subject: its id."""
    return subject.removeprefix("integration/")


@dataclass(frozen=True, slots=True)
class Member:
    """A device that shares a ticket, or could."""

    subject: str
    condition: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Fresh:
    """A device has a fresh timeout from this instant on; which one, the policy says that its shard judges by."""

    since: int
    shard: int
    model: str | None = None
    interval_s: float | None = None


@dataclass(frozen=True, slots=True)
class Spell:
    """A device was not well from `since` on, until `until` (None: it still is not). Broker milliseconds; `since` is
    when its reading turned, or when its `fresh` timeout ended if that was later. For windows it counts from `down_from`
    on where that is later: it was pending in a hole of the log. Before `from_at` it was neither pending nor firing: it
    was flapping, say."""

    member: Member
    since: int
    until: int | None = None
    fresh: Fresh | None = None
    down_from: int = 0
    from_at: int = 0

    def lasts_at(self, at: int) -> bool:
        return max(self.since, self.from_at) <= at and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class Single:
    """A ticket of a device's own that is unresolved or about to be opened, and when it was asked for. `moved` is when
    its device has changed since, and whether it was well then: somebody may have reopened the ticket."""

    member: Member
    opened_at: int
    moved: tuple[tuple[int, bool], ...] = ()

    def is_well(self, at: int) -> bool:
        return next((well for moved_at, well in reversed(self.moved) if moved_at <= at), False)


@dataclass(frozen=True, slots=True)
class Parent:
    """A ticket that takes devices in: of which integration, about what, and its number once that is known. `ticket` is
    its id where the key may mean another one by now."""

    subject: str
    condition: str
    number: int | None = None
    ticket: UUID | None = None

    def __str__(self) -> str:
        return f"ticket #{self.number}" if self.number else f"the ticket about {self.subject}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One integration, its tickets by condition, and the devices behind it, as far as a decision needs them.

    `undecided`: somebody has resolved one of its tickets too early, or the one about many devices was refused, and it
    is not known yet whether it comes back.
    `spells` are none while `parent` takes everybody in; nobody is among them, or among the `singles`, who is silenced.
    `down` counts, where a ticket about many is decided about, its members that have neither recovered nor are silenced,
    and those that may join it yet.
    """

    subject: str
    name: str | None
    tickets: Mapping[str, Incident]
    undecided: bool = False
    spells: Collection[Spell] = ()
    singles: Collection[Single] = ()
    down: int = 0
    threshold: int
    window_ms: int

    @property
    def parent(self) -> Parent | None:
        """The ticket that a device joins: the integration's own before the one about many devices."""
        open_ = sorted((name == MANY, name) for name, incident in self.tickets.items() if incident.will_be_open)
        if not open_:
            return None
        condition = open_[0][1]
        ticket = self.tickets[condition].ticket
        return Parent(self.subject, condition, None if ticket is None else ticket.number)

    @property
    def has_many(self) -> bool:
        return MANY in self.tickets and self.tickets[MANY].will_be_open

    def failing(self, at: int) -> list[Member]:
        """The devices that turned unhealthy within the window before `at` and are still pending or firing then."""
        found = {
            spell.member.subject: spell.member
            for spell in self.spells
            if spell.lasts_at(at) and at - self.window_ms < max(spell.since, spell.down_from)
        }
        return [found[subject] for subject in sorted(found)]

    def singles_before(self, at: int) -> list[Single]:
        """The devices' own tickets of the window before `at`, but for those of who is well by then."""
        recent = [single for single in self.singles if at - self.window_ms < single.opened_at <= at]
        return [single for single in recent if not single.is_well(at)]


@dataclass(frozen=True, slots=True)
class Joins:
    """The device shares a ticket that is there, or is asked for."""

    parent: Parent


@dataclass(frozen=True, slots=True)
class Begins:
    """The device is one of many that fail: they get a ticket together. `failing` counts all of them, `members` are
    those that have reached their verdicts, `singles` the tickets of their own that some of them had."""

    failing: int
    members: tuple[Member, ...]
    singles: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Waits:
    """What the device would share has been resolved by somebody, who may have been too early."""


def shared(verdict: Verdict, group: Group) -> Joins | Begins | Waits | None:
    """What becomes of a device that calls for a ticket, or None if it gets one of its own."""
    if group.undecided:
        return Waits()
    if (parent := group.parent) is not None:
        return Joins(parent)
    if 1 + len(group.spells) < group.threshold:
        return None  # without a look at each: a storm of single tickets would look at all for each of them
    failing = {verdict.subject, *(member.subject for member in group.failing(verdict.at))}
    if len(failing) < group.threshold:
        return None
    singles = tuple(single.member for single in group.singles if single.member.subject in failing)
    return Begins(len(failing), (member_of(verdict), *singles), singles)


def member_of(verdict: Verdict) -> Member:
    return Member(verdict.subject, verdict.condition, verdict.named.name or SubjectRef.parse(verdict.subject).id)
