"""How far the shards have judged, and which verdicts can be decided by then.

A verdict is decided when every shard has judged past its instant, so that a decision sees what happened anywhere in the
org before it. A shard that is late is waited for, but not for ever: patience is counted on the fastest shard's clock,
never on the wall's, so that a stop of everything decides nothing. Instants are broker time in milliseconds since 1970.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class ShardClock:
    """What is known of one shard. `at` is the broker time of the last record it judged, `clock` the milliseconds of log
    that it has observed in this `generation`; timers run on `clock`, verdicts are ordered by `at`."""

    shard: int
    generation: int
    at: int
    clock: int

    def back_at(self, at: int) -> "ShardClock":
        """The clock as it was at an earlier instant of a time that was observed without a hole; it is never ahead."""
        return replace(self, at=at, clock=self.clock + at - self.at) if at < self.at else self


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
    reached: Mapping[int, int]
    """`at` by shard, for those that have shown a clock."""

    @property
    def late(self) -> list[int]:
        """The shards that nobody waits for any more though they do not stand still."""
        moving = ((shard, at) for shard, at in self.reached.items() if shard not in self.stalled)
        return sorted(shard for shard, at in moving if at < self.before)

    def waiting(self) -> "Horizon":
        """The same with more patience: for every shard that does not stand still."""
        return replace(self, before=self.slowest)

    def behind(self, at: int) -> Behind:
        """Whom a verdict of this instant is decided without."""
        slower = (shard for shard, reached in self.reached.items() if reached <= at and shard not in self.stalled)
        return Behind(tuple(sorted(slower)), tuple(sorted(self.stalled)))


def horizon(clocks: Iterable[ShardClock], shards: int, patience: Patience) -> Horizon | None:
    """How far decisions can go when these of `shards` shards have shown a clock; None while none has.

    A shard that has never shown one stands still like one without progress.
    """
    reached = {clock.shard: clock.at for clock in clocks}
    if not reached:
        return None
    fastest = max(reached.values())
    moving = {shard for shard, at in reached.items() if fastest - at < patience.stalled_ms}
    slowest = min(reached[shard] for shard in moving)
    return Horizon(
        before=max(slowest, fastest - patience.wait_ms + 1),
        slowest=slowest,
        stalled=frozenset(range(shards)) - moving,
        reached=reached,
    )


def judged_until(clocks: Iterable[ShardClock], shards: int) -> int | None:
    """The instant up to which all heartbeats have been judged (`as_of`); None while a shard has shown no clock."""
    reached = {clock.shard: clock.at for clock in clocks}
    return min(reached.values()) if len(reached) >= shards else None
