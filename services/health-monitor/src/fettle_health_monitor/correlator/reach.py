"""How far the shards have come, in the eyes of each partition of `health.judgements` that a batch came by."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from fettle_health_monitor.adapters.correlator import progress
from fettle_health_monitor.adapters.correlator.progress import Progress, Seen
from fettle_health_monitor.adapters.correlator.watches import Shown
from fettle_health_monitor.correlator.news import Received
from fettle_health_monitor.domain.correlator.clocks import Hole, Horizon, Patience, ShardClock, horizon
from fettle_health_monitor.domain.correlator.marks import NOTHING, news
from fettle_health_monitor.domain.judgements import Clock, Judgement, Unobserved


@dataclass(frozen=True, slots=True)
class Reach:
    """Progress after a batch, and per partition how far verdicts can be decided. `fresh` is what was no repeat."""

    fresh: Sequence[Received]
    after: Mapping[Seen, Progress]
    horizons: Mapping[int, Horizon]

    @property
    def ready_before(self) -> dict[int, int]:
        """By partition: verdicts with instants under this are ready."""
        return {partition: horizon.before for partition, horizon in self.horizons.items()}

    @property
    def clocks(self) -> list[Shown]:
        return [(each.partition, each.clock) for each in self.after.values() if each.clock is not None]

    @property
    def settled(self) -> list[Shown]:
        """The clocks of the shards, each set back to its partition's horizon where it is ahead of that: a change that
        still waits for a slower shard may move a subject before a faster one's clock."""
        return [
            (partition, clock.back_at(horizon.before))
            for partition, horizon in self.horizons.items()
            for clock in horizon.clocks.values()
        ]

    def waiting(self, partitions: Collection[int]) -> "Reach":
        """The same with more patience in these partitions."""
        patient = {partition: self.horizons[partition].waiting() for partition in partitions}
        return replace(self, horizons={**self.horizons, **patient})

    def begun_anew(self, known: Mapping[Seen, Progress]) -> list[Shown]:
        """The clocks that belong to another log than what was `known` of their shards."""
        return [
            shown for shown in self.clocks if _generation(known.get((shown[0], shown[1].shard))) != shown[1].generation
        ]

    def ended(self, known: Mapping[Seen, Progress]) -> list[Shown]:
        """The last clocks of the logs that those have taken the place of."""
        anew = {(partition, clock.shard) for partition, clock in self.begun_anew(known)}
        return [
            (partition, each.clock)
            for (partition, shard), each in known.items()
            if (partition, shard) in anew and each.clock is not None
        ]

    def behind_holes(self, known: Mapping[Seen, Progress]) -> list[Shown]:
        """The clocks that have come behind a hole in their log: they have counted less than the time that passed."""
        clocks = {seen: each.clock for seen, each in known.items() if each.clock is not None}
        return [
            (partition, clock)
            for partition, clock in self.clocks
            if (was := clocks.get((partition, clock.shard))) is not None
            and was.generation == clock.generation
            and clock.at - was.at > clock.clock - was.clock
        ]


def by_log(known: Mapping[Seen, Progress], batch: Sequence[Received]) -> list[list[Received]]:
    """A batch in parts, when `known` is all that its partitions had heard of the shards: where the log of a shard is
    another one from here on, what it held before is taken in by itself, and then all up to the first clock of the new
    one, from which what runs by its clock begins anew; so is all up to that where only the clock is still to come. A
    shard that has never shown one is left with the others: in a part without its clock nobody would wait for it."""
    newest = {seen: each.mark[0] for seen, each in known.items()}
    parts: list[list[Received]] = [[]]
    without_clock = {seen for seen, each in known.items() if each.clock and each.clock.generation < each.mark[0]}
    for received in batch:
        judgement, seen = received.judgement, (received.partition, received.judgement.shard)
        if judgement.generation > newest.setdefault(seen, judgement.generation):
            newest[seen] = judgement.generation
            without_clock.add(seen)
            parts.append([])
        parts[-1].append(received)
        if seen in without_clock and isinstance(judgement, Clock) and judgement.generation == newest[seen]:
            without_clock.remove(seen)
            parts.append([])
    return [part for part in parts if part]


def slowest_at(known: Mapping[Seen, Progress], batch: Sequence[Received]) -> int | None:
    """How far the slowest shard has come by now, if another is ahead of it, so that it matters whether the log of that
    one had holes since."""
    at = {seen: each.clock.at for seen, each in known.items() if each.clock is not None}
    for each in batch:
        if isinstance(each.judgement, Clock):
            at[each.partition, each.judgement.shard] = each.judgement.at
    slowest = min(at.values(), default=0)
    return slowest if slowest < max(at.values(), default=0) else None


def reached(
    known: Mapping[Seen, Progress],
    batch: Sequence[Received],
    shards: int,
    patience: Patience,
    holes: Mapping[int, Sequence[Hole]] = MappingProxyType({}),
) -> Reach:
    """What a batch brings, when `known` is all that its partitions had heard of the shards, and `holes` are on record
    that end behind the slowest of them."""
    known_holes = [(shard, hole) for shard, of in holes.items() for hole in of]
    known_holes += [(each.shard, Hole(each.from_at, each.to_at)) for each in _gaps(batch)]
    told = {(shard, hole.from_at): hole for shard, hole in sorted(known_holes, key=lambda each: each[1].to_at)}
    by_partition: defaultdict[int, list[Judgement]] = defaultdict(list)
    for received in batch:
        by_partition[received.partition].append(received.judgement)
    fresh: list[Received] = []
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
        clocks_now = [_with_holes(each.clock, told) for each in now.values() if each.clock is not None]
        reach = horizon(clocks_now, shards, patience)
        if reach is not None:
            horizons[partition] = reach
            silent = reach.stalled - now.keys()
            now |= {shard: known.get((partition, shard)) or Progress(partition, shard, NOTHING) for shard in silent}
            now = {shard: replace(each, stalled=shard in reach.stalled) for shard, each in now.items()}
        fresh += [Received(partition, judgement) for judgement in found]
        after |= {(partition, shard): each for shard, each in now.items()}
    return Reach(fresh, after, horizons)


def _gaps(batch: Sequence[Received]) -> list[Unobserved]:
    return [each.judgement for each in batch if isinstance(each.judgement, Unobserved)]


def _with_holes(clock: ShardClock, holes: Mapping[tuple[int, int], Hole]) -> ShardClock:
    return clock.with_holes(hole for (shard, _), hole in sorted(holes.items()) if shard == clock.shard)


def _generation(known: Progress | None) -> int | None:
    return None if known is None or known.clock is None else known.clock.generation
