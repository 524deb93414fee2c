"""Every watched subject of a shard, judged by what is heard of it and by the time that passes."""

from fettle_health_monitor.domain.judge.clock import ObservedClock
from fettle_health_monitor.domain.judge.heartbeats import Heartbeat
from fettle_health_monitor.domain.judge.policies import OrgPolicy, Timing
from fettle_health_monitor.domain.judge.scribe import Scribe
from fettle_health_monitor.domain.judge.states import (
    CONDITIONS,
    WHEN_DEBOUNCE_PASSES,
    WHEN_READING_TURNS,
    Condition,
    Reading,
    Reason,
    State,
)
from fettle_health_monitor.domain.judge.subjects import Subjects
from fettle_health_monitor.domain.judge.timers import Timers

_STATES = tuple(State)
_READINGS = tuple(Reading)
_CONDITIONS = tuple(Condition)


class Watch:
    """The judge of subjects, one row each. It knows nothing of records: the shard tells it what was heard and that the
    clock has moved.

    `judging` is off while the shard waits to be told what is in force: then subjects are heard and nothing is decided.
    """

    __slots__ = ("clock", "judging", "policies", "scribe", "subjects", "timers")

    def __init__(self, clock: ObservedClock, subjects: Subjects, scribe: Scribe, *, judging: bool) -> None:
        self.clock = clock
        self.subjects = subjects
        self.scribe = scribe
        self.judging = judging
        self.policies: dict[str, OrgPolicy] = {}
        self.timers = Timers(subjects.queued)

    def timing(self, row: int) -> Timing:
        return self.subjects.timings.values[self.subjects.timing[row]]

    def silent_at(self, row: int) -> int:
        """The observed instant at which the subject's silence is too long. Silence counts from when it was last heard,
        but never from before a hole in the log: in there nobody could be heard."""
        return max(self.subjects.silent_from[row], self.clock.resumed) + self.timing(row).timeout

    def due_at(self, row: int) -> int | None:
        """The observed instant of the subject's next timer. It follows from where its times began to run, so a new
        policy or a hole in the log moves it without touching the row."""
        subjects = self.subjects
        number = subjects.timing[row]
        state = subjects.state[row]
        if not number or state == State.FIRING:
            return None
        _, open_debounce, resolve_debounce = subjects.timings.values[number]
        silent_at = self.silent_at(row)
        if state == State.HEALTHY:
            return silent_at
        if state == State.PENDING_OPEN:
            if subjects.reading[row] == Reading.SILENT:
                return max(subjects.since[row], silent_at) + open_debounce
            return subjects.since[row] + open_debounce
        return min(subjects.since[row] + resolve_debounce, silent_at)

    def run_timers(self) -> None:
        """Everything that is due by now happens, in the order of (due, key), each at its own instant; what was due
        before the last record happens as early as it still can."""
        if not self.judging or not self.timers.anything_by(self.clock.now):
            return
        keys = self.subjects.keys
        while taken := self.timers.take_due(self.clock.now, self.due_at):
            due, rows = taken
            instant = max(due, self.clock.departed)
            for row in sorted(rows, key=keys.__getitem__):
                self._expire(row, instant)
                self.timers.queue(row, self.due_at(row))

    def _expire(self, row: int, instant: int) -> None:
        subjects = self.subjects
        state = _STATES[subjects.state[row]]
        resolves_at = subjects.since[row] + self.timing(row).resolve_debounce
        falls_silent = state == State.PENDING_RESOLVE and self.silent_at(row) < resolves_at
        if state == State.HEALTHY or falls_silent:
            subjects.reading[row] = Reading.SILENT
            subjects.look_again(row)
            self.turn(row, instant, Reason.SILENT)
        else:
            self._move(row, WHEN_DEBOUNCE_PASSES[state], instant, Reason.DEBOUNCE_PASSED)

    def heard(self, row: int, reading: Reading, same: int, alike: int) -> None:
        """A heartbeat of the subject says `reading`; one with these hashes, of its bytes or of what it says, would say
        nothing new."""
        subjects = self.subjects
        subjects.heard_at[row] = self.clock.record
        subjects.silent_from[row] = self.clock.now
        if self.judging:
            subjects.same[row], subjects.alike[row] = same, alike
        if subjects.reading[row] != reading:
            subjects.reading[row] = reading
            if self.judging:
                self.turn(row, self.clock.now, Reason.REPORTED)
                self.timers.queue(row, self.due_at(row))

    def turn(self, row: int, instant: int, reason: Reason) -> None:
        """Let the state follow the reading."""
        subjects = self.subjects
        state = _STATES[subjects.state[row]]
        healthy = subjects.reading[row] == Reading.OK
        to = WHEN_READING_TURNS.get((state, healthy))
        if to is not None:
            at = self.clock.at(instant)
            subjects.since[row], subjects.since_at[row] = instant, at
            if to == State.PENDING_OPEN:
                subjects.condition[row] = self.condition_of(row)
            self._move(row, to, instant, reason)
        elif state == State.PENDING_OPEN:
            subjects.condition[row] = self.condition_of(row)

    def appear(self, row: int, reason: Reason) -> None:
        """The subject is watched from now on: it starts healthy, or pending if it was first heard of as unhealthy."""
        subjects = self.subjects
        if self.judging and subjects.reading[row] != Reading.OK:
            subjects.state[row] = State.PENDING_OPEN
            subjects.condition[row] = self.condition_of(row)
        self._tell(row, None, _STATES[subjects.state[row]], self.clock.at(self.clock.now), reason)
        self.timers.queue(row, self.due_at(row))

    def disappear(self, row: int) -> None:
        """The subject has been removed: it is forgotten."""
        state = _STATES[self.subjects.state[row]]
        self._tell(row, state, None, self.clock.at(self.clock.now), Reason.FORGOTTEN)
        self.subjects.remove(row)

    def restart(self, row: int) -> None:
        """The subject's times begin to run now, whatever they were: nobody could hear it until this moment."""
        subjects = self.subjects
        subjects.silent_from[row] = self.clock.now
        if subjects.state[row] in (State.PENDING_OPEN, State.PENDING_RESOLVE):
            subjects.since[row] = self.clock.now

    def lift_silence(self, row: int) -> None:
        """A new policy allows the subject more silence than there has been."""
        self.subjects.reading[row] = Reading.OK
        if self.judging:
            self.turn(row, self.clock.now, Reason.POLICY_CHANGED)
            self.timers.queue(row, self.due_at(row))

    def judge_from_now(self) -> None:
        """The shard knows what is in force: everybody gets a full timeout, and what was heard meanwhile counts."""
        self.judging = True
        for row in sorted(self.subjects, key=self.subjects.keys.__getitem__):
            if self.subjects.timing[row]:
                self.restart(row)
                self.turn(row, self.clock.now, Reason.JUDGED_AGAIN)
                self.timers.queue(row, self.due_at(row))

    def subject_of(self, row: int) -> str:
        """`type/id`."""
        return self.subjects.keys[row].split(b"/", 1)[1].decode()

    def say_profile(self, row: int, said: Heartbeat) -> None:
        self.scribe.profile(self.subjects.keys[row].decode(), said, self.clock.at(self.clock.now))

    def condition_of(self, row: int) -> Condition:
        subject_type = self.subjects.keys[row].split(b"/", 2)[1].decode()
        return CONDITIONS[subject_type][_READINGS[self.subjects.reading[row]]]

    def _move(self, row: int, to: State, instant: int, reason: Reason) -> None:
        from_state = _STATES[self.subjects.state[row]]
        self.subjects.state[row] = to
        self._tell(row, from_state, to, self.clock.at(instant), reason)
        if to == State.HEALTHY:
            self.subjects.condition[row] = Condition.NONE

    def _tell(self, row: int, from_state: State | None, to: State | None, at: int, reason: Reason) -> None:
        subjects = self.subjects
        key = subjects.keys[row].decode()
        policy = self.policies.get(key.partition("/")[0])
        timing = self.timing(row)
        reading = _READINGS[subjects.reading[row]]
        heard_at = subjects.heard_at[row] or None
        silent = reading == Reading.SILENT
        resolving = to in (State.PENDING_RESOLVE, State.HEALTHY)
        self.scribe.change(
            key,
            from_state,
            to,
            condition=_CONDITIONS[subjects.condition[row]].word,
            at=at,
            since=subjects.since_at[row],
            reason=reason,
            policy_version=policy.statement.version if policy else 0,
            last_heard=heard_at,
            deadline=subjects.since_at[row] if silent else None,
            status=None if heard_at is None and not silent else reading.word,
            timeout_ms=timing.timeout,
            debounce_ms=timing.resolve_debounce if resolving else timing.open_debounce,
        )
