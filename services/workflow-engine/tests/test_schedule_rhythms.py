"""When schedules are due: intervals, cron and clocks that change."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from fettle_workflow_engine.domain.rhythms import Cron, Every, Unworkable, check, moments, next_after, stands_for

OSLO, NEW_YORK, LORD_HOWE, CAIRO = "Europe/Oslo", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo"


def shown(rhythm: Cron | Every, after: str, count: int) -> list[str]:
    """The moments after a wall time, as the wall shows them, with the offset."""
    clock = ZoneInfo(rhythm.zone)
    start = datetime.fromisoformat(after).replace(tzinfo=clock).astimezone(UTC)
    found = islice(moments(rhythm, start), count)
    return [moment.astimezone(clock).strftime("%d %H:%M %z") for moment in found]


@pytest.mark.rule("WF-55")
@pytest.mark.parametrize(
    ("zone", "expression", "after", "expected"),
    [
        # The clock is put forward: what it leaves out runs at the change.
        (OSLO, "30 2 * * *", "2027-03-27T12:00", ["28 03:00 +0200", "29 02:30 +0200"]),
        (NEW_YORK, "0,30 2 * * *", "2027-03-13T12:00", ["14 03:00 -0400", "15 02:00 -0400", "15 02:30 -0400"]),
        (LORD_HOWE, "15 2 * * *", "2026-10-03T12:00", ["04 02:30 +1100", "05 02:15 +1100"]),
        (OSLO, "30 2,3 * * *", "2027-03-28T00:00", ["28 03:00 +0200", "28 03:30 +0200", "29 02:30 +0200"]),
        (OSLO, "0 2,3 * * *", "2027-03-28T00:00", ["28 03:00 +0200", "29 02:00 +0200"]),
        (CAIRO, "20 0 * * *", "2027-04-29T12:00", ["30 01:00 +0300", "01 00:20 +0300"]),
        # It is put back: what it shows twice runs the first time.
        (OSLO, "30 2 * * *", "2026-10-24T12:00", ["25 02:30 +0200", "26 02:30 +0100"]),
        (NEW_YORK, "30 1 * * *", "2026-10-31T12:00", ["01 01:30 -0400", "02 01:30 -0500"]),
        (LORD_HOWE, "45 1 * * *", "2027-04-03T12:00", ["04 01:45 +1100", "05 01:45 +1030"]),
        # Behind a change of half an hour the hours are whole again.
        (LORD_HOWE, "0 5 * * *", "2026-10-03T12:00", ["04 05:00 +1100", "05 05:00 +1100"]),
        (LORD_HOWE, "*/15 5 * * *", "2027-04-04T00:00", ["04 05:00 +1030", "04 05:15 +1030", "04 05:30 +1030"]),
        # Intervals go on as the wall shows them.
        (OSLO, "*/30 * * * *", "2026-10-25T01:45",
         ["25 02:00 +0200", "25 02:30 +0200", "25 02:00 +0100", "25 02:30 +0100", "25 03:00 +0100"]),
        (OSLO, "*/30 * * * *", "2027-03-28T01:15", ["28 01:30 +0100", "28 03:00 +0200", "28 03:30 +0200"]),
        (OSLO, "15 */2 * * *", "2027-03-28T00:10", ["28 00:15 +0100", "28 04:15 +0200", "28 06:15 +0200"]),
        (LORD_HOWE, "*/20 * * * *", "2027-04-04T01:15",
         ["04 01:20 +1100", "04 01:40 +1100", "04 01:40 +1030", "04 02:00 +1030"]),
        # What names days.
        (OSLO, "0 7 * * MON-FRI", "2026-11-26T12:00", ["27 07:00 +0100", "30 07:00 +0100"]),
        (OSLO, "0 0 29 2 *", "2026-11-26T12:00", ["29 00:00 +0100"]),
        (OSLO, "0 6 L * *", "2026-11-26T12:00", ["30 06:00 +0100", "31 06:00 +0100"]),
    ],
)  # fmt: skip
def test_cron_follows_the_wall_clock(zone: str, expression: str, after: str, expected: list[str]) -> None:
    assert shown(Cron(expression, zone), after, len(expected)) == expected


@pytest.mark.rule("WF-54")
@pytest.mark.parametrize(
    ("seconds", "zone", "after", "expected"),
    [
        (900, "UTC", "2026-11-26T12:07", ["26 12:15 +0000", "26 12:30 +0000"]),
        (7 * 60, "UTC", "2026-11-26T12:07", ["26 12:14 +0000", "26 12:21 +0000"]),
        (25 * 3_600, OSLO, "2026-10-24T12:00", ["24 17:00 +0200", "25 17:00 +0100", "26 18:00 +0100"]),
        (12 * 3_600, NEW_YORK, "2027-03-13T12:00", ["14 00:00 -0500", "14 13:00 -0400", "15 01:00 -0400"]),
        (3_600, "Asia/Kolkata", "2027-01-05T12:10", ["05 13:00 +0530", "05 14:00 +0530"]),
        (3_600, LORD_HOWE, "2027-04-04T00:45", ["04 01:00 +1100", "04 01:30 +1030", "04 02:30 +1030"]),
    ],
)
def test_intervals_go_on_evenly_whatever_the_clock_does(
    seconds: int, zone: str, after: str, expected: list[str]
) -> None:
    assert shown(Every(seconds, zone), after, len(expected)) == expected


DAY = 86_400


@pytest.mark.rule("WF-54")
@pytest.mark.parametrize(
    ("days", "zone", "after", "expected"),
    [
        # The clock is put back, and put forward.
        (1, OSLO, "2026-10-24T12:00", ["25 00:00 +0200", "26 00:00 +0100", "27 00:00 +0100"]),
        (1, OSLO, "2027-03-27T12:00", ["28 00:00 +0100", "29 00:00 +0200", "30 00:00 +0200"]),
        (1, NEW_YORK, "2026-10-31T12:00", ["01 00:00 -0400", "02 00:00 -0500"]),
        (1, NEW_YORK, "2027-03-13T12:00", ["14 00:00 -0500", "15 00:00 -0400"]),
        (7, NEW_YORK, "2027-03-05T12:00", ["08 00:00 -0500", "15 00:00 -0400"]),
        (2, OSLO, "2026-10-24T12:00", ["25 00:00 +0200", "27 00:00 +0100"]),
        # Midnight itself is left out, or comes twice; a day is left out.
        (1, CAIRO, "2027-04-29T12:00", ["30 01:00 +0300", "01 00:00 +0300"]),
        (1, CAIRO, "2026-10-28T12:00", ["29 00:00 +0300", "30 00:00 +0200"]),
        (1, "America/Havana", "2026-10-31T12:00", ["01 00:00 -0400", "02 00:00 -0500"]),
        (1, "America/Havana", "2027-03-13T12:00", ["14 01:00 -0400", "15 00:00 -0400"]),
        (1, "Pacific/Apia", "2011-12-28T12:00", ["29 00:00 -1000", "31 00:00 +1400", "01 00:00 +1400"]),
        (7, "UTC", "2027-01-05T12:00", ["11 00:00 +0000", "18 00:00 +0000"]),
    ],
)
def test_whole_days_go_by_the_wall(days: int, zone: str, after: str, expected: list[str]) -> None:
    assert shown(Every(days * DAY, zone), after, len(expected)) == expected


ZONES = (OSLO, NEW_YORK, LORD_HOWE, CAIRO, "America/Havana", "Antarctica/Troll", "Pacific/Apia", "Asia/Kolkata", "UTC")
instants = st.integers(0, 50_000_000).map(lambda minutes: datetime(1990, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes))


@pytest.mark.rule("WF-54")
@given(days=st.integers(1, 366), zone=st.sampled_from(ZONES), after=instants, ahead=st.floats(0, 1))
def test_whole_days_do_not_depend_on_when_they_are_asked_for(
    days: int, zone: str, after: datetime, ahead: float
) -> None:
    """Each is due on its calendar day, once, and nothing else is."""
    rhythm, clock = Every(days * DAY, zone), ZoneInfo(zone)
    due, following = islice(moments(rhythm, after), 2)
    assert after < due < following
    assert next_after(rhythm, after + (due - after) * ahead * 0.999) == due
    assert stands_for(rhythm, due) == due
    day, behind = (one.astimezone(clock).date() for one in (due, following))
    crossed = zone == "Pacific/Apia" and day <= datetime(2012, 1, 1, tzinfo=UTC).date() <= behind + timedelta(days=2)
    if not crossed:
        assert (behind - day).days == days
        assert (day - datetime(2000, 1, 3, tzinfo=UTC).date()).days % days == 0
    before = (due - timedelta(seconds=1)).astimezone(clock).replace(tzinfo=None)
    assert before.date() < day or crossed, "the first moment of the day"


@pytest.mark.rule("WF-54")
@given(
    seconds=st.integers(1, 40_000).map(lambda minutes: minutes * 60).filter(lambda seconds: seconds % DAY),
    after=instants,
    ahead=st.floats(0, 1),
)
def test_an_interval_does_not_depend_on_when_it_is_asked_for(seconds: int, after: datetime, ahead: float) -> None:
    rhythm, moment = Every(seconds, OSLO), after
    due = next_after(rhythm, moment)
    assert timedelta(0) < due - moment <= timedelta(seconds=seconds)
    assert next_after(rhythm, moment + (due - moment) * ahead * 0.999) == due
    assert next_after(rhythm, due) == due + timedelta(seconds=seconds)


CHANGES = {
    OSLO: ("2026-10-24T20:00", "2027-03-27T20:00"),
    NEW_YORK: ("2026-10-31T20:00", "2027-03-13T20:00"),
    LORD_HOWE: ("2026-10-03T05:00", "2027-04-03T05:00"),
    CAIRO: ("2027-04-29T12:00", "2026-10-29T10:00"),
    "Antarctica/Troll": ("2027-03-27T20:00", "2026-10-24T20:00"),
    "America/Havana": ("2026-10-31T20:00", "2027-03-13T20:00"),
}
fields = st.one_of(
    st.just("*"),
    st.sampled_from([2, 5, 7, 15]).map(lambda step: f"*/{step}"),
    st.integers(0, 23).map(str),
    st.tuples(st.integers(0, 23), st.integers(0, 23)).map(lambda pair: "{}-{}".format(*sorted(pair))),
)


@pytest.mark.rule("WF-55")
@settings(max_examples=40, deadline=None)
@given(zone=st.sampled_from(sorted(CHANGES)), back=st.booleans(), shift=st.integers(0, 600), minute=fields, hour=fields)
def test_cron_agrees_with_whoever_watches_the_wall(zone: str, back: bool, shift: int, minute: str, hour: str) -> None:
    """Every minute of a day with a change is looked at, and asked whether the expression names it."""
    expression = f"{minute} {hour} * * *"
    start = datetime.fromisoformat(CHANGES[zone][back]).replace(tzinfo=UTC) + timedelta(minutes=shift)
    end = start + timedelta(hours=26)
    found = []
    for moment in moments(Cron(expression, zone), start):
        if moment > end:
            break
        found.append(moment)
    for moment in found[:: len(found) // 10 + 1]:
        assert next_after(Cron(expression, zone), moment - timedelta(seconds=1)) == moment
    assert found == list(watched(expression, zone, start, end))


def watched(expression: str, zone: str, start: datetime, end: datetime) -> Iterator[datetime]:
    clock, named = ZoneInfo(zone), CronSim(expression, datetime(2026, 1, 1))  # noqa: DTZ001
    interval = "*" in (expression[0], expression.split()[1][0])

    def names(wall: datetime) -> bool:
        return wall.minute in named.minutes and wall.hour in named.hours

    minute, moment = timedelta(minutes=1), start - timedelta(hours=6)
    seen, before = set[datetime](), moment.astimezone(clock).replace(tzinfo=None) - minute
    while moment <= end:
        wall = moment.astimezone(clock).replace(tzinfo=None)
        left_out = [before + minute * count for count in range(1, int((wall - before) / minute))]
        due = names(wall) and (interval or wall not in seen)
        if (due or (not interval and any(map(names, left_out)))) and moment > start:
            yield moment
        seen.add(wall)
        before, moment = wall, moment + minute


@pytest.mark.rule("WF-53")
@pytest.mark.parametrize(
    ("rhythm", "said"),
    [
        (Every(59), "from one minute to 366 days"),
        (Every(367 * 86_400), "from one minute to 366 days"),
        (Cron("* * * *"), "five fields"),
        (Cron("0 * * * * *"), "five fields"),
        (Cron("@daily"), "five fields"),
        (Cron("0 0 1-31 * 1" + ",1" * 60), "five fields"),
        (Every(60), None),
        (Every(366 * 86_400), None),
        (Cron("61 * * * *"), "bad minute"),
        (Cron("0 24 * * *"), "bad hour"),
        (Cron("0 0 30 2 *"), "bad day-of-month"),
        (Cron("0 0 */30 4 MON#5"), "names no day that exists"),
        (Cron("0 0 * * 1L/2"), "bad day-of-week"),
        (Cron("0 0 31 */2 1#5"), None),
        (Cron("0 0 * * *", "Europe/Olso"), "no time zone 'Europe/Olso'"),
        (Cron("0 0 * * *", "../etc/passwd"), "no time zone"),
        (Cron("0 0 * * *", ""), "no time zone"),
    ],
)
def test_rhythms_that_cannot_be(rhythm: Cron | Every, said: str | None) -> None:
    if said is None:
        check(rhythm)
        return
    with pytest.raises(Unworkable, match=said):
        check(rhythm)


@pytest.mark.rule("WF-53")
@settings(max_examples=200)
@given(st.text("0123456789*/,-L#WMONFRI ", max_size=30).map(lambda text: f"{text} * * * *"[-40:]))
def test_whatever_stands_there_is_taken_or_refused(expression: str) -> None:
    try:
        check(Cron(expression))
    except Unworkable:
        return
    assert next_after(Cron(expression), datetime(2026, 1, 1, tzinfo=UTC)) > datetime(2026, 1, 1, tzinfo=UTC)
