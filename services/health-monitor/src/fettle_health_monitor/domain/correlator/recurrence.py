"""When something recurs: an RFC 5545 rule over the wall clock of a zone, as the instants at which it begins.

The rule counts in local times; each becomes an instant by the zone's own clock changes. A local time that does not
exist on its day begins at the first instant after the gap, one that comes twice at the first of the two. The start is
where counting begins, and an occurrence only where the rule names it.

Not every rule of the RFC is taken: it ends, is no finer than an hour, and names days that exist, so that looking for
its occurrences ends too.
"""

import re
from bisect import bisect_left
from calendar import monthrange
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.rrule import rrulestr

from fettle_contracts.times import from_ms, to_ms

OCCURRENCES_LIMIT = 5_000
YEARS_LIMIT = 10
RULE_MAX_CHARACTERS = 500

_NUMBERS = {
    "INTERVAL": (1, 10_000),
    "COUNT": (1, OCCURRENCES_LIMIT),
    "BYMONTH": (1, 12),
    "BYMONTHDAY": (-31, 31),
    "BYYEARDAY": (-366, 366),
    "BYWEEKNO": (-53, 53),
    "BYSETPOS": (-366, 366),
    "BYHOUR": (0, 23),
    "BYMINUTE": (0, 59),
    "BYSECOND": (0, 59),
}
_SINGLE = {
    "INTERVAL": "must be one number",
    "COUNT": "must be one number",
    "BYMINUTE": "must be one number: a rule is no finer than an hour",
    "BYSECOND": "must be one number: a rule is no finer than an hour",
}
_FREQUENCIES = ("HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_ONLY_WITH = {
    "BYMONTHDAY": ("HOURLY", "DAILY", "MONTHLY", "YEARLY"),
    "BYYEARDAY": ("YEARLY",),
    "BYWEEKNO": ("YEARLY",),
    "BYSETPOS": ("MONTHLY", "YEARLY"),
}
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_DAY = "|".join(_DAYS)
_BYDAY = re.compile(rf"([+-]?[1-9]\d?)?({_DAY})(,([+-]?[1-9]\d?)?({_DAY}))*")
_UNTIL = re.compile(r"(\d{8})(T\d{6}(Z?))?")
_CLOCKS_CHANGE_BY = timedelta(days=2)
"""More than any clock on a wall was ever put forward or back."""
_NO_OTHER_PERIOD = "120000"
"""An interval of months, or years, that leads behind the year 9999, where dateutil ends."""
_LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Unworkable(ValueError):
    """A schedule that cannot be: the field at fault, and the rule that it breaks in plain words."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field, self.rule = field, rule


@lru_cache(maxsize=64)
def beginnings(start: int, rule: str, zone: str) -> tuple[int, ...]:
    """The instants at which all occurrences of a rule begin, in order; `start` and they are milliseconds since 1970.

    Raises Unworkable for a rule that is refused, or a zone that nobody knows. Takes up to 0.1 s, and is cached for who
    asks twice while a silence is made; `beginnings_within` finds a few of them in no time.
    """
    clock = _zone(zone)
    found = tuple(_instants(_whole(_read(rule), _local(start, clock), clock), start, clock))
    if not found:
        raise Unworkable("rrule", "names no time before it ends")
    return found


def beginnings_within(start: int, rule: str, zone: str, after: int, until: int) -> tuple[int, ...]:
    """Those that lie between these instants, both included, as if the rule had no end. What lies before is skipped, not
    counted. Raises Unworkable."""
    clock = _zone(zone)
    begin, first, last = (_local(at, clock) for at in (start, max(start, after), until))
    moments = _moments(_read(rule), begin, first - _CLOCKS_CHANGE_BY, last + _CLOCKS_CHANGE_BY)
    return tuple(at for at in _instants(moments, start, clock) if after <= at <= until)


def _local(at: int, clock: tzinfo) -> datetime:
    return from_ms(at // 1000 * 1000).astimezone(clock).replace(tzinfo=None)


def _instants(moments: Iterable[datetime], start: int, clock: tzinfo) -> Iterator[int]:
    """Each instant once: several local times of one gap begin at its end."""
    previous = None
    for moment in moments:
        begins = _instant(moment, clock) + start % 1000
        if begins < start:  # which lies between the two times at which the clock shows this
            begins = to_ms(moment.replace(tzinfo=clock, fold=1)) + start % 1000
        if begins != previous:
            yield begins
        previous = begins


def _whole(parts: dict[str, str], start: datetime, clock: tzinfo) -> Iterator[datetime]:
    count, is_over = int(parts.get("COUNT", OCCURRENCES_LIMIT + 1)), _is_over(parts.get("UNTIL"), clock)
    horizon = start + timedelta(days=366 * YEARS_LIMIT)
    number = 0
    for number, moment in enumerate(_moments(parts, start, start, horizon), start=1):
        if is_over(moment):
            return
        if number > OCCURRENCES_LIMIT:
            raise Unworkable("rrule", f"must name at most {OCCURRENCES_LIMIT} occurrences")
        yield moment
        if number == count:
            return
    if number == 0 and not is_over(horizon):
        raise Unworkable("rrule", f"names no time that exists within {YEARS_LIMIT} years of its start")
    if not is_over(horizon):
        raise Unworkable("rrule", f"must end within {YEARS_LIMIT} years of its start")


def _moments(parts: dict[str, str], start: datetime, first: datetime, last: datetime) -> Iterator[datetime]:
    """The local times of a rule that counts from `start`, from the period that holds `first` on, up to `last`. COUNT
    and UNTIL are left aside."""
    first = max(start, first)
    by_steps = parts["FREQ"] in ("HOURLY", "DAILY")
    for moment in (
        _hours_or_days(parts, start, first, last) if by_steps else _weeks_or_longer(parts, start, first, last)
    ):
        if moment > last:
            return
        if moment >= start:
            yield moment


def _hours_or_days(parts: dict[str, str], start: datetime, first: datetime, last: datetime) -> Iterator[datetime]:
    """Step by step: dateutil would look as far as the year 9999 for a day that the steps never meet."""
    hourly = parts["FREQ"] == "HOURLY"
    step = int(parts.get("INTERVAL", 1)) * (timedelta(hours=1) if hourly else timedelta(days=1))
    months, days, hours = (_numbers(parts.get(name)) for name in ("BYMONTH", "BYMONTHDAY", "BYHOUR"))
    weekdays = [_DAYS.index(day) for day in parts["BYDAY"].split(",")] if "BYDAY" in parts else range(7)
    minute, second = int(parts.get("BYMINUTE", start.minute)), int(parts.get("BYSECOND", start.second))
    begin = start.replace(hour=start.hour if hourly else 0, minute=0, second=0)
    period = begin + (first - begin) // step * step
    while period <= last:
        from_end = period.day - 1 - monthrange(period.year, period.month)[1]
        if (
            period.weekday() in weekdays
            and (not months or period.month in months)
            and (not days or period.day in days or from_end in days)
        ):
            for hour in [period.hour] if hourly else hours or [start.hour]:
                if not hourly or not hours or hour in hours:
                    yield period.replace(hour=hour, minute=minute, second=second)
        period += step


def _weeks_or_longer(parts: dict[str, str], start: datetime, first: datetime, last: datetime) -> Iterator[datetime]:
    """What the rule takes from its start is spelt out, so that counting can begin with a later period."""
    by = {name: value for name, value in parts.items() if name not in ("COUNT", "UNTIL")}
    if not by.keys() & {"BYWEEKNO", "BYYEARDAY", "BYMONTHDAY", "BYDAY"}:
        if by["FREQ"] == "WEEKLY":
            by["BYDAY"] = _DAYS[start.weekday()]
        else:
            by["BYMONTHDAY"] = str(start.day)
            if by["FREQ"] == "YEARLY":
                by.setdefault("BYMONTH", str(start.month))
    for name, value in (("BYHOUR", start.hour), ("BYMINUTE", start.minute), ("BYSECOND", start.second)):
        by.setdefault(name, str(value))
    begin, interval = start.replace(hour=0, minute=0, second=0), int(by.get("INTERVAL", 1))
    if by["FREQ"] == "WEEKLY":
        begin -= timedelta(days=(start.weekday() - _DAYS.index(by.get("WKST", "MO"))) % 7)
        begin += (first - begin) // timedelta(weeks=interval) * timedelta(weeks=interval)
        yield from _by_dateutil(by, begin)
    else:
        for period in _months_or_years(by["FREQ"] == "MONTHLY", interval, begin, first, last):
            yield from _by_dateutil({**by, "INTERVAL": _NO_OTHER_PERIOD}, period)


def _months_or_years(
    monthly: bool, interval: int, begin: datetime, first: datetime, last: datetime
) -> Iterator[datetime]:
    """Period by period from the one that holds `first` on: dateutil would look as far as the year 9999 for a day, or a
    position among them, that no period has."""
    months = interval if monthly else 12 * interval
    month = 12 * begin.year + (begin.month - 1 if monthly else 0)
    month += (12 * first.year + first.month - 1 - month) // months * months
    while month <= 12 * last.year + last.month - 1:
        yield begin.replace(year=month // 12, month=month % 12 + 1, day=1)
        month += months


def _by_dateutil(by: dict[str, str], begin: datetime) -> Iterator[datetime]:
    yield from rrulestr(";".join(f"{name}={value}" for name, value in by.items()), dtstart=begin)


def _numbers(written: str | None) -> list[int]:
    return sorted({int(number) for number in written.split(",")}) if written else []


def _read(text: str) -> dict[str, str]:
    """The parts of a rule, each within its bounds. Raises Unworkable."""
    if len(text) > RULE_MAX_CHARACTERS:
        raise Unworkable("rrule", f"must have at most {RULE_MAX_CHARACTERS} characters")
    parts: dict[str, str] = {}
    for part in text.upper().removeprefix("RRULE:").split(";"):
        name, equals, value = part.partition("=")
        if not equals:
            raise Unworkable("rrule", f"must be parts such as FREQ=WEEKLY;COUNT=4, not {part!r}")
        if name in parts:
            raise Unworkable("rrule", f"names {name} twice")
        _check_part(name, value)
        parts[name] = value
    _check_whole(parts)
    return parts


def _check_part(name: str, value: str) -> None:
    if name == "FREQ":
        if value in ("MINUTELY", "SECONDLY"):
            raise Unworkable("rrule", "must not be finer than an hour")
        fits = value in _FREQUENCIES
    elif name == "BYDAY":
        fits = _BYDAY.fullmatch(value) is not None
    elif name == "WKST":
        fits = value in _DAYS
    elif name == "UNTIL":
        fits = _UNTIL.fullmatch(value) is not None
    elif name in _NUMBERS:
        fits = all(_within(name, number) for number in value.split(","))
    else:
        raise Unworkable("rrule", f"has no part {name!r}")
    if not fits:
        raise Unworkable("rrule", f"{name} cannot be {value!r}")
    if name in _SINGLE and "," in value:
        raise Unworkable("rrule", f"{name} {_SINGLE[name]}")


def _within(name: str, number: str) -> bool:
    low, high = _NUMBERS[name]
    if not re.fullmatch(r"[+-]?\d{1,5}", number, re.ASCII):
        return False
    return low <= int(number) <= high and (int(number) != 0 or low == 0)


def _check_whole(parts: dict[str, str]) -> None:
    frequency = parts.get("FREQ")
    if frequency is None:
        raise Unworkable("rrule", "needs FREQ")
    if "COUNT" not in parts and "UNTIL" not in parts:
        raise Unworkable("rrule", "must end: add COUNT or UNTIL")
    if "COUNT" in parts and "UNTIL" in parts:
        raise Unworkable("rrule", "takes COUNT or UNTIL, not both")
    for name, frequencies in _ONLY_WITH.items():
        if name in parts and frequency not in frequencies:
            raise Unworkable("rrule", f"takes {name} only with FREQ {', '.join(frequencies)}")
    numbered = re.search(r"\d", parts.get("BYDAY", ""))
    if numbered and (frequency not in ("MONTHLY", "YEARLY") or "BYWEEKNO" in parts):
        raise Unworkable("rrule", "takes numbered days only with FREQ MONTHLY or YEARLY, and without BYWEEKNO")
    if "BYMONTH" in parts and "BYMONTHDAY" in parts:
        longest = max(_LONGEST_MONTHS[int(month) - 1] for month in parts["BYMONTH"].split(","))
        if all(abs(int(day)) > longest for day in parts["BYMONTHDAY"].split(",")):
            raise Unworkable("rrule", "names no day that exists")


def _is_over(until: str | None, clock: tzinfo) -> Callable[[datetime], bool]:
    """Whether a local time lies behind UNTIL: an instant in UTC, a local time, or a whole local day."""
    if until is None:
        return lambda _: False
    try:
        if until.endswith("Z"):
            instant = to_ms(datetime.strptime(until, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC))
            return lambda local: _instant(local, clock) > instant
        if "T" in until:
            last = datetime.strptime(until, "%Y%m%dT%H%M%S")  # noqa: DTZ007 - local by definition
        else:
            last = datetime.strptime(until, "%Y%m%d").replace(hour=23, minute=59, second=59)  # noqa: DTZ007
    except ValueError:
        raise Unworkable("rrule", f"UNTIL cannot be {until!r}") from None
    return lambda local: local > last


def _instant(local: datetime, clock: tzinfo) -> int:
    """The first instant at which the zone's clock shows `local`, or the first after the gap that holds it."""
    first = local.replace(tzinfo=clock).astimezone(UTC)
    if first.astimezone(clock).replace(tzinfo=None) == local:
        return to_ms(first)
    # By the offset before the change the gap's local times lie behind it, by the one after the change before it.
    before, behind = (int(local.replace(tzinfo=clock, fold=fold).timestamp()) for fold in (1, 0))
    changed = datetime.fromtimestamp(behind, clock).utcoffset()
    seconds = range(before, behind + 1)
    return (
        1000
        * seconds[
            bisect_left(seconds, True, key=lambda second: datetime.fromtimestamp(second, clock).utcoffset() == changed)
        ]
    )


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Unworkable("zone", f"there is no time zone {name!r}; one is called for instance Europe/Oslo") from None
