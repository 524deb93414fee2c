"""How far the shards have come, in the eyes of each partition of `health.judgements` that a batch came by."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from fettle_health_monitor.adapters.correlator import progress
from fettle_health_monitor.adapters.correlator.progress import Progress, Seen
from fettle_health_monitor.adapters.correlator.watches import Shown
from fettle_health_monitor.correlator.news import Heard
from fettle_health_monitor.domain.correlator.clocks import Horizon, Patience, ShardClock, horizon
from fettle_health_monitor.domain.correlator.marks import news
from fettle_health_monitor.domain.judgements import Clock, Judgement


@dataclass(frozen=True, slots=True)
class Reach:
    """Progress after a batch, and per partition how far verdicts can be decided. `fresh` is what was no repeat."""

    fresh: Sequence[Heard]
    after: Mapping[Seen, Progress]
    horizons: Mapping[int, Horizon]

    @property
    def before(self) -> dict[int, int]:
        """By partition: verdicts with instants under this are ready."""
        return {partition: horizon.before for partition, horizon in self.horizons.items()}

    @property
    def clocks(self) -> list[Shown]:
        return [(each.partition, each.clock) for each in self.after.values() if each.clock is not None]

    @property
    def settled(self) -> list[Shown]:
        """The clocks, but none further than all that happened has been taken in: what is held back for the slower
        shards may move a subject before a faster one's clock."""
        before = self.before
        return [(partition, clock.back_at(before.get(partition, clock.at))) for partition, clock in self.clocks]

    def waiting(self, partitions: Collection[int]) -> "Reach":
        """The same with more patience in these partitions."""
        patient = {partition: self.horizons[partition].waiting() for partition in partitions}
        return replace(self, horizons={**self.horizons, **patient})

    def clock_of(self, partition: int, shard: int) -> ShardClock | None:
        """The clock of a shard as this partition has seen it."""
        found = self.after.get((partition, shard))
        return None if found is None else found.clock

    def begun_anew(self, before: Mapping[Seen, Progress]) -> list[Shown]:
        """The clocks that belong to another log than before."""
        return [
            shown for shown in self.clocks if _generation(before.get((shown[0], shown[1].shard))) != shown[1].generation
        ]


def reached(known: Mapping[Seen, Progress], batch: Sequence[Heard], shards: int, patience: Patience) -> Reach:
    """What a batch brings, when `known` is all that its partitions had heard of the shards."""
    by_partition: defaultdict[int, list[Judgement]] = defaultdict(list)
    for heard in batch:
        by_partition[heard.partition].append(heard.judgement)
    fresh: list[Heard] = []
    after: dict[Seen, Progress] = {}
    horizons: dict[int, Horizon] = {}
    for partition, judgements in sorted(by_partition.items()):
        marks = {shard: each.mark for (where, shard), each in known.items() if where == partition}
        found, marks = news(marks, judgements)
        clocks = {judgement.shard: judgement for judgement in found if isinstance(judgement, Clock)}
        now = {
            shard: progress.advance(known.get((partition, shard)), partition, shard, mark, clocks.get(shard))
            for shard, mark in marks.items()
        }
        reach = horizon([each.clock for each in now.values() if each.clock is not None], shards, patience)
        if reach is not None:
            horizons[partition] = reach
            now = {shard: replace(each, stalled=_stands(each, reach)) for shard, each in now.items()}
        fresh += [Heard(partition, judgement) for judgement in found]
        after |= {(partition, shard): each for shard, each in now.items()}
    return Reach(fresh, after, horizons)


def _stands(each: Progress, reach: Horizon) -> bool:
    return each.clock is not None and each.shard in reach.stalled


def _generation(known: Progress | None) -> int | None:
    return None if known is None or known.clock is None else known.clock.generation
