"""A fleet that goes on reporting while judges come and go."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.judge.filling import PARTITIONS, Filled
from bench.judge.fleet import SLICES, TURN_MS, well
from fettle_health_monitor.settings import HealthSettings


@contextmanager
def beating(settings: HealthSettings, subjects: int) -> Iterator[None]:
    """Each of so many devices reports once a minute, ten times a second those whose turn it is, until the block is
    left. What could not be said in time is said as soon as it can be."""
    over = threading.Event()
    thread = threading.Thread(target=_beat, args=(settings, subjects, over), name="fleet")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _beat(settings: HealthSettings, subjects: int, over: threading.Event) -> None:
    said, topic = list(well(subjects, 0, PARTITIONS)), Filled(settings)
    begun, slices = time.monotonic(), 0
    while not over.wait(max(0.0, begun + slices * TURN_MS / SLICES / 1000 - time.monotonic())):
        number = slices % SLICES
        topic.put(said[subjects * number // SLICES : subjects * (number + 1) // SLICES])
        slices += 1
