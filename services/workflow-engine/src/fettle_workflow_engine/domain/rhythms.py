"""When a schedule is due: every so often, or by a cron expression and the clock on the wall of a zone.

`Every` counts on from one moment that is the same for all (midnight of Monday, 3 January 2000, in its zone), so
neither restarts, replicas nor saves can shift it. Whole days (and so weeks) are counted on the calendar of its zone:
each is due when the clock on the wall shows midnight, at the change where a clock change leaves that out, the first
time where it comes twice. Anything else goes on evenly, whatever the clock does.

`Cron` names times of the wall clock. Fixed times (`30 2 * * *`) run once each: one that a clock change leaves out runs
at the change, one that comes twice runs the first time. An expression whose minute or hour begins with `*` means an
interval, as in Debian's cron: it runs whenever the wall clock shows a time that it names, in an hour that comes twice
in both, and in one that is left out not at all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

EVERY_LIMIT_S = 366 * 86_400
CRON_LIMIT = 100

_BEGINNING = datetime(2000, 1, 3)  # noqa: DTZ001 - by the clock of whichever zone
_DAY_S = 86_400
_LONGEST_CHANGE = timedelta(hours=3)
"""No zone's clock is put forward or back by more, but where one crosses the date line."""
_SEEN_AHEAD = timedelta(days=1)


class Unworkable(ValueError):
    """A rhythm that cannot be; the text is the rule that it breaks."""


@dataclass(frozen=True, slots=True)
class Every:
    """Once in `seconds`: whole days by the calendar, else evenly."""

    seconds: int
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Cron:
    """Five fields: minute, hour, day of the month, month, day of the week."""

    expression: str
    zone: str = "UTC"


Rhythm: TypeAlias = Every | Cron


def check(rhythm: Rhythm) -> None:
    """Raises Unworkable for an expression that is none, or names no time in the 50 years to come."""
    match rhythm:
        case Every(seconds):
            if not 60 <= seconds <= EVERY_LIMIT_S:
                raise Unworkable("an interval is from one minute to 366 days")
        case Cron(expression):
            if len(expression) > CRON_LIMIT or len(expression.split()) != 5:
                raise Unworkable("a cron expression has five fields: minute, hour, day, month, day of the week")
            try:
                found = next(_wall_times(expression, _BEGINNING), None)
            except CronSimError as error:
                raise Unworkable(f"not a cron expression: {str(error).lower()}") from None
            if found is None:
                raise Unworkable("the cron expression names no day that exists")
    clock_of(rhythm.zone)


def next_after(rhythm: Rhythm, moment: datetime) -> datetime:
    """The first due moment after `moment`, in UTC. The rhythm has been checked."""
    match rhythm:
        case Every(seconds, zone) if seconds % _DAY_S == 0:
            return next(one for one in _midnights(seconds, clock_of(zone), moment) if one > moment)
        case Every(seconds, zone):
            beginning = _BEGINNING.replace(tzinfo=clock_of(zone)).astimezone(UTC)
            length = timedelta(seconds=seconds)
            return beginning + ((moment - beginning) // length + 1) * length
        case Cron(expression, zone):
            return next(_cron(expression, clock_of(zone), moment))


def stands_for(rhythm: Rhythm, moment: datetime) -> datetime:
    """The due moment of the rhythm that `moment` means: of whole days the nearest, since one that was told by other
    rules of the zone, or by an engine that counted days evenly, may lie beside it; else itself."""
    match rhythm:
        case Every(seconds, zone) if seconds % _DAY_S == 0:
            return min(_midnights(seconds, clock_of(zone), moment), key=lambda one: abs(one - moment))
    return moment


def moments(rhythm: Rhythm, after: datetime) -> Iterator[datetime]:
    """All due moments after `after`, in order."""
    while True:
        match rhythm:
            case Every():
                after = next_after(rhythm, after)
                yield after
            case Cron(expression, zone):
                for found in _cron(expression, clock_of(zone), after):
                    yield found
                    after = found


@lru_cache(maxsize=1_000)
def clock_of(zone: str) -> tzinfo:
    """Raises Unworkable for a zone that there is not."""
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Unworkable(f"there is no time zone {zone!r}") from None


def _midnights(seconds: int, clock: tzinfo, moment: datetime) -> list[datetime]:
    """Due moments of whole days around `moment`, in order: two before it at least, and two after it."""
    length = timedelta(seconds=seconds)
    passed = (moment.astimezone(clock).replace(tzinfo=None) - _BEGINNING) // length
    return [_instants(_BEGINNING + (passed + step) * length, clock, interval=False)[0] for step in range(-2, 4)]


def _cron(expression: str, clock: tzinfo, moment: datetime) -> Iterator[datetime]:
    """The due moment after `moment`, and those that follow it up to a change of the clock. Where the clock goes back
    soon, times on the wall come again that were there before, so all of the hours around are put in order; else wall
    time and instants have one order."""
    wall = moment.astimezone(clock).replace(tzinfo=None)
    interval = any(field.startswith("*") for field in expression.split()[:2])
    if _changes_soon(moment, clock):
        near = [
            instant
            for time in _wall_times(expression, wall - _LONGEST_CHANGE, until=wall + 2 * _LONGEST_CHANGE)
            for instant in _instants(time, clock, interval)
            if instant > moment
        ]
        if near:
            yield min(near)
            return
    for time in _wall_times(expression, wall):
        for instant in _instants(time, clock, interval):
            if instant > moment:
                yield instant
                if _changes_soon(instant, clock):
                    return


def _changes_soon(moment: datetime, clock: tzinfo) -> bool:
    offset = moment.astimezone(clock).utcoffset()
    return any((moment + side).astimezone(clock).utcoffset() != offset for side in (_LONGEST_CHANGE, -_LONGEST_CHANGE))


def _wall_times(expression: str, after: datetime, until: datetime | None = None) -> Iterator[datetime]:
    """The local times that the expression names, without regard to whether a day has them. CronSim would map them to
    a zone by itself, and loses times in zones that change by half an hour."""
    for time in CronSim(expression, after):
        if until is not None and time > until:
            return
        yield time


def _instants(wall: datetime, clock: tzinfo, interval: bool) -> list[datetime]:
    """When the clock shows `wall`: once, twice or never; at the change for a fixed time that it never shows."""
    first, second = (wall.replace(tzinfo=clock, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first.astimezone(clock).replace(tzinfo=None) != wall:
        return [] if interval else [_change(first, clock)]
    return [first, second] if interval and second != first else [first]


def _change(behind: datetime, clock: tzinfo) -> datetime:
    """The instant at which the clock was put forward, not long before `behind`: to the second, by halving."""
    early, late = 0, int(_SEEN_AHEAD.total_seconds())
    start = behind - _SEEN_AHEAD
    new = behind.astimezone(clock).utcoffset()
    while late - early > 1:
        middle = (early + late) // 2
        if (start + timedelta(seconds=middle)).astimezone(clock).utcoffset() == new:
            late = middle
        else:
            early = middle
    return start + timedelta(seconds=late)
