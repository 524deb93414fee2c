"""What a schedule does once it is due: how many of its moments have passed, which of them start a run, when it is due
next."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice, takewhile
from typing import Any

from fettle_contracts.times import rfc3339
from fettle_workflow_engine.domain.rhythms import Rhythm, moments, next_after, stands_for

LATE_AFTER = timedelta(seconds=60)
"""A moment that is this late has been missed. Moments lie a minute apart at least, so at most one is just late."""
COUNTED = 1_000
NAMED = 100


class Missed(StrEnum):
    """What becomes of moments that have been missed."""

    RUN_ONCE = "run_once"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a trigger is due, and what of moments that nobody was there for."""

    rhythm: Rhythm
    missed: Missed = Missed.RUN_ONCE


@dataclass(frozen=True, slots=True)
class Firing:
    """What the moments that have passed come to: the one that starts a run (None: none does), those before it that
    have none of their own (at most 1,000 are counted, the first 100 named), and when the schedule is due next."""

    starts: datetime | None
    missed: int
    missed_at: tuple[datetime, ...]
    next_at: datetime

    def event(self, trigger: str) -> Mapping[str, Any]:
        """What the run gets as `event`; of a firing that starts one."""
        return {
            "trigger": trigger,
            "scheduled_at": rfc3339(self.starts) if self.starts else None,
            "missed": self.missed,
            "missed_at": [rfc3339(moment) for moment in self.missed_at],
        }


def fire(schedule: Schedule, due_at: datetime, now: datetime) -> Firing:
    """All moments from `due_at` to `now` (not before it) get their one ending: the last of them starts a run, unless
    it is missed and those are skipped; the others are missed. A `due_at` beside a moment of the rhythm is that one."""
    first = stands_for(schedule.rhythm, due_at)
    newest = _newest(schedule.rhythm, first, now)
    next_at = next_after(schedule.rhythm, newest)
    missed: list[datetime] = []
    if newest > first:
        others = takewhile(lambda moment: moment < newest, moments(schedule.rhythm, first))
        missed = [due_at, *islice(others, COUNTED - 1)]
    else:
        newest = due_at
    if schedule.missed is Missed.SKIP and now - newest >= LATE_AFTER:
        missed = [*missed, newest][:COUNTED]
        return Firing(None, len(missed), tuple(missed[:NAMED]), next_at)
    return Firing(newest, len(missed), tuple(missed[:NAMED]), next_at)


def _newest(rhythm: Rhythm, due_at: datetime, now: datetime) -> datetime:
    """The last moment that is not after `now`, looked for from `now` back in longer and longer steps."""
    back = timedelta(hours=1)
    while now - back > due_at:
        if next_after(rhythm, now - back) <= now:
            due_at = next_after(rhythm, now - back)
            break
        back *= 2
    for moment in moments(rhythm, due_at):
        if moment > now:
            return due_at
        due_at = moment
    raise AssertionError("moments never end")
