"""How an org's subjects stand while a day is replayed: what Postgres knows in operation."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import replace

from fettle_contracts.transitions import HealthState
from fettle_health_monitor.domain.correlator.losses import (
    ALL_HEARTBEATS,
    ALL_TOLD,
    Census,
    Hush,
    Past,
    Standing,
    by_silence,
    integration_behind,
    is_old,
    may_lose,
)
from fettle_health_monitor.domain.correlator.policies import PolicyVersion
from fettle_health_monitor.domain.correlator.rollups import Member, Spell, integration_of, is_integration
from fettle_health_monitor.domain.correlator.unseen_subjects import Rules
from fettle_health_monitor.domain.correlator.verdicts import Named
from fettle_health_monitor.domain.judgements import Change, Profile

DOWN = frozenset({HealthState.PENDING_OPEN, HealthState.FIRING})
_FIRES_AGAIN = frozenset({"stable", "reported", "silent_since_reporting_resumed"})


class Subjects:
    """What is shown of each subject, and what it is called."""

    def __init__(self, version: PolicyVersion) -> None:
        self.version = version
        self.last: dict[str, Change] = {}
        self.down: set[str] = set()
        self.fresh: dict[str, int] = {}
        """Since when devices are judged afresh that were not well when their integration recovered."""
        self._profiles: dict[str, Profile] = {}
        self._rules: dict[str, Rules] = {}
        self._past: deque[Change] = deque()
        self._failing: defaultdict[str, dict[str, Spell]] = defaultdict(dict)
        self._failed: defaultdict[str, deque[Spell]] = defaultdict(deque)
        self.window_ms = version.rules_for(ALL_HEARTBEATS, None, None).rollup_window_s * 1000

    def learn(self, profile: Profile) -> None:
        self._profiles[profile.subject] = profile
        self._rules.pop(profile.subject, None)

    def named(self, subject: str) -> Named:
        said = self._profiles.get(subject)
        return Named() if said is None else Named(said.name, said.integration, said.space)

    def group_of(self, subject: str) -> str | None:
        """The integration that a subject is, or is behind."""
        if is_integration(subject):
            return subject
        integration = self.named(subject).integration
        return None if integration is None else integration_of(integration)

    def rules(self, subject: str) -> Rules:
        found = self._rules.get(subject)
        if found is None:
            said = self._profiles.get(subject)
            integration, model, interval_s = (
                (None, None, None) if said is None else (said.integration, said.model, said.interval_s)
            )
            rules = self.version.rules_for(subject, integration, model)
            timeout_ms = round(rules.timeout_for(interval_s) * 1000)
            found = self._rules[subject] = Rules(
                timeout_ms, rules.open_debounce_s * 1000, integration_behind(subject, integration), self.version.version
            )
        return found

    def show(self, change: Change) -> None:
        """From now on the subject stands as this change says."""
        self.last[change.subject] = change
        self._past.append(change)
        while self._past[0].at <= change.at - self.window_ms:
            self._past.popleft()
        is_down = change.to_state in DOWN
        (self.down.add if is_down else self.down.discard)(change.subject)
        if change.to_state == HealthState.HEALTHY:
            self.fresh.pop(change.subject, None)
        group = self.group_of(change.subject)
        if group is None or is_integration(change.subject):
            return
        spell = self._failing[group].pop(change.subject, None)
        if is_down:
            member = Member(change.subject, change.condition or "", self.named(change.subject).name)
            again = change.to_state == HealthState.FIRING and change.reason in _FIRES_AGAIN
            self._failing[group][change.subject] = Spell(member, change.since, from_at=change.at if again else 0)
        elif spell is not None:
            self._failed[group].append(replace(spell, until=change.at))

    def spells(self, group: str, at: int) -> list[Spell]:
        """Who behind this integration is not well, or was within the window before an instant."""
        failed = self._failed[group]
        while failed and (failed[0].until or 0) <= at - self.window_ms:
            failed.popleft()
        return [self._afresh(spell) for spell in (*self._failing[group].values(), *failed)]

    def _afresh(self, spell: Spell) -> Spell:
        since = self.fresh.get(spell.member.subject)
        if since is None:
            return spell
        return replace(spell, since=max(spell.since, since + self.rules(spell.member.subject).timeout_ms))

    def may_lose(self, moving: int) -> bool:
        """Whether heartbeats can be lost while so many more move."""
        down = len(self.down) + moving
        return may_lose(down, len(self.last) - down, ALL_TOLD)

    def census(self, first: int, hushes: Sequence[Hush], resumed_at: int | None) -> Census:
        """Everybody, as they stand; the window ends at `first` at the earliest."""
        past = [change for change in self._past if change.at > first - self.window_ms]
        at_beginning = {change.subject: change.from_state for change in reversed(past)}
        standings = {
            subject: Standing(
                state=last.to_state,
                silent=by_silence(last),
                at_beginning=at_beginning.get(subject, last.to_state),
                counts=self.rules(subject).timeout_ms <= self.window_ms,
                integration=self.rules(subject).integration,
                old=is_old(last, resumed_at),
            )
            for subject, last in self.last.items()
        }
        moved = [Past(change.at, change.subject, change.to_state) for change in past]
        return Census(standings, moved, self.window_ms, hushes, resumed_at)
