"""How long fresh times last, by another policy, in an org that is switched off, and behind holes: by example."""

import pytest

from fettle_health_monitor.domain.correlator.clocks import Hole, ShardClock
from fettle_health_monitor.domain.correlator.fresh_times import (
    NOT_RUNNING,
    Times,
    Until,
    hole_around,
    hole_within,
    retimed,
    switched_off,
)

T0 = 1_790_000_000_000
BEFORE, NOW = Times(3_000, 2_000), Times(30_000, 20_000)


def clock(ms: int, *holes: Hole) -> ShardClock:
    """A clock that has observed so much, `ms` behind T0 if the log has no hole."""
    return ShardClock(0, 1, T0 + ms, ms, holes)


@pytest.mark.rule("HM-228", "HM-229")
def test_a_fresh_time_is_the_timeout_or_who_is_pending_the_debounce() -> None:
    assert (BEFORE.first(pending=False), BEFORE.first(pending=True)) == (3_000, 2_000)
    assert (BEFORE.again(pending=False, silent=True), BEFORE.again(pending=True, silent=True)) == (3_000, 5_000)
    assert (BEFORE.again(pending=False, silent=False), BEFORE.again(pending=True, silent=False)) == (0, 2_000)
    later = ShardClock(0, 4, T0 + 90_000, 10_000)
    assert Until.after(later, 3_000) == Until(4, 10_000, 13_000)


@pytest.mark.rule("HM-230", "HM-291")
def test_a_silence_that_has_its_times_anew_behind_a_hole_keeps_where_it_began() -> None:
    anew = Until(1, 500, 2_500).anew(ShardClock(0, 4, T0 + 90_000, 10_000), 5_000)
    assert anew == Until(4, 500, 15_000)
    assert anew.lasting(2_000) == Until(4, 500, 2_500)


@pytest.mark.rule("HM-229")
@pytest.mark.parametrize(("at", "runs"), [(2_999, False), (3_000, True), (3_001, True)])
def test_what_has_run_out_by_the_switch_has_run_out(at: int, runs: bool) -> None:
    until = Until(1, 0, 3_000)
    assert switched_off(until, clock(at)) == (until if runs else Until(NOT_RUNNING, 0, 3_000))


@pytest.mark.rule("HM-228")
@pytest.mark.parametrize(
    ("until", "pending", "at", "due"),
    [
        (Until(1, 0, 3_000), False, 1_000, 30_000),
        (Until(1, 0, 2_000), True, 1_000, 20_000),
        (Until(1, 0, 5_000), True, 1_000, 50_000),
        (Until(1, 0, 60_000), False, 40_000, 40_000),
        (Until(1, 0, 3_000), False, 2_999, 30_000),
        (Until(1, 0, 3_000), False, 3_000, 3_000),
        (Until(1, 0, 3_000), False, 3_001, 3_000),
    ],
    ids=["timeout", "debounce", "both", "overdue", "just before its end", "just at its end", "behind its end"],
)
def test_another_policy_gives_it_another_end_from_the_same_start(
    until: Until, pending: bool, at: int, due: int
) -> None:
    assert retimed(until, BEFORE, NOW, clock(at), pending=pending) == Until(1, 0, due)


@pytest.mark.rule("HM-303")
def test_one_that_waits_for_the_first_clock_of_a_log_has_its_length_from_there() -> None:
    assert retimed(Until(0, 0, 3_000), BEFORE, NOW, clock(90_000), pending=False) == Until(0, 0, 30_000)


EARLY, LATE = Hole(T0 + 1_000, T0 + 61_000), Hole(T0 + 70_000, T0 + 130_000)
"""Of each the clock counts two seconds; it shows 14 s at the end of the second one."""


@pytest.mark.rule("HM-230")
@pytest.mark.parametrize(
    ("start", "due_at", "found"),
    [
        (0, T0 + 200_000, LATE),
        (0, T0 + 70_001, LATE),
        (0, T0 + 70_000, EARLY),
        (5_000, T0 + 200_000, LATE),
        (13_999, T0 + 200_000, LATE),
        (14_000, T0 + 200_000, None),
        (0, T0 + 1_000, None),
    ],
)
def test_the_last_hole_that_it_was_timed_in_counts(start: int, due_at: int, found: Hole | None) -> None:
    now = ShardClock(0, 1, T0 + 132_000, 16_000, (EARLY, LATE))
    assert now.back_at(LATE.to_at).clock == 14_000
    assert hole_within(Until(1, start, start + 9_000), due_at, now) == found


@pytest.mark.rule("HM-230")
def test_what_begins_just_at_the_end_of_a_hole_was_not_timed_in_it() -> None:
    now = ShardClock(0, 1, T0 + 132_000, 16_000, (LATE,))
    assert hole_within(Until(1, 14_000, 17_000), T0 + 200_000, now) is None


@pytest.mark.rule("HM-230", "HM-306")
def test_what_begins_within_a_hole_lies_in_it_from_its_first_instant_to_before_its_last() -> None:
    now = ShardClock(0, 1, T0 + 132_000, 16_000, (EARLY, LATE))
    instants = (LATE.from_at - 1, LATE.from_at, LATE.to_at - 1, LATE.to_at)
    assert [hole_around(at, now) for at in instants] == [None, LATE, LATE, None]
