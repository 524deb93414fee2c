"""When a silence holds, and which cannot be."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import thread_time
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fettle_contracts.times import from_ms, parse_time, to_ms
from fettle_health_monitor.domain.correlator.recurrence import (
    OCCURRENCES_LIMIT,
    Unworkable,
    beginnings,
    beginnings_within,
)
from fettle_health_monitor.domain.correlator.silences import (
    LENGTH_MAX_S,
    Occurrence,
    Schedule,
    Silence,
    check,
    covers,
    held_between,
    look,
    on_or_next,
)

HOUR = 3_600_000


def ms(text: str) -> int:
    return to_ms(parse_time(text))


NOW = ms("2026-11-26T12:00:00Z")


def silence(schedule: Schedule) -> Silence:
    return Silence(id=UUID(int=1), org="acme", subject="device/t17", schedule=schedule, by="ann@acme.test")


def ends_after(schedule: Schedule, at: int) -> int | None:
    found = on_or_next(schedule, at)
    return None if found is None else found.end


def utc(start: str, rule: str, zone: str) -> list[str]:
    return [from_ms(at).strftime("%m-%d %H:%M") for at in beginnings(ms(start), rule, zone)]


@pytest.mark.rule("HM-123")
def test_a_silence_holds_from_its_start_up_to_but_without_its_end() -> None:
    one = silence(Schedule(NOW, 3_600))
    assert covers(one, NOW - 1) is None
    assert covers(one, NOW) == covers(one, NOW + HOUR - 1) == Occurrence(NOW, NOW + HOUR)
    assert covers(one, NOW + HOUR) is None
    assert [ends_after(one.schedule, NOW + more) for more in (-1, HOUR - 1, HOUR)] == [NOW + HOUR, NOW + HOUR, None]


@pytest.mark.rule("HM-123")
def test_occurrences_that_touch_are_one() -> None:
    touching = silence(Schedule(NOW, 3_600, "FREQ=HOURLY;COUNT=3", "UTC"))
    for at in (NOW, NOW + 2 * HOUR):
        assert covers(touching, at) == Occurrence(NOW, NOW + 3 * HOUR)
    apart = silence(Schedule(NOW, 3_599, "FREQ=HOURLY;COUNT=3", "UTC"))
    assert covers(apart, NOW + HOUR - 1_000) is None
    assert on_or_next(apart.schedule, NOW + HOUR - 1_000) == Occurrence(NOW + HOUR, NOW + 2 * HOUR - 1_000)


@pytest.mark.rule("HM-123", "HM-137")
def test_what_was_seen_of_a_silence_tells_nothing_of_before_and_behind_it() -> None:
    twice = silence(Schedule(NOW, 60, "FREQ=HOURLY;COUNT=2", "UTC"))
    first, second = Occurrence(NOW, NOW + 60_000), Occurrence(NOW + HOUR, NOW + HOUR + 60_000)
    for looked_at in (NOW, NOW + 60_000, NOW + 2 * HOUR):
        seen = look(twice, looked_at)
        assert [covers(seen, at) for at in (NOW, NOW + 60_000, second.start)] == [first, None, second]


@pytest.mark.rule("HM-134")
def test_a_silence_that_was_removed_holds_no_more_and_held_before() -> None:
    removed = silence(Schedule(NOW, 3_600, "FREQ=DAILY;COUNT=3", "UTC", removed_at=NOW + 1_000))
    assert covers(removed, NOW + 999) == Occurrence(NOW, NOW + 1_000)
    assert covers(removed, NOW + 1_000) is None
    assert ends_after(removed.schedule, NOW + 1_000) is None
    assert ends_after(Schedule(NOW, 3_600, removed_at=NOW), NOW - 1) is None


@pytest.mark.rule("HM-124")
@pytest.mark.parametrize(
    ("start", "zone", "expected"),
    [
        # 02:30 local, on the night on which clocks go ahead from 02:00 to 03:00
        ("2026-03-28T01:30:00Z", "Europe/Oslo", ["03-28 01:30", "03-29 01:00", "03-30 00:30"]),
        ("2026-03-07T07:30:00Z", "America/New_York", ["03-07 07:30", "03-08 07:00", "03-09 06:30"]),
        # 02:15 local, on the night on which clocks go ahead from 02:00 to 02:30
        ("2026-10-02T15:45:00Z", "Australia/Lord_Howe", ["10-02 15:45", "10-03 15:30", "10-04 15:15"]),
        # 02:30 (01:30, 01:45) local, on the night on which that comes twice
        ("2026-10-24T00:30:00Z", "Europe/Oslo", ["10-24 00:30", "10-25 00:30", "10-26 01:30"]),
        ("2026-10-31T05:30:00Z", "America/New_York", ["10-31 05:30", "11-01 05:30", "11-02 06:30"]),
        ("2026-04-03T14:45:00Z", "Australia/Lord_Howe", ["04-03 14:45", "04-04 14:45", "04-05 15:15"]),
        # the 30th of December 2011, which Samoa left out
        ("2011-12-29T22:00:00Z", "Pacific/Apia", ["12-29 22:00", "12-30 10:00", "12-30 22:00"]),
        # far from any change of clocks, and across one
        ("2026-03-28T18:00:00Z", "Europe/Oslo", ["03-28 18:00", "03-29 17:00", "03-30 17:00"]),
        ("2026-10-31T12:00:00Z", "America/New_York", ["10-31 12:00", "11-01 13:00", "11-02 13:00"]),
    ],
)
def test_an_occurrence_begins_by_the_clock_on_the_wall(start: str, zone: str, expected: list[str]) -> None:
    assert utc(start, "FREQ=DAILY;COUNT=3", zone) == expected


@pytest.mark.rule("HM-124")
def test_every_hour_of_a_long_night_and_of_a_short_one() -> None:
    assert utc("2026-10-24T23:00:00Z", "FREQ=HOURLY;COUNT=4", "Europe/Oslo") == [
        "10-24 23:00",
        "10-25 00:00",
        "10-25 02:00",
        "10-25 03:00",
    ]
    short = utc("2026-03-29T00:00:00Z", "FREQ=HOURLY;COUNT=4", "Europe/Oslo")
    assert short == ["03-29 00:00", "03-29 01:00", "03-29 02:00"]


@pytest.mark.rule("HM-124")
def test_a_start_in_the_second_of_two_equal_hours_is_where_it_begins() -> None:
    assert utc("2026-10-25T01:30:00Z", "FREQ=DAILY;COUNT=2", "Europe/Oslo") == ["10-25 01:30", "10-26 01:30"]
    for frequency in ("DAILY;BYHOUR=2", "HOURLY"):
        rule = f"FREQ={frequency};BYMINUTE=45;COUNT=1"
        assert utc("2026-10-25T01:30:00Z", rule, "Europe/Oslo") == ["10-25 01:45"]


@pytest.mark.rule("HM-124")
@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("FREQ=WEEKLY;BYDAY=SA,SU;COUNT=3", ["11-28 12:00", "11-29 12:00", "12-05 12:00"]),
        ("RRULE:FREQ=MONTHLY;BYDAY=-1FR;COUNT=2", ["11-27 12:00", "12-25 12:00"]),
        ("freq=monthly;bymonthday=31;count=2", ["12-31 12:00", "01-31 12:00"]),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=2", ["11-30 12:00", "12-31 12:00"]),
        ("FREQ=DAILY;UNTIL=20261128", ["11-26 12:00", "11-27 12:00", "11-28 12:00"]),
        ("FREQ=DAILY;UNTIL=20261127T130000", ["11-26 12:00", "11-27 12:00"]),
        ("FREQ=DAILY;UNTIL=20261127T120000Z", ["11-26 12:00", "11-27 12:00"]),
        ("FREQ=DAILY;UNTIL=20261127T115959Z", ["11-26 12:00"]),
        ("FREQ=DAILY;BYMONTHDAY=-1,-2;COUNT=3", ["11-29 12:00", "11-30 12:00", "12-30 12:00"]),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TH,SU;COUNT=3", ["11-26 12:00", "11-29 12:00", "12-10 12:00"]),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TH,SU;WKST=SU;COUNT=3", ["11-26 12:00", "12-06 12:00", "12-10 12:00"]),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH;WKST=TH;COUNT=3", ["11-26 12:00", "11-30 12:00", "12-10 12:00"]),
        ("FREQ=DAILY;BYHOUR=9,21;COUNT=3", ["11-26 20:00", "11-27 08:00", "11-27 20:00"]),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;COUNT=1", ["02-29 12:00"]),
    ],
)
def test_rules_as_operations_write_them(rule: str, expected: list[str]) -> None:
    assert utc("2026-11-26T12:00:00Z", rule, "Europe/Oslo") == expected


@pytest.mark.rule("HM-125")
@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("FREQ=DAILY", "must end: add COUNT or UNTIL"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20270101", "COUNT or UNTIL, not both"),
        ("FREQ=MINUTELY;COUNT=2", "finer than an hour"),
        ("FREQ=SECONDLY;COUNT=2", "finer than an hour"),
        ("FREQ=HOURLY;BYMINUTE=0,30;COUNT=2", "finer than an hour"),
        ("FREQ=HOURLY;BYSECOND=0,30;COUNT=2", "finer than an hour"),
        ("COUNT=2", "needs FREQ"),
        ("FREQ=DAYLY;COUNT=2", "FREQ cannot be 'DAYLY'"),
        ("FREQ=DAILY;COUNT=0", "COUNT cannot be '0'"),
        ("FREQ=DAILY;COUNT=-1", "COUNT cannot be '-1'"),
        ("FREQ=DAILY;COUNT=\u0663", "COUNT cannot be"),
        ("FREQ=DAILY;INTERVAL=0;COUNT=2", "INTERVAL cannot be '0'"),
        ("FREQ=DAILY;INTERVAL=1,2;COUNT=2", "INTERVAL must be one number"),
        ("FREQ=DAILY;COUNT=2;COUNT=3", "names COUNT twice"),
        ("FREQ=DAILY;BYMONTH=13;COUNT=2", "BYMONTH cannot be '13'"),
        ("FREQ=DAILY;BYDAY=XX;COUNT=2", "BYDAY cannot be 'XX'"),
        ("FREQ=WEEKLY;BYDAY=2MO;COUNT=2", "numbered days"),
        ("FREQ=WEEKLY;BYMONTHDAY=2;COUNT=2", "BYMONTHDAY only with"),
        ("FREQ=DAILY;BYSETPOS=1;COUNT=2", "BYSETPOS only with"),
        ("FREQ=DAILY;BYEASTER=1;COUNT=2", "no part 'BYEASTER'"),
        ("FREQ=DAILY;UNTIL=tomorrow", "UNTIL cannot be"),
        ("FREQ=DAILY;UNTIL=20261399", "UNTIL cannot be"),
        ("FREQ=DAILY;UNTIL=20200101", "names no time"),
        ("FREQ=HOURLY;BYMONTH=2,4;BYMONTHDAY=31;COUNT=2", "no day that exists"),
        ("FREQ=YEARLY;BYMONTH=1;BYSETPOS=300;COUNT=2", "names no time"),
        ("FREQ=HOURLY;INTERVAL=24;BYHOUR=3;COUNT=2", "names no time that exists"),
        ("FREQ=HOURLY;UNTIL=20300101", f"at most {OCCURRENCES_LIMIT}"),
        ("FREQ=YEARLY;COUNT=12", "within 10 years"),
        ("FREQ=HOURLY;INTERVAL=168;BYDAY=TU;COUNT=1", "names no time that exists within 10 years"),
        ("every tuesday", "parts such as"),
        ("X" * 501, "at most 500 characters"),
    ],
)
def test_a_rule_that_cannot_work_is_refused_in_plain_words(rule: str, words: str) -> None:
    with pytest.raises(Unworkable) as refused:
        check(Schedule(NOW, 60, rule, "Europe/Oslo"), NOW)
    assert refused.value.field == "rrule"
    assert words in refused.value.rule


@pytest.mark.rule("HM-125")
@pytest.mark.parametrize(
    ("schedule", "field"),
    [
        (Schedule(NOW, 0), "length_s"),
        (Schedule(NOW, LENGTH_MAX_S + 1), "length_s"),
        (Schedule(NOW - 60_000, 60), "starts_at"),
        (Schedule(NOW - 11 * 366 * 24 * HOUR, LENGTH_MAX_S), "starts_at"),
        (Schedule(NOW + 11 * 366 * 24 * HOUR, 60), "starts_at"),
        (Schedule(NOW - 3 * 24 * HOUR, 60, "FREQ=DAILY;COUNT=3", "UTC"), "rrule"),
        (Schedule(NOW, 60, "FREQ=DAILY;COUNT=3"), "zone"),
        (Schedule(NOW, 60, zone="Europe/Oslo"), "zone"),
        (Schedule(NOW, 60, "FREQ=DAILY;COUNT=3", "Europe/Olso"), "zone"),
        (Schedule(NOW, 60, "FREQ=DAILY;COUNT=3", "../../etc/passwd"), "zone"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_by_its_field(schedule: Schedule, field: str) -> None:
    with pytest.raises(Unworkable) as refused:
        check(schedule, NOW)
    assert refused.value.field == field


@pytest.mark.rule("HM-125")
@pytest.mark.parametrize(
    "schedule",
    [
        Schedule(NOW, 1),
        Schedule(NOW, LENGTH_MAX_S),
        Schedule(NOW - 59_999, 60),
        Schedule(NOW - 2 * 24 * HOUR + 1, 86_400, "FREQ=DAILY;COUNT=2", "UTC"),
    ],
)
def test_what_just_works_is_taken(schedule: Schedule) -> None:
    check(schedule, NOW)


ZONES = ("Europe/Oslo", "America/New_York", "Australia/Lord_Howe", "UTC")
CHANGES = [ms(f"{day}T00:00:00Z") for day in ("2026-03-08", "2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25")]


def walked(start: int, zone: str, step: timedelta, count: int) -> list[int]:
    """The oracle: look at the wall's clock minute by minute, and note when it first shows, or has passed, each of the
    local times."""
    clock = ZoneInfo(zone)
    wanted = from_ms(start).astimezone(clock).replace(tzinfo=None)
    found: list[int] = []
    minute = datetime.fromtimestamp(start // 1000, UTC) - timedelta(hours=2)
    while len(found) < count:
        shown = minute.astimezone(clock).replace(tzinfo=None)
        while len(found) < count and shown >= wanted:
            found.append(max(start, to_ms(minute)))
            wanted += step
        minute += timedelta(minutes=1)
    return sorted(set(found))


@pytest.mark.rule("HM-123", "HM-124")
@settings(max_examples=60, deadline=None)
@given(
    change=st.sampled_from(CHANGES),
    minutes=st.integers(-2_000, 600),
    zone=st.sampled_from(ZONES),
    hourly=st.booleans(),
    length_min=st.integers(1, 3_000),
    removed_min=st.none() | st.integers(0, 4_000),
    data=st.data(),
)
def test_covers_agrees_with_a_walk_through_every_minute(
    change: int, minutes: int, zone: str, hourly: bool, length_min: int, removed_min: int | None, data: st.DataObject
) -> None:
    start = change + minutes * 60_000
    step, rule = (timedelta(hours=1), "FREQ=HOURLY") if hourly else (timedelta(days=1), "FREQ=DAILY")
    starts = walked(start, zone, step, 3)
    removed_at = None if removed_min is None else start + removed_min * 60_000
    one = silence(Schedule(start, length_min * 60, f"{rule};COUNT=3", zone, removed_at))
    edges = [at + more for begin in starts for at in (begin, begin + length_min * 60_000) for more in (-1, 0, 1)]
    edges += [] if removed_at is None else [removed_at - 1, removed_at, removed_at + 1]

    def held(at: int) -> bool:
        in_one = any(begin <= at < begin + length_min * 60_000 for begin in starts)
        return in_one and (removed_at is None or at < removed_at)

    for at in [*edges, data.draw(st.integers(start - HOUR, start + 80 * HOUR))]:
        found = covers(one, at)
        assert (found is not None) == held(at), from_ms(at)
        if found is not None:
            assert held(found.end - 1)
            assert not held(found.end)
            assert held(found.start)
            assert not held(found.start - 1)
            assert ends_after(one.schedule, at) == found.end


RULES = (
    *("FREQ=HOURLY;INTERVAL=5", "FREQ=HOURLY;BYHOUR=3,4;BYDAY=MO,SU", "FREQ=HOURLY;INTERVAL=7;BYMINUTE=5"),
    *("FREQ=DAILY", "FREQ=DAILY;INTERVAL=3;BYHOUR=21,9", "FREQ=DAILY;BYMONTHDAY=-1,15;BYMONTH=1,2,6"),
    *("FREQ=WEEKLY;INTERVAL=2", "FREQ=WEEKLY;INTERVAL=3;BYDAY=MO,SU;WKST=SU", "FREQ=WEEKLY;BYDAY=SA,SU;BYHOUR=8"),
    *("FREQ=MONTHLY;INTERVAL=5", "FREQ=MONTHLY;BYDAY=-1FR;INTERVAL=2", "FREQ=MONTHLY;BYDAY=MO,TU,WE;BYSETPOS=-1"),
    *("FREQ=YEARLY", "FREQ=YEARLY;INTERVAL=2;BYMONTH=2,3", "FREQ=YEARLY;BYYEARDAY=-1,100"),
)


@pytest.mark.rule("HM-123", "HM-124")
@settings(max_examples=150, deadline=None)
@given(
    start=st.integers(NOW, NOW + 8_000 * HOUR),
    rule=st.sampled_from(RULES),
    zone=st.sampled_from((*ZONES, "Pacific/Apia")),
    count=st.integers(1, 30),
    length_s=st.integers(1, 9_000) | st.sampled_from([86_400, 18_000, LENGTH_MAX_S]),
    removed_min=st.none() | st.integers(0, 90_000),
    data=st.data(),
)
def test_who_looks_near_an_instant_sees_what_the_whole_rule_says(
    start: int, rule: str, zone: str, count: int, length_s: int, removed_min: int | None, data: st.DataObject
) -> None:
    removed_at = None if removed_min is None else start + removed_min * 60_000
    whole = Schedule(start, length_s, f"{rule};COUNT={count}", zone, removed_at)
    try:
        starts = whole.starts
    except Unworkable:
        return
    if removed_at is not None and removed_at >= replace(whole, removed_at=None).end:
        return  # what has ended is not removed
    near = replace(whole, last=starts[-1] if removed_at is None else removed_at)
    edges = [at + more for at in starts[-2:] + starts[:2] for more in (-1, 0, length_s * 1000 - 1, length_s * 1000)]
    for at in [*edges, data.draw(st.integers(start - HOUR, whole.end + HOUR))]:
        assert on_or_next(near, at) == on_or_next(whole, at), from_ms(at)


@pytest.mark.rule("HM-124", "HM-137")
@settings(max_examples=60, deadline=None)
@given(
    start=st.integers(NOW, NOW + 8_000 * HOUR),
    rule=st.sampled_from(RULES),
    zone=st.sampled_from(ZONES),
    cut=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    earlier_days=st.integers(0, 60),
)
def test_some_of_the_beginnings_are_those_of_all_that_lie_there(
    start: int, rule: str, zone: str, cut: tuple[int, int], earlier_days: int
) -> None:
    whole = beginnings(start, f"{rule};COUNT=5", zone)
    first, last = (whole[min(at, len(whole) - 1)] for at in sorted(cut))
    first -= earlier_days * 24 * HOUR
    assert beginnings_within(start, f"{rule};COUNT=5", zone, first, last) == tuple(
        at for at in whole if first <= at <= last
    )


@pytest.mark.rule("HM-124", "HM-137")
@pytest.mark.parametrize(
    ("start", "zone"), [("2011-12-29T22:00:00Z", "Pacific/Apia"), ("2026-03-28T01:30:00Z", "Europe/Oslo")]
)
def test_one_that_a_change_of_clocks_has_moved_is_found_where_it_begins(start: str, zone: str) -> None:
    for at in beginnings(ms(start), "FREQ=DAILY;COUNT=3", zone):
        assert beginnings_within(ms(start), "FREQ=DAILY;COUNT=3", zone, at, at) == (at,)


@pytest.mark.rule("HM-125")
def test_a_rule_that_names_no_time_is_refused_at_once() -> None:
    far = ",".join(str(position) for position in range(-366, -270))
    began = thread_time()
    for rule in (
        "FREQ=HOURLY;INTERVAL=168;BYDAY=TU;COUNT=1",
        "FREQ=DAILY;INTERVAL=7;BYDAY=TU;COUNT=1",
        f"FREQ=YEARLY;BYMONTH=1,2,3;BYMONTHDAY=1;BYSETPOS={far};COUNT=2",
        f"FREQ=MONTHLY;BYMONTHDAY=31;BYHOUR=1,2,3,4,5;BYSETPOS={far};UNTIL=20990101",
        "FREQ=YEARLY;BYMONTH=6;BYWEEKNO=53;COUNT=1",
    ):
        with pytest.raises(Unworkable):
            beginnings(NOW, rule, "Europe/Oslo")
    assert thread_time() - began < 0.5


@pytest.mark.rule("AC-86")
def test_each_time_that_silences_held_between_two_instants_is_found() -> None:
    nights = Schedule(ms("2026-10-20T00:30:00Z"), 3_600, "FREQ=DAILY;COUNT=30", "Europe/Oslo")  # 02:30 there
    days = Schedule(ms("2026-10-24T06:00:00Z"), 1_800, "FREQ=HOURLY;INTERVAL=6;COUNT=3", "Etc/UTC")
    since, until = ms("2026-10-24T01:00:00Z"), ms("2026-10-25T03:00:00Z")  # the night when clocks are put back

    def found(*silences: Silence) -> list[str]:
        held = [one.occurrence for one in held_between(silences, since, until)]
        return [f"{from_ms(one.start):%d %H:%M}-{from_ms(one.end):%H:%M}" for one in held]

    night, day, broken = silence(nights), silence(days), silence(replace(nights, zone="Nowhere/Atall"))
    assert found(night, broken, day) == [
        "25 00:30-01:30",
        "24 18:00-18:30",
        "24 12:00-12:30",
        "24 06:00-06:30",
        "24 00:30-01:30",
    ]
    removed = silence(replace(days, removed_at=ms("2026-10-24T12:10:00Z")))
    assert found(removed) == ["24 12:00-12:10", "24 06:00-06:30"]
    assert found(replace(day, made_at=ms("2026-10-24T12:20:00Z"))) == ["24 18:00-18:30", "24 12:20-12:30"]
    assert found() == []
