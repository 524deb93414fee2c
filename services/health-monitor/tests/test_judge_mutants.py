"""The tests of the judge notice when one of its rules is broken: each is, in a copy, one at a time."""

from pathlib import Path

import pytest
from mutants_of_records import RECORDS
from tests.mutation import Mutant, check_noticed, check_stands_once, check_unbroken

import fettle_health_monitor

PACKAGE = Path(fettle_health_monitor.__file__).parent
TESTS = Path(__file__).parent
SUITE = (
    "judge_states",
    "judge_flapping",
    "judge_conditions",
    "judge_policies",
    "judge_observation",
    "judge_oracle",
    "judge_replay",
    "judge_told_of",
)

KEEPS = "        if not self.judging:\n            self._keep_what_was_judged(row, reading)\n"

JUDGED = (
    # clock.py: which time counts
    Mutant("clock", "STEP_MAX_MS: Final = 2_000", "STEP_MAX_MS: Final = 2_001"),
    Mutant("clock", "HOLE_MS: Final = 5_000", "HOLE_MS: Final = 5_001"),
    Mutant("clock", "min(max(timestamp - before, 0), STEP_MAX_MS)", "max(timestamp - before, 0)"),
    Mutant("clock", "min(max(timestamp - before, 0), STEP_MAX_MS)", "min(abs(timestamp - before), STEP_MAX_MS)"),
    Mutant("clock", "        self.resumed = self.now\n        return before", "        return before"),
    Mutant("clock", "        self.resumed = self.now\n        return since", "        return since"),
    Mutant("clock", "self._from_said + instant // 2 - self._from_now // 2", "self._from_said"),
    Mutant("clock", "self.now = self._from_now = self.now +", "self.now = self.now +"),
    Mutant("clock", "min(max(self.record - since, 0), STEP_MAX_MS)", "max(self.record - since, 0)"),
    Mutant("clock", "max(self.said, self._slowed(instant), self._from_record", "max(0, self._from_record"),
    Mutant("shard", "            if not waiting.greeted:\n", "            if False:\n"),
    # states.py: the tables
    Mutant("states", "(State.HEALTHY, False): State.PENDING_OPEN", "(State.HEALTHY, False): State.FIRING"),
    Mutant("states", "        (State.PENDING_OPEN, True): State.HEALTHY,\n", ""),
    Mutant("states", "(State.FIRING, True): State.PENDING_RESOLVE", "(State.FIRING, True): State.HEALTHY"),
    Mutant("states", "        (State.PENDING_RESOLVE, False): State.FIRING,\n", ""),
    Mutant("states", "Reading.SILENT: Condition.INTEGRATION_UNREACHABLE", "Reading.SILENT: Condition.DEVICE_OFFLINE"),
    Mutant("states", "frozenset({Reading.OK, Reading.CREDENTIALS_INVALID})", "frozenset({Reading.OK})"),
    Mutant("states", "frozenset({Reading.OK, Reading.CREDENTIALS_INVALID})", "frozenset(Reading)"),
    # policies.py: which times hold
    Mutant("policies", "max(TIMEOUT_INTERVALS * (profile", "min(TIMEOUT_INTERVALS * (profile"),
    Mutant("policies", "profile.interval_s or guess or 0", "guess or 0"),
    Mutant("policies", "self._by_subject.get(subject),\n                self._by_model.get(profile.model or \"\"),",
           "self._by_model.get(profile.model or \"\"),\n                self._by_subject.get(subject),"),
    Mutant("policies", "layer.flap_stable_s for", "layer.flap_window_s for"),
    Mutant("policies", "layer.flap_threshold for", "layer.flap_flips_threshold for"),
    # timers.py: when and in which order
    Mutant("timers", "heap[0] >> _ROW_BITS <= until:\n            due = heap[0] >> _ROW_BITS\n            rows = []",
           "heap[0] >> _ROW_BITS < until:\n            due = heap[0] >> _ROW_BITS\n            rows = []"),
    Mutant("timers", "        if real > due:\n", "        if real > due + 1:\n"),
    Mutant("timers", "if live == NOT_QUEUED or due < live:", "if live == NOT_QUEUED:"),
    Mutant("timers", "self._queued[row] = NOT_QUEUED\n                    self.queue(", "self.queue("),
    # flaps.py: what counts
    Mutant("flaps", "if self.changes >= timing.flap_changes", "if self.changes > timing.flap_changes"),
    Mutant("flaps", "if self.flips >= timing.flap_flips", "if self.flips > timing.flap_flips"),
    Mutant("flaps", "instant - one // 2 < window]", "instant - one // 2 <= window]"),
    Mutant("flaps", "instant - done[0] // 2 < window:", "instant - done[0] // 2 <= window:"),
    Mutant("flaps", "if instant - one // 2 < window), len", "if instant - one // 2 <= window), len"),
    Mutant("flaps", "< min(timing.flap_changes", "<= min(timing.flap_changes"),
    Mutant("flaps", "< min(timing.flap_changes", "< max(timing.flap_changes"),
    Mutant("judge", "counts.changes - itself", "counts.changes"),
    Mutant("flaps", "return Counts(changes, len(within) - changes)", "return Counts(changes, len(within))"),
    Mutant("flaps", "or not window or instant - done[0]", "or instant - done[0]"),
    # judge.py: one subject judged
    Mutant("judge", "max(self.subjects.silent_from[row], self.clock.resumed)", "self.subjects.silent_from[row]"),
    Mutant("judge", "        self.flaps.let_go(row, self.clock.now)\n", ""),
    Mutant("judge", "subjects.reading[row] == _OK and row not in self.flaps:", "subjects.reading[row] == _OK:"),
    Mutant("judge", "if self.flaps.too_many(row, self.clock.now, self.timing(row)):", "if False:"),
    Mutant("judge", "due = min(due, self.flaps.last(row))", "due = min(due, self.clock.now)"),
    Mutant("judge", "since, _ = self.turned.get(row, (since, 0))\n", "pass\n"),
    Mutant("judge", "(max(since, self.silent_at(row)) if silent else since)", "since"),
    Mutant("judge", "if silent and subjects.reported[row] == Reading.OK:", "if silent:"),
    Mutant("judge", "if silent and subjects.reported[row] == Reading.OK:", "if False:"),
    Mutant("judge", "since + timing.resolve_debounce", "since + timing.open_debounce"),
    Mutant("judge", "State.PENDING_OPEN else timing.flap_stable", "State.PENDING_OPEN else timing.flap_window"),
    Mutant("judge", "elif silent_at < lasted_at:", "elif silent_at <= lasted_at:"),
    Mutant("judge", " and self.flaps.last(row) <= min(lasted_at, silent_at)", ""),
    Mutant("judge", "            instant = max(due, instant)\n", "            instant = due\n"),
    Mutant("judge", "sorted(rows, key=keys.__getitem__)", "sorted(rows, key=keys.__getitem__, reverse=True)"),
    Mutant("judge", "        subjects.reported[row] = reading\n        subjects.same", "        subjects.same"),
    Mutant("judge", "_READINGS[self.subjects.reported[row]]\n", "Reading.OK\n"),
    Mutant("judge", "if not flips and self._means(row, before) != self._means(row, reading):", "if not flips:"),
    Mutant("judge", "if flips or subjects.state[row] == State.PENDING_OPEN:", "if flips:"),
    Mutant("judge", "if to is not None or state == State.FLAPPING:", "if to is not None:"),
    Mutant("judge", "            self.turned.pop(row, None)\n        if State", "        if State"),
    Mutant("judge", "            self.flaps.flipped(row, instant)\n", ""),
    Mutant("judge", "        self.flaps.confirmed(row, instant)\n", ""),
    Mutant("judge", "self._go(row, to, instant, reason)", "self._move(row, to, instant, reason, 0)"),
    Mutant("judge", "self.turned.setdefault(row, (subjects.since[row], subjects.since_at[row]))", "pass"),
    Mutant("judge", "        subjects.since[row] = instant\n        self.flaps", "        self.flaps"),
    Mutant("judge", "        self.flaps.forget(row)\n        self._move", "        self._move"),
    Mutant("judge", "State.HEALTHY if healthy else State.FIRING, instant", "State.HEALTHY, instant"),
    Mutant("judge", "subjects.since[row], subjects.since_at[row] = self.turned.pop(row)", "pass"),
    Mutant("judge", "        self.flaps.forget(row)\n        self.turned.pop(row, None)\n", ""),
    Mutant("judge", "subjects.silent_from[row] = subjects.since[row] = self", "subjects.since[row] = self"),
    Mutant("judge", "subjects.silent_from[row] = subjects.since[row] = self", "subjects.silent_from[row] = self"),
    Mutant("judge", "            self.turned[row] = (self.clock.now, self.turned[row][1])\n", "            pass\n"),
    Mutant("judge", "self.subjects.reported[row] or self.subjects.reading[row]", "self.subjects.reading[row]"),
    Mutant("judge", "if not {from_state, to} <= _NOTHING_WRONG else None", ""),
    Mutant("judge", "            reading = reported\n", "            pass\n"),
    Mutant("judge", KEEPS + "        subjects.reported", "        subjects.reported"),
    Mutant("judge", KEEPS + "        self", "        self"),
    Mutant("judge", KEEPS + "            if", "        if not self.judging:\n            if"),
    Mutant("judge", "subjects.reading[row], subjects.reported[row] = before", "subjects.reading[row], _ = before"),
    Mutant("judge", "self.unjudged.setdefault(row, (subjects.reading[row], subjects.reported[row]))",
           "self.unjudged[row] = (subjects.reading[row], subjects.reported[row])"),
    Mutant("judge", "        self.unjudged.pop(row, None)\n        self.never_well", "        self.never_well"),
    Mutant("judge", "        self.never_well.discard(row)\n", ""),
    Mutant("judge", "self.judging, self.unjudged, self.never_well = True, {}, set()",
           "self.judging, self.never_well = True, set()"),
    Mutant("judge", "                    if row in never_well:\n                        self.flaps.forget(row)\n", ""),
    # statements.py, checkpoint.py: policies at their moment, and all of it saved
    Mutant("statements", "silent_at <= judge.clock.now < judge", "judge.clock.now < judge"),
    Mutant("statements", "    if _ends_silence(judge, row, silent_at):\n", "    if False:\n"),
    Mutant("statements", "            judge.restart(row)\n", "            pass\n"),
    Mutant("checkpoint", "    judge.flaps.restore(saved.flaps)\n", ""),
    Mutant("checkpoint", "    judge.turned.update(saved.turned)\n", ""),
)  # fmt: skip


MUTANTS = [
    *((SUITE, mutant._replace(module=f"domain/judge/{mutant.module}")) for mutant in JUDGED),
    *((part.tests, mutant) for part in RECORDS for mutant in part.mutants),
]


@pytest.mark.parametrize("mutant", [mutant for _, mutant in MUTANTS], ids=range(len(MUTANTS)))
def test_every_mutant_breaks_something_that_is_there(mutant: Mutant) -> None:
    check_stands_once(PACKAGE, mutant)


@pytest.mark.campaign
@pytest.mark.timeout(600)
@pytest.mark.parametrize("tests", sorted({tests for tests, _ in MUTANTS}), ids=",".join)
def test_nothing_is_noticed_where_nothing_is_broken(tests: tuple[str, ...], tmp_path: Path) -> None:
    check_unbroken(PACKAGE, (TESTS / f"test_{name}.py" for name in tests), tmp_path)


@pytest.mark.campaign
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("tests", "mutant"), MUTANTS, ids=range(len(MUTANTS)))
def test_a_broken_rule_is_noticed(tests: tuple[str, ...], mutant: Mutant, tmp_path: Path) -> None:
    check_noticed(PACKAGE, PACKAGE, mutant, (TESTS / f"test_{name}.py" for name in tests), tmp_path)
