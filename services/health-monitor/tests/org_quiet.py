"""Silences in histories: once or every hour, and left alone or taken away; and when each holds, read naively."""

from collections.abc import Iterator
from typing import NamedTuple

from hypothesis import strategies as st
from org_words import Quiet

from fettle_health_monitor.domain.correlator.silences import Schedule

HOUR_S = 3_600


class Planned(NamedTuple):
    """`who` (by number) is silenced from second `at` on, for so many seconds. With `times` that is one of so many
    hours' beginnings, the first of which was `before` hours earlier. `removed`: in which second somebody ends it."""

    who: int
    at: int
    seconds: int
    before: int = 0
    times: int = 1
    removed: int | None = None


class Made(NamedTuple):
    """A silence as people make it, and when they remove it."""

    subject: str
    schedule: Schedule
    removed_at: int | None

    @property
    def quiet(self) -> Iterator[Quiet]:
        """When it holds: occurrences that touch are one, and behind its removal there is none."""
        length, times = 1000 * self.schedule.length_s, _times(self.schedule)
        spans: list[tuple[int, int]] = []
        for start in [self.schedule.start + 1000 * HOUR_S * hour for hour in range(times)]:
            begun = spans.pop()[0] if spans and start <= spans[-1][1] else start
            spans.append((begun, start + length))
        for start, end in spans:
            if self.removed_at is None or start < self.removed_at:
                yield Quiet(self.subject, start, end if self.removed_at is None else min(end, self.removed_at))


def made(planned: Planned, subject: str, begins: int) -> Made:
    """Seconds count from `begins`."""
    start = begins + 1000 * (planned.at - HOUR_S * planned.before)
    schedule = Schedule(start, planned.seconds)
    if planned.times > 1:
        schedule = Schedule(start, planned.seconds, f"FREQ=HOURLY;COUNT={planned.times}", "Europe/Oslo")
    return Made(subject, schedule, None if planned.removed is None else begins + 1000 * planned.removed)


def _times(schedule: Schedule) -> int:
    return 1 if schedule.rrule is None else int(schedule.rrule.rpartition("=")[2])


@st.composite
def planned(draw: st.DrawFn, who: st.SearchStrategy[int], at: st.SearchStrategy[int]) -> Planned:
    """The last of several beginnings comes an hour before the history, in it, or an hour behind it; one may last until
    the next."""
    begins, lasts, removed = draw(at), draw(st.integers(1, 30)), draw(st.none() | st.none() | at)
    if draw(st.integers(0, 2)):
        return Planned(draw(who), begins, lasts, removed=removed)
    before = draw(st.integers(1, 3))
    over = draw(st.sampled_from([0, 0, HOUR_S]))
    times = max(2, before + (1 if over == 0 else 0) + draw(st.integers(0, 1)))
    return Planned(draw(who), begins, lasts + over, before, times, removed)
