"""Silences: for how long a subject's own tickets are not opened.

Instants are milliseconds since 1970; the log's time decides, never the wall's. An occurrence lasts from its start up to
but without its end; occurrences of one silence that touch or overlap are one.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from uuid import UUID

from fettle_health_monitor.domain.correlator.evidence import instant
from fettle_health_monitor.domain.correlator.recurrence import YEARS_LIMIT, Unworkable, beginnings, beginnings_within

LENGTH_MAX_S = 90 * 86_400
REASON_MAX_CHARACTERS = 500
_NEAR_MS = 86_400_000
_FARTHEST_MS = YEARS_LIMIT * 366 * 86_400_000


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a silence holds: from `start` for `length_s`, and as often again as `rrule` says by the clock of `zone`;
    from `removed_at` on no more. `last`, where it is known, is when the last one that counts begins, or later:
    then only those near an instant have to be looked for."""

    start: int
    length_s: int
    rrule: str | None = None
    zone: str | None = None
    removed_at: int | None = None
    last: int | None = field(default=None, compare=False)

    def near(self, at: int, reach: int) -> tuple[int, ...]:
        """When its occurrences begin, at least those within `reach` of an instant. Raises Unworkable."""
        if self.rrule is None or self.zone is None or self.last is None:
            return self.starts
        return beginnings_within(self.start, self.rrule, self.zone, at - reach, min(at + reach, self.last))

    def is_within(self, at: int, reach: int) -> bool:
        """Whether those are all that count."""
        return self.rrule is None or self.last is None or (at - reach < self.start and at + reach > self.last)

    @property
    def starts(self) -> tuple[int, ...]:
        """When its occurrences begin. Raises Unworkable."""
        if self.rrule is None or self.zone is None:
            return (self.start,)
        return beginnings(self.start, self.rrule, self.zone)

    @property
    def end(self) -> int:
        """The end of its last occurrence. Raises Unworkable."""
        return self.starts[-1] + self.length_s * 1000


@dataclass(frozen=True, slots=True)
class Occurrence:
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What somebody found who looked from an instant on: the occurrence that was under way or came next, or none."""

    at: int
    next: Occurrence | None

    def tells(self, at: int) -> bool:
        """Whether this says what holds at an instant."""
        return self.at <= at and (self.next is None or at < self.next.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A silence of one subject. `by` made it, and `selection` is what it was made with if that was a filter; `seen`
    spares looking again."""

    id: UUID
    org: str
    subject: str
    schedule: Schedule
    by: str
    reason: str | None = None
    selection: UUID | None = None
    made_at: int | None = field(default=None, compare=False)
    seen: Seen | None = field(default=None, compare=False)


def check(schedule: Schedule, now: int) -> None:
    """Raises Unworkable, with field and rule, for a schedule that cannot be or is over by `now`."""
    if not 1 <= schedule.length_s <= LENGTH_MAX_S:
        raise Unworkable("length_s", f"must be 1 s to 90 days ({LENGTH_MAX_S} s)")
    if abs(schedule.start - now) > _FARTHEST_MS:
        raise Unworkable("starts_at", f"must be within {YEARS_LIMIT} years")
    if schedule.rrule is not None and schedule.zone is None:
        raise Unworkable("zone", "is needed with rrule: by whose clock it recurs, for instance Europe/Oslo")
    if schedule.zone is not None and schedule.rrule is None:
        raise Unworkable("zone", "is of use with rrule only")
    if schedule.end <= now:
        at_fault = "starts_at" if schedule.rrule is None else "rrule"
        raise Unworkable(at_fault, f"the silence would have ended at {instant(schedule.end)}, which has passed")


def on_or_next(schedule: Schedule, at: int) -> Occurrence | None:
    """The occurrence that is under way at `at`, else the next one; None when all have ended by then. Raises
    Unworkable."""
    length = schedule.length_s * 1000
    reach = length + _NEAR_MS
    while (found := _among(schedule.near(at, reach), length, at)) is None or not _is_whole(found, schedule, at, reach):
        if schedule.is_within(at, reach):
            break
        reach *= 4
    if found is None:
        return None
    end = found.end if schedule.removed_at is None else min(found.end, schedule.removed_at)
    return Occurrence(found.start, end) if found.start < end and at < end else None


def _among(starts: Sequence[int], length: int, at: int) -> Occurrence | None:
    first = last = bisect_right(starts, at - length)
    if first == len(starts):
        return None
    while first > 0 and starts[first - 1] + length >= starts[first]:
        first -= 1
    while last + 1 < len(starts) and starts[last + 1] <= starts[last] + length:
        last += 1
    return Occurrence(starts[first], starts[last] + length)


def _is_whole(found: Occurrence, schedule: Schedule, at: int, reach: int) -> bool:
    """Whether one that was found within `reach` touches no other one farther away."""
    return found.start - schedule.length_s * 1000 >= at - reach and found.end <= at + reach


def occurrences(silence: Silence, after: int, until: int) -> list[Occurrence]:
    """Those that have not ended by `after` and begin by `until`. Raises Unworkable."""
    found = list[Occurrence]()
    occurrence = on_or_next(silence.schedule, after)
    while occurrence is not None and occurrence.start <= until:
        found.append(occurrence)
        occurrence = on_or_next(silence.schedule, occurrence.end)
    return found


@dataclass(frozen=True, slots=True)
class Held:
    """A stretch in which a silence held."""

    silence: Silence
    occurrence: Occurrence


def held_between(silences: Iterable[Silence], since: int, until: int) -> list[Held]:
    """When each of them held between two instants, whole, the latest first, and nothing of before it was made. One
    whose rule cannot be read any more held nothing back, and is left out."""
    found = list[Held]()
    for silence in silences:
        with suppress(Unworkable):
            for one in occurrences(silence, since, until):
                held = replace(one, start=max(one.start, silence.made_at or one.start))
                found += [Held(silence, held)] * (held.start < held.end)
    return sorted(found, key=lambda held: held.occurrence.start, reverse=True)


def first_few(schedule: Schedule, at: int, count: int) -> list[Occurrence]:
    """Up to `count` occurrences that have not ended by `at`. Raises Unworkable."""
    found = list[Occurrence]()
    while len(found) < count and (one := on_or_next(schedule, found[-1].end if found else at)) is not None:
        found.append(one)
    return found


def covers(silence: Silence, at: int) -> Occurrence | None:
    """The occurrence that covers the instant, if one does. Raises Unworkable."""
    seen = silence.seen if silence.seen is not None and silence.seen.tells(at) else look(silence, at).seen
    return seen.next if seen is not None and seen.next is not None and seen.next.start <= at else None


def look(silence: Silence, at: int) -> Silence:
    """The silence with what is to be seen of it from an instant on. Raises Unworkable."""
    return replace(silence, seen=Seen(at, on_or_next(silence.schedule, at)))
