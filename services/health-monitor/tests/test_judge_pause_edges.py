"""Pauses in the log a millisecond shorter and longer than what counts of them, across restarts and policies."""

from itertools import product

import pytest
from judge_log import Log, judge

from fettle_health_monitor.domain.judge.checkpoint import restore, snapshot
from fettle_health_monitor.domain.judgements import Unobserved

BEFORE_S = 3.0
"""When the last pulse before the pause comes; the device was heard at 0."""
PAUSES_MS = (0, 1, 1_999, 2_000, 2_001, 4_999, 5_000, 5_001)


def counted(pause_ms: int) -> float:
    return min(pause_ms, 2_000) / 1000


def steps(pause_ms: int, timeout_s: float, *, restarts: bool = False, policy_s: float | None = None) -> list[float]:
    """When the device is silent for too long, or well again; with a policy, whose record ends the pause."""
    log = Log().policy(timeout_s=timeout_s, open_debounce_s=600).beat().pulsed(BEFORE_S)
    judged = judge(log)
    if restarts:
        judged.shard = restore(snapshot(judged.shard))
    log.at(BEFORE_S + pause_ms / 1000)
    if policy_s is None:
        log.pulse()
    else:
        log.policy(timeout_s=policy_s, open_debounce_s=600, version=2)
    judged.fold(log)
    if restarts:
        judged.shard = restore(snapshot(judged.shard))
    judged.fold(log.pulsed(BEFORE_S + pause_ms / 1000 + 20))
    holes = [each for each in judged.judgements if isinstance(each, Unobserved)]
    assert len(holes) == (pause_ms >= 5_000)
    return [at for at, *_ in judged.steps()[1:]]


@pytest.mark.rule("HM-20", "HM-21")
@pytest.mark.parametrize(("pause_ms", "restarts"), [*product(PAUSES_MS, [False, True])])
def test_of_a_pause_two_seconds_count_and_of_a_hole_nothing(pause_ms: int, restarts: bool) -> None:
    after = BEFORE_S + pause_ms / 1000
    left = 10 if pause_ms >= 5_000 else 10 - BEFORE_S - counted(pause_ms)
    assert steps(pause_ms, 10, restarts=restarts) == pytest.approx([after + left])


@pytest.mark.rule("HM-14", "HM-21")
@pytest.mark.parametrize(("pause_ms", "restarts"), [*product(PAUSES_MS, [False, True])])
def test_so_it_is_where_another_policy_ends_the_pause(pause_ms: int, restarts: bool) -> None:
    """By the one before, nothing was due yet."""
    after = BEFORE_S + pause_ms / 1000
    left = 8 if pause_ms >= 5_000 else 8 - BEFORE_S - counted(pause_ms)
    assert steps(pause_ms, 10, restarts=restarts, policy_s=8) == pytest.approx([after + left])


@pytest.mark.rule("HM-10", "HM-21")
@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize(
    ("pause_ms", "timeout_s", "silent_s"),
    [
        (2_000, 4.999, 4.999),
        (2_000, 5.0, 5.0),
        (2_000, 5.001, 5.001),
        (4_999, 4.999, 4.999),
        (4_999, 5.0, 5.0),
        (4_999, 5.001, 8.0),
        (5_000, 4.999, 8 + 4.999),
    ],
)
def test_a_timer_that_is_due_in_what_counts_of_a_pause_goes_off_at_its_instant(
    pause_ms: int, timeout_s: float, silent_s: float, restarts: bool
) -> None:
    """One that is due a millisecond later goes off a millisecond behind the pause."""
    assert steps(pause_ms, timeout_s, restarts=restarts) == pytest.approx([silent_s])


@pytest.mark.rule("HM-14", "HM-21")
@pytest.mark.parametrize(("pause_ms", "due"), [(1_998, False), (1_999, True), (2_000, True), (4_999, True)])
def test_what_is_overdue_by_a_policy_that_ends_a_pause_is_so_by_what_counts_of_it(pause_ms: int, due: bool) -> None:
    """4.999 s of silence have counted at the policy's moment, or a millisecond less."""
    after = BEFORE_S + pause_ms / 1000
    assert steps(pause_ms, 60, policy_s=4.999) == pytest.approx([after if due else after + 0.001])


@pytest.mark.rule("HM-20", "HM-291")
@pytest.mark.parametrize(
    ("says", "fires_at"),
    [(None, 39.0), (31.0, 33.0), (32.999, 33.0), (33.0, 33.0), (33.001, 33.001), (38.999, 38.999)],
)
def test_behind_a_hole_only_silence_has_its_times_again(says: float | None, fires_at: float) -> None:
    """Pending by silence at three seconds, with a debounce of five; the hole begins one later, and two of it count."""
    log = Log().policy(timeout_s=3, open_debounce_s=5).beat().pulsed(4).at(34).pulse()
    if says is not None:
        log.pulsed(max(34, 2 + says)).at(3 + says).beat(status="offline")
    assert judge(log.pulsed(60)).steps()[-1] == (3 + fires_at, "pending_open", "firing", "debounce_passed")
