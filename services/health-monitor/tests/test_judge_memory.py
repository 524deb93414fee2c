"""What a million subjects cost."""

import subprocess
import sys
from pathlib import Path
from sys import getsizeof

import pytest

from fettle_health_monitor.domain.judge.clock import ObservedClock
from fettle_health_monitor.domain.judge.judge import Judge
from fettle_health_monitor.domain.judge.policies import Profile, Timing
from fettle_health_monitor.domain.judge.scribe import Scribe
from fettle_health_monitor.domain.judge.subjects import CACHES, INSTANTS, NUMBERS, SMALL, Subjects

SUBJECTS = 1_000_000 // 12
CLOCK = 86_400_000 * 365
"""A year of observed time: instants as large as they become."""


@pytest.mark.rule("HM-50")
def test_a_subject_costs_at_most_280_bytes_with_its_key_and_timer() -> None:
    subjects = Subjects()
    judge = Judge(ObservedClock(now=CLOCK), subjects, Scribe(0, 1), judging=True)
    profile, timing = Profile("acme", "hue-1", "T100", 30), Timing(90_000, 60_000, 60_000)
    for number in range(SUBJECTS):
        row = subjects.add(f"acme/device/sensor-{number:07d}".encode(), profile, timing, CLOCK + number, 1)
        judge.timers.queue(row, judge.due_at(row))

    columns = (getattr(subjects, name) for name in (*INSTANTS, *NUMBERS, *SMALL, "queued", *CACHES))
    held = (
        getsizeof(subjects.rows)
        + getsizeof(subjects.keys)
        + sum(map(getsizeof, columns))
        + sum(_allocated(key) + _allocated(row) for key, row in subjects.rows.items())
        + getsizeof(judge.timers._heap)
        + sum(map(_allocated, judge.timers._heap))
        + sum(map(getsizeof, judge.timers._later.values()))
    )

    assert held / SUBJECTS <= 280


@pytest.mark.rule("HM-50")
def test_a_process_takes_no_more_for_them_after_checkpoints_and_a_restart(tmp_path: Path) -> None:
    subjects = 400_000
    assert _resident("heard", subjects, tmp_path) <= 280
    assert _resident("restored", subjects, tmp_path) <= 280


def _resident(how: str, subjects: int, folder: Path) -> float:
    script = Path(__file__).with_name("resident_subjects.py")
    command = [sys.executable, str(script), how, str(subjects), str(folder)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _allocated(thing: object) -> int:
    """Small objects are handed out in steps of 16 bytes."""
    return -(-getsizeof(thing) // 16) * 16
