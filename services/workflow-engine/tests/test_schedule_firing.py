"""What a schedule does with the moments that have passed: each gets one ending."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fettle_workflow_engine.domain.rhythms import Cron, Every, Rhythm, moments, next_after
from fettle_workflow_engine.domain.schedules import LATE_AFTER, Firing, Missed, Schedule, fire

QUARTERS = Every(900)
AT = datetime(2026, 11, 26, 10, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return AT + timedelta(minutes=minutes)


@pytest.mark.rule("WF-57")
@pytest.mark.parametrize(
    ("missed", "late", "expected"),
    [
        (Missed.RUN_ONCE, 0, (0, [], 15)),
        (Missed.RUN_ONCE, 14.9, (0, [], 15)),
        (Missed.RUN_ONCE, 15, (15, [0], 30)),
        (Missed.RUN_ONCE, 50, (45, [0, 15, 30], 60)),
        (Missed.SKIP, 0, (0, [], 15)),
        (Missed.SKIP, 0.99, (0, [], 15)),
        (Missed.SKIP, 1, (None, [0], 15)),
        (Missed.SKIP, 45.5, (45, [0, 15, 30], 60)),
        (Missed.SKIP, 50, (None, [0, 15, 30, 45], 60)),
    ],
)
def test_what_late_moments_come_to(
    missed: Missed, late: float, expected: tuple[int | None, Sequence[int], int]
) -> None:
    starts, passed, following = expected
    assert fire(Schedule(QUARTERS, missed), AT, at(late)) == Firing(
        None if starts is None else at(starts), len(passed), tuple(map(at, passed)), at(following)
    )


@pytest.mark.rule("WF-57")
def test_a_long_downtime_is_counted_to_a_thousand_and_named_to_a_hundred() -> None:
    firing = fire(Schedule(Cron("* * * * *", "Europe/Oslo")), AT, at(100_000.5))
    assert (firing.starts, firing.next_at) == (at(100_000), at(100_001))
    assert (firing.missed, firing.missed_at) == (1_000, tuple(map(at, range(100))))
    assert firing.event("nightly") == {
        "trigger": "nightly",
        "scheduled_at": "2027-02-03T20:40:00.000Z",
        "missed": 1_000,
        "missed_at": [*(f"2026-11-26T10:{minute:02}:00.000Z" for minute in range(60)),
                      *(f"2026-11-26T11:{minute:02}:00.000Z" for minute in range(40))],
    }  # fmt: skip


@pytest.mark.rule("WF-57")
def test_no_more_than_a_thousand_are_counted_where_none_of_them_starts_a_run() -> None:
    firing = fire(Schedule(Every(120), Missed.SKIP), AT, at(3_001.5))
    assert (firing.starts, firing.missed, len(firing.missed_at)) == (None, 1_000, 100)


@pytest.mark.rule("WF-57")
def test_a_moment_is_not_fired_ahead_of_its_time() -> None:
    midnight, day = datetime(2026, 11, 26, tzinfo=UTC), timedelta(days=1)
    firing = fire(Schedule(Every(86_400)), midnight, midnight + 1.25 * day)
    assert firing == Firing(midnight + day, 1, (midnight,), midnight + 2 * day)


rhythms = st.sampled_from(
    [
        Every(60),
        Every(25 * 60),
        Every(86_400, "Europe/Oslo"),
        Every(2 * 86_400, "America/Havana"),
        Cron("*/7 * * * *", "Europe/Oslo"),
        Cron("30 1,2 * * *", "America/New_York"),
        Cron("0 9 * * MON", "Australia/Lord_Howe"),
    ]
)
CHANGE = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)


@pytest.mark.rule("WF-56", "WF-57")
@settings(deadline=None)
@given(
    rhythm=rhythms,
    missed=st.sampled_from(Missed),
    jumps=st.lists(st.one_of(st.floats(-500, 500), st.floats(0, 100), st.floats(0, 3_000)), max_size=15),
)
def test_each_moment_has_one_ending_however_the_clock_jumps(rhythm: Rhythm, missed: Missed, jumps: list[float]) -> None:
    """Minutes pass or are taken back between two looks; whoever looks knows nothing but when the schedule is due."""
    schedule, now = Schedule(rhythm, missed), CHANGE
    due_at = first = next_after(rhythm, now)
    ended: list[datetime] = []
    for minutes in jumps:
        now += timedelta(minutes=minutes)
        if now < due_at:
            continue
        firing = fire(schedule, due_at, now)
        assert due_at <= now < firing.next_at
        if firing.starts:
            assert missed is Missed.RUN_ONCE or now - firing.starts < LATE_AFTER
        passed = [*firing.missed_at, *([firing.starts] if firing.starts else [])]
        if firing.missed > len(firing.missed_at):
            passed = list(span(rhythm, due_at, firing.next_at))
            assert firing.missed == min(1_000, len(passed) - bool(firing.starts))
        ended += passed
        due_at = firing.next_at
    assert ended == list(span(rhythm, first, due_at))


def span(rhythm: Rhythm, start: datetime, end: datetime) -> list[datetime]:
    """The moments from one that is due up to another."""
    found = [start] if start < end else []
    for moment in islice(moments(rhythm, start), 300_000):
        if moment >= end:
            break
        found.append(moment)
    return found


OSLO, SYDNEY = "Europe/Oslo", "Australia/Sydney"


@pytest.mark.rule("WF-54", "WF-56")
@pytest.mark.parametrize(("zone", "month"), [(OSLO, 7), (OSLO, 12), (SYDNEY, 7), (SYDNEY, 12)])
@pytest.mark.parametrize("days", [1, 7])
@pytest.mark.parametrize("missed", list(Missed))
def test_days_that_were_counted_evenly_go_on_by_the_calendar(zone: str, month: int, days: int, missed: Missed) -> None:
    """A moment that an earlier version has put down lies an hour beside the calendar's, before it or behind it: it is
    that one, neither a further one nor in place of the next."""
    schedule, length = Schedule(Every(days * 86_400, zone), missed), timedelta(days=days)
    even = datetime(2000, 1, 3, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    stored = even + ((datetime(2026, month, 8, tzinfo=UTC) - even) // length) * length
    meant, following, later = islice(moments(schedule.rhythm, stored - timedelta(hours=2)), 3)
    assert abs(meant - stored) <= timedelta(hours=1)
    assert fire(schedule, stored, stored + timedelta(seconds=1)) == Firing(stored, 0, (), following)
    after = fire(schedule, stored, following + timedelta(seconds=1))
    assert after == Firing(following, 1, (stored,), later)
