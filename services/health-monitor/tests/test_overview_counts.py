"""How a fleet has stood over the last day, counted back from how it stands now."""

import pytest
from correlator_facts import T0
from hypothesis import given
from hypothesis import strategies as st

from fettle_health_monitor.domain.correlator.overview import (
    MINUTE_MS,
    STEP_S,
    STEPS,
    Blind,
    Tally,
    begins,
    blind,
    over_the_day,
    worst_first,
)

SINCE = begins(T0)
FIRST = SINCE // MINUTE_MS
"""The first minute of the day."""


def tally(firing: int = 0, changes: dict[int, int] | None = None) -> Tally:
    return Tally({"firing": firing, "healthy": 10}, {FIRST + minute: by for minute, by in (changes or {}).items()})


@pytest.mark.rule("AC-94")
def test_a_day_is_counted_back_from_now() -> None:
    steps = over_the_day(tally(3, {40: 5, 50: -4, 1_430: 2}), T0)
    assert len(steps) == STEPS
    assert steps[:5] == (0, 0, 5, 5, 1)
    assert set(steps[5:95]) == {1}
    assert steps[95] == 3


@pytest.mark.rule("AC-94")
def test_a_storm_between_two_edges_of_a_step_is_seen() -> None:
    assert over_the_day(tally(0, {31: 30, 38: -30}), T0)[:4] == (0, 0, 30, 0)


@pytest.mark.rule("AC-94")
def test_a_day_ends_where_judging_stands() -> None:
    assert SINCE % MINUTE_MS == 0
    assert T0 < SINCE + STEPS * STEP_S * 1000 <= T0 + MINUTE_MS
    ahead = over_the_day(tally(2, {1_441: 2}), T0)
    assert (ahead[94], ahead[95]) == (0, 2)


@pytest.mark.rule("AC-94")
@given(st.lists(st.tuples(st.integers(0, 1_439), st.integers(0, 3)), max_size=30))
def test_the_most_of_each_step_is_that_of_its_minutes(moves: list[tuple[int, int]]) -> None:
    """Against a plain walk forwards: so many go down at a minute, and come back two hours later."""
    changes: dict[int, int] = {}
    for minute, count in moves:
        changes[minute] = changes.get(minute, 0) + count
        if minute + 120 < 1_440:
            changes[minute + 120] = changes.get(minute + 120, 0) - count
    standing, seen = 0, [[0] for _ in range(STEPS)]
    for minute in range(1_440):
        seen[minute // 15].append(standing)
        standing += changes.get(minute, 0)
        seen[minute // 15].append(standing)
    assert over_the_day(tally(standing, changes), T0) == tuple(max(step) for step in seen)


@pytest.mark.rule("AC-94")
def test_stretches_that_overlap_are_one_and_say_how_many_shards() -> None:
    gaps = [(10, 20), (15, 30), (16, 18), (30, 31), (50, None), (60, 70)]
    assert blind(gaps) == [Blind(10, 31, 3), Blind(50, None, 2)]
    assert blind([]) == []


@pytest.mark.rule("AC-94")
def test_who_is_in_trouble_comes_first() -> None:
    tallies = {
        "calm": tally(),
        None: tally(),
        "b": tally(),
        "was": tally(changes={5: 1, 6: -1}),
        "bad": tally(2),
        "worse": tally(5),
        "down": tally(),
    }
    assert worst_first(tallies, ["down"]) == ["down", "worse", "bad", "was", "b", "calm", None]
