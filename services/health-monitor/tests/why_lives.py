"""Lives of one subject in which everything happens that decides about its ticket, and whether it has one, read naively:
from a replay of its whole log and from the rules HM-65, HM-66, HM-105, HM-120 to HM-127 and HM-318, with none of what
answers why."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from judge_log import DEVICE, GATEWAY, T0, Judged, Log, read_control
from msgspec.structs import replace as with_fields
from why_logs import changes_of, extracted, policies, under

from fettle_health_monitor.domain.control import Policy
from fettle_health_monitor.domain.correlator.decide import Switches
from fettle_health_monitor.domain.correlator.silences import Schedule, Silence
from fettle_health_monitor.domain.correlator.verdicts import Named
from fettle_health_monitor.domain.judgements import Change
from fettle_health_monitor.domain.why.changes import Case, NumberChange, SilenceChange, SwitchChange, WhatIf, with_rule
from fettle_health_monitor.domain.why.subject_log import Changed
from fettle_health_monitor.domain.why.tickets import Circumstances

FAILING = frozenset({"firing", "flapping"})
FAULTS = {DEVICE: ("offline",), GATEWAY: ("unreachable", "credentials_invalid")}


@dataclass(frozen=True)
class Life:
    """A subject's log from its org's first policy on, which versions publish, and what silences there are."""

    key: str
    log: Log
    publishing: Mapping[int, bool]
    silences: tuple[Silence, ...]

    @property
    def subject(self) -> str:
        return self.key.split("/", 1)[1]

    @property
    def at(self) -> int:
        return self.log.ms

    @property
    def case(self) -> Case:
        subject_log = extracted(self.log, 1, self.at, self.key.encode())
        enabled = {policy.version: policy.enabled for _, policy in put(self.log)}
        switches = {version: Switches(version, on, self.publishing[version]) for version, on in enabled.items()}
        known = Circumstances(
            from_at=self.log.records[0].timestamp,
            switches=switches,
            named=Named(),
            silences=self.silences,
            in_force=subject_log.in_force,
        )
        return Case(subject_log, known)

    @cached_property
    def changes(self) -> list[Change]:
        """Those of the subject, as it was."""
        return self._changes(self.log)

    @cached_property
    def has_ticket(self) -> bool:
        """As it was."""
        return _has_ticket(self.changes, put(self.log), self.publishing, self.silences, self.at)

    def would_have_ticket(self, change: WhatIf) -> bool:
        """With this one change in all that the shard and the correlator know."""
        log, publishing, silences = self.log, dict(self.publishing), self.silences
        match change:
            case NumberChange(rule, _, wanted):
                log = _under(log, lambda policy: with_rule(policy, self.subject, rule, wanted))
            case SwitchChange("enabled", wanted):
                log = _under(log, lambda policy: with_fields(policy, enabled=wanted))
            case SwitchChange(_, wanted):
                publishing = dict.fromkeys(publishing, wanted)
            case SilenceChange("add", silence):
                silences = (*silences, silence)
            case SilenceChange(_, silence):
                silences = tuple(each for each in silences if each.id != silence.id)
        changes = self.changes if log is self.log else self._changes(log)
        return _has_ticket(changes, put(log), publishing, silences, self.at)

    def _changes(self, log: Log) -> list[Change]:
        return changes_of(Judged().fold(log), self.key.encode())


def _under(log: Log, changed: Changed) -> Log:
    other = Log()
    other.records = under(log.records, changed)
    return other


def put(log: Log) -> list[tuple[int, Policy]]:
    """Which policies came into force when."""
    found = [(record.timestamp, read_control(record)) for record in log.records]
    return [(at, one.statement) for at, one in found if one is not None and isinstance(one.statement, Policy)]


def _has_ticket(
    changes: Sequence[Change],
    policies: Sequence[tuple[int, Policy]],
    publishing: Mapping[int, bool],
    silences: Collection[Silence],
    at: int,
) -> bool:
    by_version = {policy.version: policy for _, policy in policies}
    times = [(each.schedule.start, each.schedule.start + each.schedule.length_s * 1000) for each in silences]
    calls: list[tuple[int, str | None, int, bool]] = []
    for change in changes:
        fires = change.to_state == "firing" and change.from_state not in ("pending_resolve", "flapping")
        if fires or change.to_state == "flapping":
            calls.append((change.at, change.condition, change.policy_version, False))
        elif change.to_state in ("healthy", None):
            calls.append((change.at, None, change.policy_version, False))
    for _, end in times:
        before = [change for change in changes if change.at < end]
        after = [change for change in changes if change.at >= end]
        stood = before[-1] if before else None
        if stood is not None and stood.to_state in FAILING:
            version = [policy.version for since, policy in policies if since <= end][-1]
            calls.append((end, stood.condition, version, True))
        elif stood is not None and stood.to_state == "pending_resolve" and after and after[0].to_state in FAILING:
            calls.append((after[0].at, stood.condition, after[0].policy_version, True))
    tickets: set[str] = set()
    left_out = False
    for instant, condition, version, ends in sorted(calls, key=lambda each: each[0]):
        if instant > at:
            break
        if condition is None:
            tickets.clear()
            left_out = False
            continue
        if by_version[version].enabled and publishing[version] and ends and left_out and condition not in tickets:
            continue
        left_out = by_version[version].enabled and not publishing[version]
        silenced = any(start <= instant < end for start, end in times)
        if by_version[version].enabled and publishing[version] and condition not in tickets and not silenced:
            tickets = {condition}
    return bool(tickets)


def silence(id: int, start_ms: int, length_s: int, subject: str) -> Silence:
    return Silence(
        id=UUID(int=id), org="acme", subject=subject, schedule=Schedule(start_ms, length_s), by="ann@acme.test"
    )


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """It reports, fails, flaps and falls silent, its log has holes, policies change, silences hold."""
    key = draw(st.sampled_from([DEVICE, GATEWAY]))
    calm = st.just({"timeout_s": 4, "open_debounce_s": 2, "resolve_debounce_s": 2})
    log, seconds = Log().policy(**{**draw(policies() | calm), "enabled": draw(st.integers(0, 5)) > 0}), 0.0
    publishing = {1: draw(st.integers(0, 4)) > 0}
    for _ in range(draw(st.integers(2, 14))):
        pause = draw(st.sampled_from([0.5, 1, 2, 3, 5, 8, 13]))
        seconds += pause
        match draw(st.integers(0, 9)):
            case 0:
                log.at(seconds + 6)
                seconds += 6
                log.pulse()
            case 1:
                version = len(publishing) + 1
                publishing[version] = draw(st.integers(0, 4)) > 0
                rules: dict[str, Any] = {**draw(policies()), "enabled": draw(st.integers(0, 4)) > 0}
                log.pulsed(seconds).policy(version=version, **rules)
            case 2 | 3 | 4:
                log.pulsed(seconds).beat(key, status=draw(st.sampled_from(FAULTS[key])))
            case 5:
                log.pulsed(seconds)
            case _:
                log.pulsed(seconds).beat(key)
    log.pulsed(seconds + draw(st.sampled_from([1, 4, 10, 30])))
    lasts = round(log.ms - T0) // 1000
    quiet = draw(st.lists(st.tuples(st.integers(0, lasts), st.integers(1, lasts + 5)), max_size=2))
    subject = key.split("/", 1)[1]
    silences = tuple(silence(id, T0 + 1000 * at + 7, long, subject) for id, (at, long) in enumerate(quiet, 1))
    return Life(key, log, publishing, silences)
