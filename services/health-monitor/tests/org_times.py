"""What the world is shown of an org whose devices flap, whose log has holes and whose policy changes, read naively.

What a shard says of each device by itself is what the judge's own oracle says (`judge_oracle.py`). This lays over it,
by the rules HM-150 to HM-160 and HM-228 to HM-230, what is known only of the whole org. It looks at every twentieth of
a second, keeps all facts, and asks of them anew what is true by now. Instants are broker milliseconds; how much of a
shard's log was observed by then is what `seen` says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from judge_log import LogRecord
from judge_oracle import SILENT, Rules, Subject
from judge_oracle import Oracle as Judge
from org_oracle import ALL, FIRING, HEALTHY, LOST, OFFLINE, PENDING, RESOLVING, UNKNOWN, Ended, Moved, Outage

from fettle_contracts.health_policy import HealthPolicy
from fettle_health_monitor.domain.control import Policy

STEP_MS = 50
FLAPPING = "flapping"
FAILING = frozenset({FIRING, RESOLVING, FLAPPING})
WRONG = frozenset({PENDING, *FAILING})


class Event(NamedTuple):
    """What a record brings of a subject, or that another policy holds: that it was heard, and what it said; which
    change its shard tells (from, to); and whether it is silent for too long by then."""

    at: int
    name: str = ""
    beat: str | None = None
    told: tuple[str | None, str] | None = None
    silent: bool = False
    version: int = 0


class ShardSays(Judge):
    """One shard's log, and all that it brings, in its order."""

    step = STEP_MS
    settled = 2_000

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []
        self._beat: str | None = None
        self._rules: dict[tuple[str, int], Rules] = {}

    def rules(self, subject: Subject) -> Rules:
        """All devices are alike but for their names."""
        which = (subject.key, self.policies["acme"].version)
        if which not in self._rules:
            self._rules[which] = super().rules(subject)
        return self._rules[which]

    def _tell(self, subject: Subject, to: str | None, flap_count: int) -> None:
        super()._tell(subject, to, flap_count)
        assert to is not None
        silent = subject.reading == SILENT
        change = (subject.told[-1].from_state, to)
        self.events.append(Event(self._at, subject.key.partition("/")[2], self._beat, change, silent))
        self._beat = None

    def _hear(self, key: str, said: dict[str, str]) -> None:
        if not self.policies["acme"].enabled:
            return
        self._beat = said["status"]
        super()._hear(key, said)
        if self._beat is not None:
            self.events.append(Event(self._at, key.partition("/")[2], self._beat))
        self._beat = None

    def _put(self, policy: Policy) -> None:
        super()._put(policy)
        self.events.append(Event(self._at, version=policy.version))


@dataclass
class Known:
    """A device: what is shown of it, and what its shard judges. While it is `apart` the two are not the same."""

    name: str
    shard: int
    moves: list[Moved] = field(default_factory=list)
    judged: str = ""
    silent: bool = False
    heard: int = 0
    apart: bool = False
    pending_from: int = 0

    @property
    def state(self) -> str | None:
        return self.moves[-1].to_state if self.moves else None

    def stood(self, at: int) -> str | None:
        before = [move.to_state for move in self.moves if move.at <= at]
        return before[-1] if before else None


class Oracle:
    """`moved` and `ended` are what must be seen in the end. `policies` are by version, `existing` those that ask for
    tickets about what fires already."""

    def __init__(
        self, policies: Mapping[int, HealthPolicy], existing: frozenset[int], behind: Mapping[str, str]
    ) -> None:
        self.policies, self.existing, self.behind = policies, existing, behind
        self.fleet: dict[str, Known] = {}
        self.moved: list[Moved] = []
        self.ended: list[Ended] = []
        self.outages: list[Outage] = []
        self.tickets: set[str] = set()
        self.judging: dict[int, int] = {}
        self.switched_on: dict[int, int] = {}
        self.records: list[list[int]] = []
        self.now = 0

    def read(self, logs: Sequence[Sequence[LogRecord]]) -> None:
        queue: list[tuple[int, int, int, Event]] = []
        for shard, log in enumerate(logs):
            says = ShardSays()
            says.read(log)
            queue += [(event.at, shard, place, event) for place, event in enumerate(says.events)]
            self.records.append([record.timestamp for record in log])
        queue.sort()
        for at in range(queue[0][0], min(log[-1] for log in self.records), STEP_MS):
            self.now = at
            self._let_run_out()
            while queue and queue[0][0] == at:
                _, shard, _, event = queue.pop(0)
                self._take(shard, event)
            self._let_run_out()

    def _let_run_out(self) -> None:
        while any(self._run_out(self.fleet[name]) for name in sorted(self.fleet)):
            pass

    # Time

    def seen(self, shard: int, at: int) -> int:
        """How much of the shard's log was observed by then: of a pause between two records two seconds at most."""
        total, before = 0, self.records[shard][0]
        for record in self.records[shard]:
            total += min(max(0, min(record, at) - before), 2_000)
            before = record
            if record >= at:
                break
        return total

    def is_blind(self, shard: int) -> bool:
        """Whether nobody can be heard now: the log has a hole."""
        after = [record for record in self.records[shard] if record >= self.now]
        before = [record for record in self.records[shard] if record < self.now]
        return bool(after and before and after[0] > self.now and after[0] - before[-1] >= 5_000)

    def restarts(self, shard: int) -> int:
        """From when on everybody had its times anew: the end of the last hole, or when the org was switched on."""
        records = [record for record in self.records[shard] if record <= self.now]
        ends = [after for before, after in pairwise(records) if after - before >= 5_000]
        return max([0, *ends, self.switched_on.get(shard, 0)])

    def rules(self, known: Known) -> HealthPolicy:
        return self.policies[self.judging[known.shard]]

    def timeout(self, known: Known) -> int:
        policy = self.rules(known)
        own = [override.timeout_s for override in policy.overrides if override.match.subject == known.name]
        return 1000 * ((own[0] if own else policy.timeout_s) or 0)

    def _lasted(self, known: Known, start: int, length: int) -> bool:
        return self.seen(known.shard, self.now) - self.seen(known.shard, start) >= length

    def _fresh_time_is_over(self, known: Known) -> bool:
        resumed = self.outages[-1].resumed
        start = max(resumed or 0, self.restarts(known.shard))
        return resumed is not None and self._lasted(known, start, self.timeout(known))

    def _pending_is_over(self, known: Known) -> bool:
        debounce, restart = 1000 * self.rules(known).open_debounce_s, self.restarts(known.shard)
        if known.silent and restart > known.pending_from:
            return self._lasted(known, restart, self.timeout(known) + debounce)
        switched_on = 0 if known.silent else self.switched_on.get(known.shard, 0)
        return self._lasted(known, max(known.pending_from, switched_on), debounce)

    def _run_out(self, known: Known) -> bool:
        """Whether a time of its own was over by now that had not been yet."""
        rests_on_silence = known.silent or known.state != PENDING
        if not known.apart or not self.rules(known).enabled or (rests_on_silence and self.is_blind(known.shard)):
            return False
        if known.state == PENDING:
            if self._pending_is_over(known):
                return self._agree(known)
        elif known.state == UNKNOWN:
            if known.silent and self._fresh_time_is_over(known):
                return self._pend(known)
        elif known.state in FAILING and self._fresh_time_is_over(known):
            return self._agree(known)
        return False

    # What shards say

    def _take(self, shard: int, event: Event) -> None:
        if event.version:
            self._put(shard, event.version)
            return
        known = self.fleet.setdefault(event.name, Known(event.name, shard))
        if event.beat is not None:
            known.heard = self.now
        if event.told is not None:
            known.judged, known.silent = event.told[1], event.silent
        elif event.beat is not None:
            known.silent = False
        if not known.apart:
            if event.told is not None:
                self._first(known, *event.told)
        elif event.beat is not None:
            self._hear_apart(known, event.beat)
        else:
            assert event.told is not None
            self._apart(known, *event.told)

    def _first(self, known: Known, from_: str | None, to: str) -> None:
        """A change of one that was shown as it is judged."""
        fires = known.silent and from_ == PENDING and to == FIRING
        if fires and not self._is_lost() and self._loses_heartbeats(known):
            return
        if not self._is_excused(known) or (from_ == PENDING and not self._is_lost()):
            self._move(known, to)
        elif from_ in FAILING:
            known.apart = True
        else:
            self._lose(known)
            self._unobserved(known, from_, to)

    def _hear_apart(self, known: Known, says: str) -> None:
        """A heartbeat of one that is shown otherwise than judged."""
        if known.state == UNKNOWN:
            self._count_as_heard(known)
        if known.state in FAILING or known.judged == FLAPPING:
            self._agree(known)
        elif says != "ok":
            if known.state != PENDING:
                self._pend(known)
        else:
            if known.state != HEALTHY:
                self._move(known, HEALTHY)
            known.apart = known.judged != HEALTHY

    def _apart(self, known: Known, from_: str | None, to: str) -> None:
        """A change that no heartbeat has made, of one that is shown otherwise than judged."""
        if known.state == UNKNOWN:
            self._unobserved(known, from_, to)
        elif known.state == HEALTHY and known.silent and self._is_excused(known):
            self._lose(known)
            self._unobserved(known, from_, to)
        elif known.state in FAILING or (known.silent and self._is_excused(known)):
            pass
        elif to == FLAPPING:
            self._agree(known)
        elif to in (HEALTHY, RESOLVING):
            if known.state != HEALTHY:
                self._move(known, HEALTHY)
            known.apart = to != HEALTHY
        elif known.state == HEALTHY:
            self._pend(known)

    def _put(self, shard: int, version: int) -> None:
        before = self.policies[self.judging[shard]].enabled if shard in self.judging else True
        after = self.judging.get(shard, 0)
        self.judging[shard] = version
        if self.policies[version].enabled and not before:
            self.switched_on[shard] = self.now
        asked = any(after < each <= version for each in self.existing)
        if asked and self.policies[version].publish_tickets:
            for known in self.fleet.values():
                if known.shard == shard and known.state in FAILING:
                    self._call(known, known.name, OFFLINE)

    # What is shown

    def _move(self, known: Known, to: str) -> None:
        before = known.state
        wrong = WRONG & {before, to} and to != UNKNOWN
        move = Moved(self.now, known.name, before, to, OFFLINE if wrong else None)
        known.moves.append(move)
        self.moved.append(move)
        if to == FLAPPING or (to == FIRING and before not in (RESOLVING, FLAPPING)):
            self._call(known, known.name, OFFLINE)
        elif to == HEALTHY and before in FAILING:
            self._recover(known)

    def _agree(self, known: Known) -> bool:
        """From now on it is shown as it is judged."""
        known.apart = False
        if known.state != known.judged:
            self._move(known, known.judged)
        return True

    def _pend(self, known: Known) -> bool:
        known.pending_from = self.now
        self._move(known, PENDING)
        return True

    def _lose(self, known: Known) -> None:
        self.outages[-1].lost.add(known.name)
        self._move(known, UNKNOWN)
        known.apart = True

    # Lost heartbeats

    def _is_lost(self) -> bool:
        return bool(self.outages) and self.outages[-1].resumed is None

    def _is_old(self, known: Known) -> bool:
        resumed = self.outages[-1].resumed if self.outages else None
        return known.silent and resumed is not None and known.heard < resumed

    def _is_excused(self, known: Known) -> bool:
        return known.silent and (self._is_lost() or (self._is_old(known) and not self._fresh_time_is_over(known)))

    def _count_as_heard(self, known: Known) -> None:
        outage = self.outages[-1]
        if outage.resumed is None:
            outage.heard.add(known.name)
            behind = {self.behind[name] for name in outage.heard}
            if len(behind) >= 2 or len(outage.heard) * 10 >= len(outage.lost):
                outage.resumed = self.now

    def _loses_heartbeats(self, firing: Known) -> bool:
        window = 1000 * self.rules(firing).rollup_window_s
        counted = [
            known
            for known in self.fleet.values()
            if known.stood(self.now - window) == HEALTHY and self.timeout(known) <= window and not self._is_old(known)
        ]
        silent = [known for known in counted if known.state in (PENDING, FIRING) and known.silent]
        behind = {self.behind[known.name] for known in silent}
        if len(silent) < 10 or len(behind) < 2 or len(silent) * 5 < len(counted) * 4:
            return False
        pending = [known for known in self.fleet.values() if known.state == PENDING and known.silent]
        unknown = {known.name for known in self.fleet.values() if known.state == UNKNOWN}
        names = unknown | {known.name for known in pending}
        self.outages.append(Outage(self.now, max(known.heard for known in pending), len(counted), names))
        for known in pending:
            self._lose(known)
        self._unobserved(firing, PENDING, FIRING)
        self._call(firing, ALL, LOST)
        return True

    # Verdicts

    def _unobserved(self, known: Known, from_: str | None, to: str) -> None:
        if to == FLAPPING or (to == FIRING and from_ not in (RESOLVING, FLAPPING)):
            self.ended.append(Ended(self.now, known.name, "unobserved"))

    def _call(self, known: Known, subject: str, condition: str) -> None:
        key = f"{subject}:{condition}"
        if not self.rules(known).enabled:
            outcome = "refused"
        elif not self.rules(known).publish_tickets:
            outcome = "unpublished"
        else:
            outcome = "already_open" if key in self.tickets else "opened"
            self.tickets.add(key)
        self.ended.append(Ended(self.now, subject, outcome))

    def _recover(self, known: Known) -> None:
        key = f"{known.name}:{OFFLINE}"
        self.ended.append(Ended(self.now, known.name, "resolved" if key in self.tickets else "nothing_to_resolve"))
        self.tickets.discard(key)
