"""What a million subjects cost."""

from sys import getsizeof

import pytest

from fettle_health_monitor.domain.judge.clock import ObservedClock
from fettle_health_monitor.domain.judge.policies import Profile, Timing
from fettle_health_monitor.domain.judge.scribe import Scribe
from fettle_health_monitor.domain.judge.subjects import CACHES, INSTANTS, NUMBERS, SMALL, Subjects
from fettle_health_monitor.domain.judge.watch import Watch

SUBJECTS = 1_000_000 // 12
CLOCK = 86_400_000 * 365
"""A year of observed time: instants as large as they become."""


@pytest.mark.rule("HM-50")
def test_a_subject_costs_at_most_280_bytes_with_its_key_and_timer() -> None:
    subjects = Subjects()
    watch = Watch(ObservedClock(now=CLOCK), subjects, Scribe(0, 1), judging=True)
    profile, timing = Profile("acme", "hue-1", "T100", 30), Timing(90_000, 60_000, 60_000)
    for number in range(SUBJECTS):
        row = subjects.add(f"acme/device/sensor-{number:07d}".encode(), profile, timing, CLOCK + number, 1)
        watch.timers.queue(row, watch.due_at(row))

    columns = (getattr(subjects, name) for name in (*INSTANTS, *NUMBERS, *SMALL, "queued", *CACHES))
    held = (
        getsizeof(subjects.rows)
        + getsizeof(subjects.keys)
        + sum(map(getsizeof, columns))
        + sum(_allocated(key) + _allocated(row) for key, row in subjects.rows.items())
        + getsizeof(watch.timers._heap)
        + sum(map(_allocated, watch.timers._heap))
    )

    assert held / SUBJECTS <= 280


def _allocated(thing: object) -> int:
    """Small objects are handed out in steps of 16 bytes."""
    return -(-getsizeof(thing) // 16) * 16
