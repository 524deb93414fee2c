"""Timers of the correlator: rows that a shard's clock makes due, never the wall's.

Only observed time counts: `start_clock` and `due_clock` are on the shard's own clock, `start_at` is the broker time
that corresponds. A shard that starts anew begins a new clock, and a watch then lasts its whole length from there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Self
from uuid import UUID, uuid5

from fettle_health_monitor.domain.correlator.clocks import Hole, ShardClock
from fettle_health_monitor.domain.correlator.fresh_times import NOT_RUNNING, Until, hole_around, hole_within
from fettle_health_monitor.domain.correlator.losses import LOST
from fettle_health_monitor.domain.correlator.rollups import MANY
from fettle_health_monitor.domain.correlator.verdicts import ALL_TOGETHER, Cause, LastSeen, Named, Verdict

NO_GENERATION = -1
"""Of a watch whose shard has not shown a clock of its present log yet: it begins with the first that it shows."""


class WatchKind(StrEnum):
    EARLY_RESOLVE = "early_resolve"
    """The ticket was resolved by somebody while the subject was unhealthy. Ends when the subject is healthy."""
    OPEN_REFUSED = "open_refused"
    """The ticket was refused by the ticket service while the subject was unhealthy. Lasts as long as it was begun for,
    whatever policy comes. Ends when the subject is healthy, or asks for a ticket for another reason."""
    HEALTHY_ANEW = "healthy_anew"
    """The subject came up healthy out of nothing (its shard knew it no more) while it had a ticket. Ends with its
    next change."""
    JUDGED_AFRESH = "judged_afresh"
    """The device was not well when its integration recovered: it has a full timeout and open debounce. Or a ticket that
    devices shared ended while it was just being heard again: it has no time at all. Ends when it is healthy."""
    FEW_LEFT = "few_left"
    """Fewer devices than make many are down on the list of a ticket about many. Ends when they are many again."""

    LEFT_ALONE = "left_alone"
    """Somebody has resolved an integration's own ticket, which nobody looks at any more, while devices on its list are
    down. It has no length: it is over when its shard has come as far."""

    FEW_UNKNOWN = "few_unknown"
    """Fewer than a fifth of those whose heartbeats were lost are unknown. Ends when they are more again."""

    @property
    def asks_for_failing(self) -> bool:
        """Whether it calls for its verdict only while its subject is failing."""
        return self in (*MAY_BRING_A_TICKET, WatchKind.JUDGED_AFRESH)


MAY_BRING_A_TICKET: Final = (WatchKind.EARLY_RESOLVE, WatchKind.OPEN_REFUSED)
"""The ticket that there is none of may come by their ends."""

OPEN_REFUSED: Final = "open_refused"
"""Why a ticket is asked for again that the ticket service has refused."""

FAILED_AGAIN: Final = "failed_again"
"""Why a ticket is asked for about a device that was just being heard when the one that it shared ended."""

WAITED_S: Final = "waited_s"
"""In its evidence: how long was waited before."""

_CALLS_FOR: Mapping[WatchKind, tuple[Cause, str]] = MappingProxyType(
    {
        WatchKind.EARLY_RESOLVE: (Cause.STILL_UNHEALTHY, "resolved_early"),
        WatchKind.OPEN_REFUSED: (Cause.STILL_UNHEALTHY, OPEN_REFUSED),
        WatchKind.HEALTHY_ANEW: (Cause.RECOVERED, "healthy_anew"),
        WatchKind.JUDGED_AFRESH: (Cause.JUDGED_AFRESH, "judged_afresh"),
        WatchKind.FEW_LEFT: (Cause.FEW_LEFT, "few_left"),
        WatchKind.LEFT_ALONE: (Cause.FEW_LEFT, "left_alone"),
        WatchKind.FEW_UNKNOWN: (Cause.RECOVERED, "few_unknown"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Something that becomes a verdict when it has lasted. `cause` is the id of what began it."""

    kind: WatchKind
    cause: UUID
    org: str
    subject: str
    condition: str
    shard: int
    generation: int
    start_at: int
    start_clock: int
    due_clock: int

    @classmethod
    def begin(
        cls,
        kind: WatchKind,
        *,
        cause: UUID,
        org: str,
        subject: str,
        condition: str,
        shard: ShardClock,
        since_at: int,
        lasting_ms: int,
        runs: bool = True,
    ) -> Self:
        """A watch from the later of the shard's time and `since_at` on; one that does not run, as its org is switched
        off, begins anew when that is on again."""
        start = shard.forward_to(since_at)
        return cls(
            kind=kind,
            cause=cause,
            org=org,
            subject=subject,
            condition=condition,
            shard=shard.shard,
            generation=shard.generation if runs else NOT_RUNNING,
            start_at=start.at,
            start_clock=start.clock,
            due_clock=start.clock + lasting_ms,
        )

    @property
    def due_at(self) -> int:
        """When it will be due if all time from now on is observed, in broker milliseconds."""
        return self.start_at + self.lasting_ms

    @property
    def lasting_ms(self) -> int:
        """How long it lasts."""
        return self.due_clock - self.start_clock

    @property
    def stands_still(self) -> bool:
        """Whether its org is switched off."""
        return self.generation == NOT_RUNNING

    @property
    def is_about_many(self) -> bool:
        """Whether it is about a whole list, and not about one subject's state."""
        return self.condition in (MANY, LOST)

    def out_before(self, at: int, now: ShardClock) -> int | None:
        """When it had run out, if that was before this instant."""
        if self.generation != now.generation or now.clock < self.due_clock:
            return None
        due_at = now.instant_of(self.due_clock)
        return due_at if due_at < at else None

    def out_by(self, at: int, shown: ShardClock, holes: Sequence[Hole]) -> int | None:
        """When it had run out, if that was before this instant and its shard has `shown` this clock and its log these
        holes. Behind the clock all time counts that is not known to be a hole."""
        clock = shown.forward_to(at, holes)
        anew = self.anew_after_hole(min(clock.instant_of(self.due_clock), at), clock)
        return (anew or self).out_before(at, clock)

    def lasting(self, lasting_ms: int, now: ShardClock) -> Self:
        """The same watch under other rules: re-timed from the same start (the end of a hole behind which it begins
        anew), and due now where it is overdue by that. What had run out has run out. One that waits for the first clock
        of a log has its length from there."""
        if self.generation != now.generation:
            return replace(self, due_clock=self.start_clock + lasting_ms)
        watch = self.anew_after_hole(min(now.instant_of(self.due_clock), now.at), now) or self
        if watch.due_clock <= now.clock:
            return watch
        return replace(watch, due_clock=max(watch.start_clock + lasting_ms, now.clock))

    def standing_still(self, now: ShardClock) -> Self:
        """While its org is switched off it does not run."""
        return self if self.due_clock <= now.clock else replace(self, generation=NOT_RUNNING)

    def begun_anew(self, now: ShardClock, lasting_ms: int) -> Self:
        """When its org is switched on again, or from its own beginning where that is later; what had run out before
        has run out."""
        if not self.stands_still:
            return self
        start = now.forward_to(self.start_at)
        due_clock = start.clock + lasting_ms
        return replace(self, generation=now.generation, start_at=start.at, start_clock=start.clock, due_clock=due_clock)

    def moved_to(self, now: ShardClock, lasting_ms: int, *, runs: bool) -> Self:
        """The same on the clock of another shard, as its own stands still: from the same start, and due now where that
        is overdue. `runs`: the org is switched on there; where it was off before, all of it begins anew."""
        start = (now if self.stands_still else now.back_at(self.start_at)).forward_to(self.start_at)
        return replace(
            self,
            shard=now.shard,
            generation=now.generation if runs else NOT_RUNNING,
            start_at=start.at,
            start_clock=start.clock,
            due_clock=max(start.clock + lasting_ms, now.clock),
        )

    def run_out_in(self, ended: ShardClock, now: ShardClock) -> Self:
        """The same on the clock of a log that has begun anew, due when it had run out in the one that has `ended`."""
        due_at = ended.with_holes(now.holes).instant_of(self.due_clock)
        start, due = now.back_at(self.start_at), now.back_at(due_at)
        return replace(self, generation=now.generation, start_clock=start.clock, due_clock=due.clock)

    def anew_after_hole(self, due_at: int, clock: ShardClock) -> Self | None:
        """A fresh time in which the log had a hole begins anew at its end, and so does any that has begun inside, while
        the shard showed no clock; None where nothing is to begin anew."""
        until = Until(self.generation, self.start_clock, self.due_clock)
        if not until.lasting_ms:
            return None
        hole = hole_around(self.start_at, clock)
        if self.kind is WatchKind.JUDGED_AFRESH:
            hole = hole_within(until, due_at, clock) or hole
        elif hole is not None and self.start_clock <= clock.back_at(hole.to_at).clock:
            return None
        if hole is None:
            return None
        start = clock.back_at(hole.to_at)
        due_clock = start.clock + until.lasting_ms
        return replace(self, start_at=hole.to_at, start_clock=start.clock, due_clock=due_clock)

    def on_the_clock(self, now: ShardClock) -> Self | None:
        """One that was begun behind the last hole by a clock from before it lasts from what the shard had observed by
        its beginning; None where it does so already."""
        if not now.holes or self.start_at < now.holes[-1].to_at:
            return None
        start = now.back_at(self.start_at).forward_to(self.start_at)
        if self.start_clock <= start.clock:
            return None
        return replace(self, start_clock=start.clock, due_clock=start.clock + self.lasting_ms)

    def begun_at(self, at: int, now: ShardClock) -> Self:
        """The same from another instant on."""
        start_clock = now.back_at(at).forward_to(at).clock
        return replace(self, start_at=at, start_clock=start_clock, due_clock=start_clock + self.lasting_ms)

    def verdict(
        self,
        *,
        at: int,
        policy_version: int,
        named: Named,
        seen: LastSeen | None = None,
    ) -> Verdict:
        """What it calls for by the instant `at`, with what was last seen by then; without that it only says since when
        it has run."""
        cause, reason = _CALLS_FOR[self.kind]
        if self.kind is WatchKind.JUDGED_AFRESH and not self.lasting_ms:
            reason = FAILED_AGAIN
        seen = seen or LastSeen(self.start_at, {})
        evidence = {"partition": self.shard, **seen.evidence, "reason": reason}
        if self.kind is WatchKind.OPEN_REFUSED:
            evidence[WAITED_S] = self.lasting_ms / 1000
        return Verdict(
            id=uuid5(self.cause, f"{self.kind}/{self.subject}/{self.condition}"),
            cause=cause,
            org=self.org,
            subject=self.subject,
            condition=self.condition,
            at=at,
            since=seen.since,
            policy_version=policy_version,
            flap_count=seen.flap_count,
            evidence=evidence,
            named=ALL_TOGETHER if self.condition == LOST else named,
        )
