"""Silences: for how long a subject's own tickets are not opened.

Instants are milliseconds since 1970; the log's time decides, never the wall's. An occurrence lasts from its start up to
but without its end; occurrences of one silence that touch or overlap are one.
"""

from bisect import bisect_right
from dataclasses import dataclass
from uuid import UUID

from fettle_health_monitor.domain.correlator.evidence import instant
from fettle_health_monitor.domain.correlator.recurrence import YEARS_LIMIT, Unworkable, beginnings

LENGTH_MAX_S = 90 * 86_400
REASON_MAX_CHARACTERS = 500
_FARTHEST_MS = YEARS_LIMIT * 366 * 86_400_000


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a silence holds: from `start` for `length_s`, and as often again as `rrule` says by the clock of `zone`;
    from `removed_at` on no more."""

    start: int
    length_s: int
    rrule: str | None = None
    zone: str | None = None
    removed_at: int | None = None

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A silence of one subject. `by` made it, and `selection` is what it was made with if that was a filter."""

    id: UUID
    org: str
    subject: str
    schedule: Schedule
    by: str
    reason: str | None = None
    selection: UUID | None = None


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
        field = "starts_at" if schedule.rrule is None else "rrule"
        raise Unworkable(field, f"the silence would have ended at {instant(schedule.end)}, which has passed")


def on_or_next(schedule: Schedule, at: int) -> Occurrence | None:
    """The occurrence that is under way at `at`, else the next one; None when all have ended by then."""
    starts, length = schedule.starts, schedule.length_s * 1000
    first = last = bisect_right(starts, at - length)
    if first == len(starts):
        return None
    while first > 0 and starts[first - 1] + length >= starts[first]:
        first -= 1
    while last + 1 < len(starts) and starts[last + 1] <= starts[last] + length:
        last += 1
    start, end = starts[first], starts[last] + length
    if schedule.removed_at is not None:
        end = min(end, schedule.removed_at)
    return Occurrence(start, end) if start < end and at < end else None


def occurrences(silence: Silence, after: int, until: int) -> list[Occurrence]:
    """Those that have not ended by `after` and begin by `until`. Raises Unworkable."""
    found = list[Occurrence]()
    occurrence = on_or_next(silence.schedule, after)
    while occurrence is not None and occurrence.start <= until:
        found.append(occurrence)
        occurrence = on_or_next(silence.schedule, occurrence.end)
    return found


def covers(silence: Silence, at: int) -> Occurrence | None:
    """The occurrence that covers the instant, if one does."""
    found = on_or_next(silence.schedule, at)
    return found if found is not None and found.start <= at else None
