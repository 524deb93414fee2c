"""Every watched subject of a shard, judged by what is heard of it and by the time that passes."""

from typing import Final

from fettle_health_monitor.domain.judge.clock import ObservedClock
from fettle_health_monitor.domain.judge.flaps import Flaps
from fettle_health_monitor.domain.judge.heartbeats import Heartbeat
from fettle_health_monitor.domain.judge.policies import OrgPolicy, Timing
from fettle_health_monitor.domain.judge.scribe import Scribe
from fettle_health_monitor.domain.judge.states import (
    CONDITIONS,
    SILENCE_SAYS_MORE,
    WHEN_DEBOUNCE_PASSES,
    WHEN_READING_TURNS,
    Condition,
    Reading,
    Reason,
    State,
)
from fettle_health_monitor.domain.judge.subjects import HEARD_UNTOLD, UNHEARD, Subjects
from fettle_health_monitor.domain.judge.timers import Timers

_STATES = tuple(State)
_READINGS = tuple(Reading)
_CONDITIONS = tuple(Condition)
_HEALTHY: Final = int(State.HEALTHY)
_OK: Final = int(Reading.OK)
_NOTHING_WRONG: Final = frozenset({None, State.HEALTHY})

_HEARD: Final = frozenset({Reason.REPORTED, Reason.JUDGED_AGAIN})

NEVER: Final = 1 << 62


class Judge:
    """Judges subjects, one row each. It knows nothing of records: the shard tells it what was heard and that the
    clock has moved.

    `judging` is off while the shard waits to be told what is in force: then subjects are heard and nothing is decided.
    """

    __slots__ = (
        "clock",
        "flaps",
        "judging",
        "never_well",
        "policies",
        "scribe",
        "subjects",
        "timers",
        "turned",
        "unjudged",
    )

    def __init__(self, clock: ObservedClock, subjects: Subjects, scribe: Scribe, *, judging: bool) -> None:
        self.clock = clock
        self.subjects = subjects
        self.scribe = scribe
        self.judging = judging
        self.policies: dict[str, OrgPolicy] = {}
        self.timers = Timers(subjects.queued)
        self.flaps = Flaps(lambda row: self.timing(row).flap_window)
        self.turned: dict[int, tuple[int, int]] = {}
        """By row, observed and broker time. Of an unhealthy subject: when its condition last changed. Of a flapping
        one: when its reading last turned before it began to flap. Of who is not here, `since` says it."""
        self.unjudged: dict[int, tuple[int, int]] = {}
        """While nothing is judged: the reading of who has another one since, and what it had reported, as they were."""
        self.never_well: set[int] = set()
        """While nothing is judged: who was first heard of as unhealthy. It was never well, and has not flipped."""

    def timing(self, row: int) -> Timing:
        return self.subjects.timings.values[self.subjects.timing[row]]

    def retime(self, row: int, timing: Timing) -> None:
        """Another timing holds for the subject from now on. What has left the flap window does not come back."""
        self.flaps.let_go(row, self.clock.now)
        self.subjects.set_timing(row, timing)

    def silent_at(self, row: int) -> int:
        """The observed instant at which the subject's silence is too long. Silence counts from when it was last heard,
        but never from before a hole in the log: in there nobody could be heard."""
        return max(self.subjects.silent_from[row], self.clock.resumed) + self.timing(row).timeout

    def due_at(self, row: int) -> int | None:
        """The observed instant of the subject's next timer. It follows from where its times began to run, so a new
        policy or a hole in the log moves it without touching the row."""
        subjects = self.subjects
        if not subjects.timing[row]:
            return None
        if subjects.state[row] == _HEALTHY and subjects.reading[row] == _OK and row not in self.flaps:
            return self.silent_at(row)  # nearly everybody: nothing else can become of them
        due = self._lasted_at(row)
        if subjects.reading[row] in SILENCE_SAYS_MORE:
            due = min(due, self.silent_at(row))
        if self.flaps.too_many(row, self.clock.now, self.timing(row)):
            due = min(due, self.flaps.last(row))
        return None if due == NEVER else due

    def _lasted_at(self, row: int) -> int:
        """The observed instant at which the reading, or the condition while firing, has lasted long enough to move the
        subject. A silence has lasted from when it was too long, counted from the end of the last hole in the log where
        the subject was not heard behind that."""
        subjects = self.subjects
        state = subjects.state[row]
        if state == State.HEALTHY:
            return NEVER
        timing, since = self.timing(row), subjects.since[row]
        silent = subjects.reading[row] == Reading.SILENT
        if state == State.FIRING:
            if self.condition_of(row) == subjects.condition[row]:
                return NEVER
            since, _ = self.turned.get(row, (since, 0))
            return (max(since, self.silent_at(row)) if silent else since) + timing.open_debounce
        if silent and subjects.reported[row] == Reading.OK:
            since = max(since, self.silent_at(row))
        if state == State.PENDING_RESOLVE:
            return since + timing.resolve_debounce
        return since + (timing.open_debounce if state == State.PENDING_OPEN else timing.flap_stable)

    def run_timers(self) -> None:
        """Everything that is due by now happens, in the order of (due, key), each at its own instant; what was due
        before the last record happens as early as it still can."""
        if not self.judging or not self.timers.anything_by(self.clock.now, self.due_at):
            return
        keys = self.subjects.keys
        instant = self.clock.departed
        while taken := self.timers.take_due(self.clock.now, self.due_at):
            due, rows = taken
            instant = max(due, instant)
            for row in sorted(rows, key=keys.__getitem__):
                self._expire(row, instant)
                self.timers.queue(row, self.due_at(row))

    def _expire(self, row: int, instant: int) -> None:
        subjects = self.subjects
        state = _STATES[subjects.state[row]]
        lasted_at = self._lasted_at(row)
        silent_at = self.silent_at(row) if subjects.reading[row] in SILENCE_SAYS_MORE else NEVER
        too_many = self.flaps.too_many(row, instant, self.timing(row))
        if too_many is not None and self.flaps.last(row) <= min(lasted_at, silent_at):
            self._flap(row, instant, *too_many)
        elif silent_at < lasted_at:
            subjects.look_again(row)
            self._read(row, Reading.SILENT, instant, Reason.SILENT)
        elif state == State.FIRING:
            self._fire_for_what_is_wrong_now(row, instant)
        elif state == State.FLAPPING:
            self._calm_down(row, instant)
        else:
            self._confirm(row, WHEN_DEBOUNCE_PASSES[state], instant)

    def heard(self, row: int, reading: Reading, same: int, alike: int) -> None:
        """A heartbeat of the subject says `reading`; one with these hashes, of its bytes or of what it says, would say
        nothing new."""
        subjects, told = self.subjects, len(self.scribe.judgements)
        stays = subjects.reading[row] == reading and row not in self.unjudged
        subjects.heard_at[row] = self.clock.record
        subjects.silent_from[row] = self.clock.now
        if not self.judging:
            self._keep_what_was_judged(row, reading)
        subjects.reported[row] = reading
        subjects.same[row], subjects.alike[row] = same, alike
        self._now_reads(row, reading, Reason.REPORTED)
        if subjects.registry[row] & UNHEARD:
            subjects.registry[row] = subjects.registry[row] & ~UNHEARD | HEARD_UNTOLD
        if self.judging or stays:
            self._tell_of_the_unheard(row, told)

    def end_silence(self, row: int, reason: Reason) -> None:
        """The subject may be silent for longer than it has been, by a new policy or by what the registry now says: what
        it reported last holds again. Its next heartbeat is looked at, as it is the first since."""
        self.subjects.look_again(row)
        self.subjects.registry[row] |= UNHEARD
        reading = _READINGS[self.subjects.reported[row]]
        if not self.judging:
            self._keep_what_was_judged(row, reading)
        self._now_reads(row, reading, reason)

    def freeze(self, row: int) -> None:
        """The subject's org is switched off: its state stays, and so does the reading that the state follows."""
        subjects = self.subjects
        subjects.look_again(row)
        before = self.unjudged.pop(row, None)
        if before is not None:
            subjects.reading[row], subjects.reported[row] = before
        if subjects.registry[row] & HEARD_UNTOLD:
            subjects.registry[row] = subjects.registry[row] & ~HEARD_UNTOLD | UNHEARD

    def _keep_what_was_judged(self, row: int, reading: Reading) -> None:
        subjects = self.subjects
        if subjects.reading[row] != reading:
            self.unjudged.setdefault(row, (subjects.reading[row], subjects.reported[row]))

    def _now_reads(self, row: int, reading: Reading, reason: Reason) -> None:
        before = self.subjects.reading[row]
        if not self.judging:
            self.subjects.reading[row] = reading
        elif before != reading:
            told = len(self.scribe.judgements)
            self._read(row, reading, self.clock.now, reason)
            if before == Reading.SILENT and reason in _HEARD and len(self.scribe.judgements) == told:
                self._tell_heard_again(row, reading)
            self.timers.queue(row, self.due_at(row))

    def _tell_of_the_unheard(self, row: int, told: int) -> None:
        """It has been heard: say so where nothing has since so much was told."""
        if self.subjects.registry[row] & HEARD_UNTOLD:
            self.subjects.registry[row] ^= HEARD_UNTOLD
            if len(self.scribe.judgements) == told:
                self._tell_heard_again(row, _READINGS[self.subjects.reading[row]])

    def _tell_heard_again(self, row: int, reading: Reading) -> None:
        """No change of state says that the subject is silent no more."""
        key, at = self.subjects.keys[row].decode(), self.clock.at(self.clock.now)
        self.scribe.heard_again(key, self.condition_of(row).word, reading.word, at)

    def _read(self, row: int, reading: Reading, instant: int, reason: Reason) -> None:
        subjects = self.subjects
        before = subjects.reading[row]
        flips = (before == Reading.OK) != (reading == Reading.OK)
        subjects.reading[row] = reading
        if not flips and self._means(row, before) != self._means(row, reading):
            self.turned[row] = (instant, self.clock.at(instant))
        if flips or subjects.state[row] == State.PENDING_OPEN:
            self._turn(row, instant, reason)

    def _turn(self, row: int, instant: int, reason: Reason) -> None:
        """Let the state follow the reading, or flap if it has turned too often."""
        subjects = self.subjects
        state = _STATES[subjects.state[row]]
        healthy = subjects.reading[row] == Reading.OK
        to = WHEN_READING_TURNS.get((state, healthy))
        if to is not None or state == State.FLAPPING:
            subjects.since[row], subjects.since_at[row] = instant, self.clock.at(instant)
            self.turned.pop(row, None)
        if State.PENDING_OPEN in (to, state) and not healthy:
            subjects.condition[row] = self._condition_reported(row)
        if to is not None:
            self.flaps.flipped(row, instant)
            self._go(row, to, instant, reason)

    def _confirm(self, row: int, to: State, instant: int) -> None:
        """The reading has lasted for its debounce: a confirmed change, or one too many."""
        self.flaps.confirmed(row, instant)
        self._go(row, to, instant, Reason.DEBOUNCE_PASSED)

    def _go(self, row: int, to: State, instant: int, reason: Reason) -> None:
        counts = self.flaps.counts(row, instant)
        too_many = counts.too_many(self.timing(row))
        if too_many is not None:
            self._flap(row, instant, *too_many)
        else:
            itself = reason is Reason.DEBOUNCE_PASSED
            self._move(row, to, instant, reason, counts.changes - itself)

    def _flap(self, row: int, instant: int, reason: Reason, count: int) -> None:
        """Both counts begin again when it calms down, so nothing of before is remembered."""
        subjects = self.subjects
        self.turned.setdefault(row, (subjects.since[row], subjects.since_at[row]))
        subjects.since[row] = instant
        self.flaps.forget(row)
        self._move(row, State.FLAPPING, instant, reason, count)

    def _calm_down(self, row: int, instant: int) -> None:
        healthy = self.subjects.reading[row] == Reading.OK
        if healthy and row in self.turned:
            self.subjects.since[row], _ = self.turned.pop(row)
        self._move(row, State.HEALTHY if healthy else State.FIRING, instant, Reason.STABLE, 0)

    def _fire_for_what_is_wrong_now(self, row: int, instant: int) -> None:
        subjects = self.subjects
        subjects.condition[row] = self.condition_of(row)
        if row in self.turned:
            subjects.since[row], subjects.since_at[row] = self.turned.pop(row)
        changes = self.flaps.counts(row, instant).changes
        self._move(row, State.FIRING, instant, Reason.CONDITION_CHANGED, changes)

    def appear(self, row: int, reading: Reading, reason: Reason) -> None:
        """The subject is watched from now on: it starts healthy, or pending if it was first heard of as unhealthy."""
        subjects = self.subjects
        if not self.judging:
            self._keep_what_was_judged(row, reading)
            if reading != Reading.OK:
                self.never_well.add(row)
        subjects.reading[row] = subjects.reported[row] = reading
        if self.judging and reading != Reading.OK:
            subjects.state[row] = State.PENDING_OPEN
            subjects.condition[row] = self.condition_of(row)
        self._tell(row, None, _STATES[subjects.state[row]], self.clock.at(self.clock.now), reason, 0)
        self.timers.queue(row, self.due_at(row))

    def disappear(self, row: int) -> None:
        """The subject has been removed: it is forgotten."""
        state = _STATES[self.subjects.state[row]]
        changes = self.flaps.counts(row, self.clock.now).changes
        self._tell(row, state, None, self.clock.at(self.clock.now), Reason.FORGOTTEN, changes)
        self.flaps.forget(row)
        self.turned.pop(row, None)
        self.unjudged.pop(row, None)
        self.never_well.discard(row)
        self.subjects.remove(row)

    def restart(self, row: int) -> None:
        """The subject's times begin to run now, whatever they were: nobody could hear it until this moment."""
        subjects = self.subjects
        subjects.silent_from[row] = subjects.since[row] = self.clock.now
        if row in self.turned:
            self.turned[row] = (self.clock.now, self.turned[row][1])

    def judge_from_now(self) -> None:
        """The shard knows what is in force: everybody gets a full timeout, and what was heard meanwhile counts."""
        unjudged, never_well, subjects = self.unjudged, self.never_well, self.subjects
        self.judging, self.unjudged, self.never_well = True, {}, set()
        for row in sorted(subjects, key=subjects.keys.__getitem__):
            if subjects.timing[row]:
                self.restart(row)
                told = len(self.scribe.judgements)
                if row in unjudged:
                    reading, (subjects.reading[row], _) = _READINGS[subjects.reading[row]], unjudged[row]
                    self._now_reads(row, reading, Reason.JUDGED_AGAIN)
                    if row in never_well:
                        self.flaps.forget(row)
                self._tell_of_the_unheard(row, told)
                self.timers.queue(row, self.due_at(row))

    def subject_of(self, row: int) -> str:
        """`type/id`."""
        return self.subjects.keys[row].split(b"/", 1)[1].decode()

    def say_profile(self, row: int, said: Heartbeat) -> None:
        """Before it counts as heard: whoever was not heard yet is a newcomer."""
        newcomer = not self.subjects.heard_at[row]
        self.scribe.profile(self.subjects.keys[row].decode(), said, self.clock.at(self.clock.now), newcomer=newcomer)

    def condition_of(self, row: int) -> Condition:
        """What the reading means."""
        return self._means(row, self.subjects.reading[row])

    def _condition_reported(self, row: int) -> Condition:
        """What was reported last means, or the silence if that was well."""
        return self._means(row, self.subjects.reported[row] or self.subjects.reading[row])

    def _means(self, row: int, reading: int) -> Condition:
        subject_type = self.subjects.keys[row].split(b"/", 2)[1].decode()
        return CONDITIONS[subject_type][_READINGS[reading]]

    def _move(self, row: int, to: State, instant: int, reason: Reason, flap_count: int) -> None:
        from_state = _STATES[self.subjects.state[row]]
        self.subjects.state[row] = to
        self._tell(row, from_state, to, self.clock.at(instant), reason, flap_count)

    def _tell(
        self, row: int, from_state: State | None, to: State | None, at: int, reason: Reason, flap_count: int
    ) -> None:
        subjects = self.subjects
        key = subjects.keys[row].decode()
        policy = self.policies.get(key.partition("/")[0])
        timing = self.timing(row)
        condition = _CONDITIONS[subjects.condition[row]]
        reading, reported = _READINGS[subjects.reading[row]], _READINGS[subjects.reported[row]]
        # Until a changed condition counts, all that is said of the subject is of the old one.
        if reading == Reading.SILENT and self._means(row, Reading.SILENT) != condition:
            reading = reported
        heard_at = subjects.heard_at[row] or None
        silent = reading == Reading.SILENT
        by_silence = silent and (reported == Reading.OK or reason is Reason.CONDITION_CHANGED)
        self.scribe.change(
            key,
            from_state,
            to,
            condition=condition.word if not {from_state, to} <= _NOTHING_WRONG else None,
            at=at,
            since=subjects.since_at[row],
            reason=reason,
            policy_version=policy.statement.version if policy else 0,
            flap_count=flap_count,
            last_heard=heard_at,
            deadline=subjects.since_at[row] if by_silence else None,
            status=None if heard_at is None and not silent else reading.word,
            timeout_ms=timing.timeout,
            debounce_ms=_waited(from_state, to, timing),
        )


def _waited(from_state: State | None, to: State | None, timing: Timing) -> int:
    """The time that counts for such a change."""
    if to == State.FLAPPING:
        return timing.flap_window
    if from_state == State.FLAPPING:
        return timing.flap_stable
    return timing.resolve_debounce if to in (State.PENDING_RESOLVE, State.HEALTHY) else timing.open_debounce
