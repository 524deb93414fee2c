"""How each shard stands that this process owns, as metrics."""

import asyncio
import time
from collections.abc import Iterable

from fettle_chassis.service import Part
from fettle_health_monitor.judge.metrics import BEHIND, CHECKPOINT_AGE, JUDGED_UNTIL, LAG, SUBJECTS, TIMERS, TIMERS_DUE
from fettle_health_monitor.judge.owned import Owned, Shards

_EVERY_S = 1.0
_OF_SHARDS = (BEHIND, LAG, JUDGED_UNTIL, SUBJECTS, TIMERS, TIMERS_DUE, CHECKPOINT_AGE)
_DUE_AT_MOST = 10_000
"""Entries of timers that are looked at, of all shards together: some 20 ms."""


class Measuring(Part):
    """Looks each second, so that a shard which stands still is seen to. One that has been let go is shown no more: it
    is for its new owner to say how it stands."""

    name = "measuring"

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._shown: set[int] = set()

    async def run(self) -> None:
        try:
            while True:
                self.look(time.time())
                await asyncio.sleep(_EVERY_S)
        finally:
            self._show_no_more(self._shown)

    def look(self, now: float) -> None:
        """`now` in seconds since 1970."""
        standing = {
            partition: owned for partition, owned in self._shards.owned.items() if owned.shard.place is not None
        }
        self._show_no_more(self._shown - standing.keys())
        for partition, owned in standing.items():
            _show(str(partition), owned, now, _DUE_AT_MOST // len(standing))
        self._shown = set(standing)

    @staticmethod
    def _show_no_more(partitions: Iterable[int]) -> None:
        for partition in partitions:
            for measure in _OF_SHARDS:
                measure.remove(str(partition))


def _show(label: str, owned: Owned, now: float, at_most: int) -> None:
    place, judge, until = owned.shard.place, owned.shard.judge, owned.shard.judged_until
    BEHIND.labels(label).set(max(now - (judge.clock.record if owned.judging else until) / 1000, 0))
    LAG.labels(label).set(max(owned.log_end - (place.offset if place else 0) - 1, 0))
    JUDGED_UNTIL.labels(label).set(until / 1000)
    SUBJECTS.labels(label).set(len(judge.subjects))
    TIMERS.labels(label).set(len(judge.timers))
    TIMERS_DUE.labels(label).set(judge.timers.count_due(_by_the_wall(owned, now), judge.due_at, at_most))
    saved = owned.checkpoint
    CHECKPOINT_AGE.labels(label).set(max(now - saved.timestamp / 1000, 0) if saved else float("nan"))


def _by_the_wall(owned: Owned, now: float) -> int:
    """The instant of the shard's clock up to which it would have judged if its log had come so far, and it were told
    all that is in force."""
    clock, waiting = owned.shard.judge.clock, owned.shard.announcement
    stands_since = waiting.since if waiting is not None else 0
    return clock.now + max(round(now * 1000) - (stands_since or clock.record), 0)
