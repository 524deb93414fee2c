"""How far decisions can go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fettle_health_monitor.domain.correlator.clocks import Hole, Patience, ShardClock, horizon, judged_until

PATIENCE = Patience(wait_ms=5_000, stalled_ms=60_000)
T = 1_790_000_000_000


def clocks(*at: int) -> list[ShardClock]:
    return [ShardClock(shard, 1, T + value, 0) for shard, value in enumerate(at)]


@pytest.mark.rule("HM-60")
def test_a_verdict_waits_until_every_shard_has_judged_past_it() -> None:
    reach = horizon(clocks(1_000, 1_001, 4_000), 3, PATIENCE)
    assert reach is not None
    assert reach.before == T + 1_000
    assert reach.behind(T + 999).slower == ()


@pytest.mark.rule("HM-60")
def test_a_slower_shard_is_waited_for_five_seconds_of_the_fastest_and_named() -> None:
    at = T + 1_000
    early, late = horizon(clocks(0, 5_999), 2, PATIENCE), horizon(clocks(0, 6_000), 2, PATIENCE)
    assert early is not None
    assert late is not None
    assert at >= early.before
    assert at < late.before
    assert late.behind(at).slower == (0,)
    assert late.behind(at).stalled == ()


@pytest.mark.rule("HM-61")
def test_a_shard_without_progress_is_not_waited_for() -> None:
    reach = horizon(clocks(0, 60_000, 60_500), 3, PATIENCE)
    assert reach is not None
    assert reach.before == T + 60_000
    assert reach.behind(T + 59_999).stalled == (0,)
    assert reach.behind(T + 59_999).slower == ()


@pytest.mark.rule("HM-61")
@pytest.mark.parametrize(("behind", "stalled"), [(59_999, frozenset()), (60_000, frozenset({0}))])
def test_sixty_seconds_behind_are_just_enough(behind: int, stalled: frozenset[int]) -> None:
    reach = horizon([ShardClock(0, 1, T, 0), ShardClock(1, 1, T + behind, behind)], 2, PATIENCE)
    assert reach is not None
    assert reach.stalled == stalled


@pytest.mark.rule("HM-61")
def test_a_shard_that_never_showed_a_clock_stands_still() -> None:
    reach = horizon(clocks(1_000), 4, PATIENCE)
    assert reach is not None
    assert reach.behind(T).stalled == (1, 2, 3)


@pytest.mark.rule("HM-62")
def test_without_a_clock_nothing_can_be_decided() -> None:
    assert horizon([], 3, PATIENCE) is None


@pytest.mark.rule("HM-79")
def test_as_of_is_the_slowest_shard_and_unknown_until_all_have_spoken() -> None:
    assert judged_until(clocks(5, 3, 9), 3) == T + 3
    assert judged_until(clocks(5, 3, 9), 4) is None


instants = st.integers(min_value=T, max_value=T + 120_000)


@pytest.mark.rule("HM-60", "HM-61", "HM-62")
@given(st.lists(instants, min_size=1, max_size=6), instants)
def test_what_is_ready_was_passed_by_all_or_waited_for_long_enough(reached: list[int], at: int) -> None:
    reach = horizon([ShardClock(i, 1, value, 0) for i, value in enumerate(reached)], len(reached), PATIENCE)
    assert reach is not None
    ready = at < reach.before
    moving = [value for value in reached if max(reached) - value < PATIENCE.stalled_ms]
    passed_by_all = all(value > at for value in moving)
    waited = max(reached) - at >= PATIENCE.wait_ms
    assert ready == (passed_by_all or waited)
    named = {*reach.behind(at).slower, *reach.behind(at).stalled}
    assert ready is False or named >= {i for i, value in enumerate(reached) if value <= at}


@given(st.lists(instants, min_size=1, max_size=6), st.integers(min_value=0, max_value=5), st.integers(0, 90_000))
def test_progress_of_a_shard_never_takes_a_decision_back(reached: list[int], index: int, more: int) -> None:
    before = horizon([ShardClock(i, 1, value, 0) for i, value in enumerate(reached)], len(reached), PATIENCE)
    reached[index % len(reached)] += more
    after = horizon([ShardClock(i, 1, value, 0) for i, value in enumerate(reached)], len(reached), PATIENCE)
    assert before is not None
    assert after is not None
    # A shard that was taken for dead and comes back is waited for again; what was ready then has been decided.
    came_back = len(after.stalled) < len(before.stalled)
    assert after.before >= before.before or came_back


@pytest.mark.rule("HM-227")
@given(st.lists(st.tuples(st.integers(0, 9_000), st.booleans()), min_size=1, max_size=8))
def test_a_clock_knows_what_it_showed_before_its_holes(course: list[tuple[int, bool]]) -> None:
    """Compared with a clock that is read every millisecond."""
    at, clock, showed, holes = T, 0, {T: 0}, list[Hole]()
    for length, is_hole in course:
        length += 5_000 * is_hole
        for passed in range(1, length + 1):
            showed[at + passed] = clock + (min(passed, 2_000) if is_hole else passed)
        if is_hole:
            holes.append(Hole(at, at + length))
        at, clock = at + length, showed[at + length]
    now = ShardClock(0, 1, at, clock, tuple(holes))
    earliest = {shown: instant for instant, shown in sorted(showed.items(), reverse=True)}
    for instant, shown in list(showed.items())[::97]:
        then = now.back_at(instant)
        assert then.clock == shown
        assert now.instant_of(shown) == earliest[shown]
        assert then.instant_of(showed[T + (instant - T) // 2]) == earliest[showed[T + (instant - T) // 2]]


@pytest.mark.rule("HM-60", "HM-61", "HM-232")
def test_behind_a_hole_in_all_logs_the_first_to_be_back_waits_for_the_others() -> None:
    hole = Hole(T + 1_000, T + 3_601_000)
    slow = ShardClock(0, 1, T + 900, 0)
    back = ShardClock(1, 1, T + 3_602_000, 100_000, (hole,))
    reach = horizon([slow, back], 2, PATIENCE)
    assert reach is not None
    assert (reach.before, reach.stalled) == (T + 900, frozenset())
    later = horizon([slow, ShardClock(1, 1, T + 3_605_000, 103_000, (hole,))], 2, PATIENCE)
    assert later is not None
    assert later.before == T + 2_001
    never = horizon([slow, ShardClock(1, 1, T + 3_605_000, 103_000)], 2, PATIENCE)
    assert never is not None
    assert never.stalled == {0}


@pytest.mark.rule("HM-306")
def test_a_clock_inside_a_hole_that_was_told_anew_to_a_later_end_knows_what_it_showed_before() -> None:
    shown = ShardClock(0, 1, T + 30_000, 12_000).with_holes([Hole(T + 10_000, T + 60_000)])
    assert shown.back_at(T + 11_000).clock == 11_000
    assert shown.back_at(T + 5_000).clock == 5_000
    assert shown.instant_of(5_000) == T + 5_000
    assert ShardClock(0, 1, T + 11_000, 11_000).with_holes([Hole(T + 10_000, T + 60_000)]).holes == ()
