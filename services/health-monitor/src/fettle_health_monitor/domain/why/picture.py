"""How a subject stood at an instant, as its shard judged it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from fettle_health_monitor.domain.correlator.silence_ends import Stood
from fettle_health_monitor.domain.judge.checkpoint import Snapshot, restore
from fettle_health_monitor.domain.judge.policies import NOT_JUDGED
from fettle_health_monitor.domain.judge.states import SILENCE_SAYS_MORE, Condition, Reading, State
from fettle_health_monitor.domain.why.changes import numbers
from fettle_health_monitor.domain.why.subject_log import Judged, SubjectLog

Waits = Literal["silence", "open_debounce", "resolve_debounce", "stable_window", "condition"]

_BY_STATE: Mapping[State, Waits] = {
    State.PENDING_OPEN: "open_debounce",
    State.PENDING_RESOLVE: "resolve_debounce",
    State.FLAPPING: "stable_window",
    State.FIRING: "condition",
}


@dataclass(frozen=True, slots=True)
class Timer:
    """`what` is waited for ends at `at` (broker milliseconds) if all time until then is observed; with `ran_out` it has
    ended then."""

    what: Waits
    at: int
    ran_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Instants are broker milliseconds. `reported` is what the last heartbeat said, None for a subject that was never
    heard. `numbers` are the values that hold for it, none while it is not judged."""

    state: str
    condition: str | None
    since: int
    last_heard: int | None
    reported: str | None
    registered: bool
    silent: bool
    timer: Timer | None
    numbers: Mapping[str, float] = field(default_factory=dict)


def picture(judged: Judged, log: SubjectLog) -> Picture | None:
    """None when its shard does not watch the subject."""
    judge, subjects = judged.shard.judge, judged.shard.judge.subjects
    row = subjects.rows.get(log.key)
    if row is None:
        return None
    state, heard_at = State(subjects.state[row]), subjects.heard_at[row]
    reading = Reading(subjects.reading[row])
    timer = None
    if judge.timing(row) != NOT_JUDGED:
        due = judge.due_at(row)
        if due is not None:
            at = judge.clock.said + due - judge.clock.now
            by_silence = reading in SILENCE_SAYS_MORE and due == judge.silent_at(row)
            timer = Timer("silence" if by_silence or state not in _BY_STATE else _BY_STATE[state], at)
        elif reading == Reading.SILENT:
            timer = Timer("silence", subjects.since_at[row], ran_out=True)
    return Picture(
        state=state.word,
        condition=None if state == State.HEALTHY else Condition(subjects.condition[row]).word,
        since=subjects.since_at[row],
        last_heard=heard_at or None,
        reported=Reading(subjects.reported[row]).word if heard_at else None,
        registered=bool(subjects.registry[row]),
        silent=reading == Reading.SILENT,
        timer=timer,
        numbers=numbers(judged, log),
    )


def stood_at_start(log: SubjectLog) -> Stood | None:
    """How the subject stood where its log begins."""
    if not isinstance(log.saved, Snapshot):
        return None
    subjects = restore(log.saved).judge.subjects
    row = subjects.rows.get(log.key)
    if row is None:
        return None
    condition = Condition(subjects.condition[row]).word
    return Stood(State(subjects.state[row]).word, condition, subjects.since_at[row], 0, {})
