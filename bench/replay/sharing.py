"""Who is on the list of which ticket while a day is replayed."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from uuid import UUID

from fettle_health_monitor.domain.correlator.commands import OwnCommand, checklists
from fettle_health_monitor.domain.correlator.rollups import MANY, Member, Parent, Single
from fettle_health_monitor.domain.correlator.verdicts import Verdict


@dataclass(slots=True)
class Listed:
    """A device on a list, ticked or not."""

    member: Member
    parent: Parent
    recovered: bool = False


@dataclass(slots=True)
class Lists:
    """By device whose list it is on; by integration how many on its lists are down, and the tickets of their own that
    devices behind it have."""

    of: dict[str, Listed] = field(default_factory=dict)
    down: Counter[str] = field(default_factory=Counter)
    singles: defaultdict[str, dict[str, Single]] = field(default_factory=lambda: defaultdict(dict))
    _add: defaultdict[Parent, list[Member]] = field(default_factory=lambda: defaultdict(list))
    _recovered: defaultdict[Parent, list[Member]] = field(default_factory=lambda: defaultdict(list))
    _last: dict[Parent, tuple[int, UUID]] = field(default_factory=dict)

    def join(self, verdict: Verdict, member: Member, parent: Parent) -> None:
        self._leave(member.subject)
        parent = Parent(parent.subject, parent.condition)
        self.of[member.subject] = Listed(member, parent)
        self.down[parent.subject] += 1
        self._add[parent].append(member)
        self._last[parent] = (verdict.at, verdict.id)

    def recover(self, verdict: Verdict) -> Parent | None:
        """Ticks a device. Answers whose list it is on."""
        listed = self.of.get(verdict.subject)
        if listed is None or listed.recovered:
            return None
        self._leave(verdict.subject)
        listed.recovered = True
        self._recovered[listed.parent].append(listed.member)
        self._last[listed.parent] = (verdict.at, verdict.id)
        return listed.parent

    def _leave(self, subject: str) -> None:
        before = self.of.get(subject)
        if before is not None and not before.recovered:
            self.down[before.parent.subject] -= 1

    def take_over(self, verdict: Verdict) -> None:
        """What was on the list about many devices is on that of the integration's own ticket."""
        into = Parent(verdict.subject, verdict.condition)
        for listed in self.of.values():
            if listed.parent.subject == verdict.subject and listed.parent.condition == MANY:
                listed.parent = into
                self._add[into].append(listed.member)
                self._last[into] = (verdict.at, verdict.id)

    def dissolve(self, subject: str, *, of_many: bool) -> list[str]:
        """The ticket has ended. Answers with those on its list that had not recovered."""
        gone = [
            device
            for device, listed in self.of.items()
            if listed.parent.subject == subject and (listed.parent.condition == MANY) == of_many
        ]
        left = [device for device in gone if not self.of[device].recovered]
        self.down[subject] -= len(left)
        for device in gone:
            del self.of[device]
        return left

    def said(self, org: str) -> list[OwnCommand]:
        """The commands that say what has come to lists and has recovered since they were asked for last."""
        sent = [
            command
            for parent, (at, cause) in self._last.items()
            for command in checklists(
                org, parent, add=self._add[parent], recovered=self._recovered[parent], at=at, caused_by=cause
            )
        ]
        for each in (self._add, self._recovered, self._last):
            each.clear()
        return sent
