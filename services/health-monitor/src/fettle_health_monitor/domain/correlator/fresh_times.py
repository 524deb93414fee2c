"""Times that a subject is given anew when it could not be heard: a fresh timeout, and the open debounce behind it.

They run on the shard's own clock. While its org is switched off they do not run at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from fettle_health_monitor.domain.correlator.clocks import Hole, ShardClock

NOT_RUNNING: Final = -2
"""The generation of a timer whose org is switched off in its shard: no clock makes it due."""


@dataclass(frozen=True, slots=True)
class Until:
    """A timer on a shard's own clock, in milliseconds of it. Where a hole in the log makes it last longer it keeps
    where it began."""

    generation: int
    start_clock: int
    due_clock: int

    @classmethod
    def after(cls, clock: ShardClock, lasting_ms: int) -> "Until":
        return cls(clock.generation, clock.clock, clock.clock + lasting_ms)

    def anew(self, back: ShardClock, lasting_ms: int) -> "Until":
        """A silence that lasts so long from the end of a hole on."""
        return Until(back.generation, self.start_clock, back.clock + lasting_ms)

    def lasting(self, lasting_ms: int) -> "Until":
        """So long from where it began."""
        return replace(self, due_clock=self.start_clock + lasting_ms)

    @property
    def lasting_ms(self) -> int:
        return self.due_clock - self.start_clock


@dataclass(frozen=True, slots=True)
class Times:
    """What a subject is given, in milliseconds: while it is unknown (or as it was) its timeout, while it is pending its
    open debounce. Where nobody could be heard meanwhile, a silence that is pending needs both again."""

    timeout_ms: int
    open_debounce_ms: int

    def first(self, *, pending: bool) -> int:
        return self.open_debounce_ms if pending else self.timeout_ms

    def again(self, *, pending: bool, silent: bool) -> int:
        silence = self.timeout_ms if silent else 0
        return silence + (self.open_debounce_ms if pending else 0)


def hole_within(until: Until, due_at: int, clock: ShardClock) -> Hole | None:
    """The last hole in the log in which a silence was timed until `due_at`: it counts from the hole's end."""
    holes: Sequence[Hole] = [hole for hole in clock.holes if hole.from_at < due_at]
    if not holes or clock.back_at(holes[-1].to_at).clock <= until.start_clock:
        return None
    return holes[-1]


def hole_around(at: int, clock: ShardClock) -> Hole | None:
    """The hole in the log in which this instant lies: who begins a time there, while the shard shows no clock, takes
    the time since its last one for observed."""
    return next((hole for hole in clock.holes if hole.from_at <= at < hole.to_at), None)


def switched_off(until: Until, clock: ShardClock) -> Until:
    """What has not run out by now does not run any more."""
    return until if until.due_clock <= clock.clock else replace(until, generation=NOT_RUNNING)


def retimed(until: Until, before: Times, now: Times, clock: ShardClock, *, pending: bool) -> Until:
    """Other rules hold: the same start, their length, and what is overdue by that is due now. What had run out has run
    out, and what waits for the first clock of a log has its length from there."""
    same_log = until.generation == clock.generation
    if same_log and until.due_clock <= clock.clock:
        return until
    twice = until.lasting_ms == before.again(pending=pending, silent=True)
    lasting_ms = now.again(pending=pending, silent=True) if twice else now.first(pending=pending)
    due_clock = until.start_clock + lasting_ms
    return replace(until, due_clock=max(due_clock, clock.clock) if same_log else due_clock)
