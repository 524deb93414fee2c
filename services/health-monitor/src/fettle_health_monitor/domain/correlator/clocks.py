"""How far the shards have judged, and which verdicts can be decided by then.

A verdict is decided when every shard has judged past its instant, so that a decision sees what happened anywhere in the
org before it. A shard that is late is waited for, but not for ever: patience is counted on the fastest shard's clock,
never on the wall's, so that a stop of everything decides nothing. Instants are broker time in milliseconds since 1970.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from fettle_health_monitor.domain.judge.clock import STEP_MAX_MS


@dataclass(frozen=True, slots=True)
class Hole:
    """Between these instants the log of a shard held no record. Its clock counts the first two seconds of it."""

    from_at: int
    to_at: int


@dataclass(frozen=True, slots=True)
class ShardClock:
    """What is known of one shard. `at` is the latest broker time that it has judged, `clock` the milliseconds of log
    that it has observed in this `generation`; timers run on `clock`, verdicts are ordered by `at`. `holes` are those
    behind it, in their order, as far as they matter to who asks. `anew_at` is where a log that has begun anew showed
    its first clock; 0 for the first log that is known."""

    shard: int
    generation: int
    at: int
    clock: int
    holes: tuple[Hole, ...] = ()
    anew_at: int = 0

    def beginning_at(self, at: int) -> "ShardClock":
        """The clock for what begins at an earlier instant: as it was then, or as the log showed it first where that was
        in the log before."""
        return self.back_at(max(at, self.anew_at))

    def back_at(self, at: int) -> "ShardClock":
        """The clock as it was at an earlier instant; it is never ahead."""
        if at >= self.at:
            return self
        return replace(self, at=at, clock=self._at(at)).with_holes(self.holes)

    def with_holes(self, on_record: Iterable[Hole]) -> "ShardClock":
        """The clock with those of these holes that it has behind it, or is in: one may have been told anew, to a later
        end, to somebody who is ahead."""
        begun = (hole for hole in on_record if hole.from_at + STEP_MAX_MS <= self.at)
        return replace(self, holes=tuple(replace(hole, to_at=min(hole.to_at, self.at)) for hole in begun))

    def forward_to(self, at: int, holes: Iterable[Hole] = ()) -> "ShardClock":
        """The clock as it will be at a later instant if all time until then is observed but for these holes, in their
        order; it is never behind."""
        if at <= self.at:
            return self
        known = [hole for hole in holes if hole.to_at > self.at]
        blind = (min(hole.to_at, at) - max(hole.from_at + STEP_MAX_MS, self.at) for hole in known)
        ahead = replace(self, at=at, clock=self.clock + at - self.at - sum(max(0, length) for length in blind))
        behind = (hole for hole in self.holes if hole.from_at not in {each.from_at for each in known})
        return ahead.with_holes([*behind, *known]) if known else ahead

    def _at(self, at: int) -> int:
        clock, end = self.clock, self.at
        for hole in reversed(self.holes):
            if at >= hole.to_at:
                break
            clock, end = clock - (end - hole.to_at) - STEP_MAX_MS, hole.from_at
            if at >= end:
                return clock + min(at - end, STEP_MAX_MS)
        return clock - (end - at)

    def instant_of(self, shown: int) -> int:
        """When the clock showed this, or will if all time from now on is observed."""
        clock, end = self.clock, self.at
        for hole in reversed(self.holes):
            resumed = clock - (end - hole.to_at)
            if shown > resumed:
                break
            clock, end = resumed - STEP_MAX_MS, hole.from_at
            if shown > clock:
                break
        return end + shown - clock


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a slower shard is waited for (`wait_ms` of the fastest clock), and from which lag on it is taken to
    stand still and is not waited for at all."""

    wait_ms: int = 5_000
    stalled_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class Behind:
    """The shards that a verdict was decided without: `slower` ones ran out of patience's time, `stalled` ones stand."""

    slower: tuple[int, ...] = ()
    stalled: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Horizon:
    """Verdicts with `at` under `before` are ready. `stalled` are the shards that nobody waits for, `slowest` is how far
    the slowest of the others has come."""

    before: int
    slowest: int
    stalled: frozenset[int]
    clocks: Mapping[int, ShardClock]
    """Of the shards that have shown one, with the holes behind it."""

    @property
    def late(self) -> list[int]:
        """The shards that nobody waits for any more though they do not stand still."""
        return sorted(shard for shard, clock in self._moving if clock.at < self.before)

    def waiting(self) -> "Horizon":
        """The same with more patience: for every shard that does not stand still."""
        return replace(self, before=self.slowest)

    def behind(self, at: int) -> Behind:
        """Whom a verdict of this instant is decided without."""
        slower = (shard for shard, clock in self._moving if clock.at <= at)
        return Behind(tuple(sorted(slower)), tuple(sorted(self.stalled)))

    @property
    def _moving(self) -> list[tuple[int, ShardClock]]:
        return [(shard, clock) for shard, clock in self.clocks.items() if shard not in self.stalled]


def horizon(clocks: Iterable[ShardClock], shards: int, patience: Patience) -> Horizon | None:
    """How far decisions can go when these of `shards` shards have shown a clock; None while none has.

    A shard that has never shown one stands still like one without progress. How far the fastest is ahead is what it has
    observed since: behind a hole in all logs one shard is the first to be back.
    """
    shown = list(clocks)
    if not shown:
        return None
    fastest = max(shown, key=lambda clock: clock.at)
    moving = [clock for clock in shown if fastest.clock - fastest.back_at(clock.at).clock < patience.stalled_ms]
    slowest = min(clock.at for clock in moving)
    return Horizon(
        before=max(slowest, fastest.instant_of(fastest.clock - patience.wait_ms) + 1),
        slowest=slowest,
        stalled=frozenset(range(shards)) - {clock.shard for clock in moving},
        clocks={clock.shard: clock for clock in shown},
    )


def judged_until(clocks: Iterable[ShardClock], shards: int) -> int | None:
    """The instant up to which all heartbeats have been judged (`as_of`); None while a shard has shown no clock."""
    reached = {clock.shard: clock.at for clock in clocks}
    return min(reached.values()) if len(reached) >= shards else None
