"""Timers against a list that is looked through each time."""

from array import array

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fettle_health_monitor.domain.judge.timers import NOT_QUEUED, Timers

ROWS = 5
LENGTHS = st.integers(0, 9) | st.integers(0, 40_000)
STEPS = st.tuples(st.sampled_from(["set", "put off", "stop", "pass", "look"]), st.integers(0, ROWS - 1), LENGTHS)


@pytest.mark.rule("HM-10")
@settings(max_examples=500, deadline=None)
@given(st.lists(STEPS, max_size=60), st.booleans())
@example([("set", 0, 10), ("put off", 0, 3), ("look", 0, 20)], False)
@example([("set", 0, 10), ("put off", 0, 3), ("pass", 0, 20)], False)
def test_every_row_comes_up_when_it_is_due_and_once(steps: list[tuple[str, int, int]], rebuilt: bool) -> None:
    timers, queued = _none()
    due: dict[int, int] = {}
    now = 0
    for what, row, by in steps:
        if what == "set":
            due[row] = now + by
            timers.queue(row, due[row])
        elif what == "put off" and row in due:
            due[row] += by
        elif what == "stop":
            due.pop(row, None)
        elif what == "look":
            first = min(due.values(), default=now + by + 1)
            assert timers.next_due(now + by, due.get) == (first if first <= now + by else None)
        elif what == "pass":
            now += by
            if rebuilt:
                queued[:] = array("q", [NOT_QUEUED]) * ROWS
                timers.rebuild(range(ROWS), due.get)
            expected = sorted((at, row) for row, at in due.items() if at <= now)
            assert _come_up(timers, due, now) == expected


@pytest.mark.rule("HM-10")
def test_who_was_put_off_does_not_come_up_in_vain() -> None:
    timers, queued = _none()
    due = dict.fromkeys(range(ROWS), 20_000)
    for row, at in due.items():
        timers.queue(row, at)
    due |= dict.fromkeys(range(ROWS), 90_000)

    assert not timers.anything_by(20_000, due.get)

    assert list(queued) == [90_000] * ROWS


def _none() -> "tuple[Timers, array[int]]":
    queued = array("q", [NOT_QUEUED]) * ROWS
    return Timers(queued), queued


def _come_up(timers: Timers, due: dict[int, int], until: int) -> list[tuple[int, int]]:
    """What comes up by then, with when; its timers stop."""
    found = []
    while taken := timers.take_due(until, due.get):
        at, rows = taken
        found += [(at, row) for row in sorted(rows)]
        for row in rows:
            del due[row]
    return found
