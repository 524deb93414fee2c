"""Does the log say what has been published? One shard's changes for one org, replayed and compared."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fettle_chassis.database import Database
from fettle_chassis.settings import ServiceSettings
from fettle_contracts.times import from_ms, rfc3339
from fettle_health_monitor.adapters.correlator import published
from fettle_health_monitor.adapters.correlator.published import Span
from fettle_health_monitor.domain.correlator.marks import Mark
from fettle_health_monitor.domain.judge.checkpoint import Snapshot, snapshot
from fettle_health_monitor.domain.judgements import CLOCK_INDEX, Change, Judgement
from fettle_health_monitor.domain.verification import (
    Comparison,
    compare,
    of_history,
    of_judged,
    subjects_that_differ,
)
from fettle_health_monitor.judge.replaying import NotKept, Past, Replays, Start


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of it. `from_at` and `until_at` are broker milliseconds; `in_history` is as far as the correlator has
    read. `states`: the subjects that the newest checkpoint has otherwise than the replay."""

    shard: int
    generation: int
    from_at: int
    until_at: int
    records: int
    published: Comparison
    in_history: Comparison
    states: tuple[str, ...]

    @property
    def same(self) -> bool:
        return not (self.published.differences or self.in_history.differences or self.states)


class Verifying:
    """`partition_of` says by which partition of `health.judgements` an org's come."""

    def __init__(
        self, settings: ServiceSettings, database: Database, replays: Replays, partition_of: Callable[[str], int]
    ) -> None:
        self._settings = settings
        self._database = database
        self._replays = replays
        self._partition_of = partition_of

    async def verify(self, org: str, shard: int, since: int | None, tell: Callable[[float], None]) -> Verified:
        """Replays from the checkpoint that was kept last at `since` (broker milliseconds) or before, or from the oldest
        one since which everything that was published is still there, up to the newest checkpoint: all up to there is
        known to be published. `tell` hears which part is done. Raises `NotKept`, and what is transient."""
        partition = self._partition_of(org)
        async with self._replays.past(shard) as past:
            newest = await asyncio.to_thread(past.stored.unpack)
            if not isinstance(newest, Snapshot):
                raise NotKept(f"shard {shard} has begun anew and has no checkpoint yet; try again in a moment")
            start = await self._start(past, partition, since)
            tell(0.0)
            span = Span(org, partition, shard, start.generation, start.at, start.offset, newest.place.offset)

            def keep(judgement: Judgement) -> bool:
                return isinstance(judgement, Change) and judgement.org == org

            judged, changes = await past.judged(start, newest.place.offset + 1, keep, tell)
        found = await published.judged(self._settings, span)
        ours = [change for change in changes if isinstance(change, Change)]
        differ = await asyncio.to_thread(lambda: subjects_that_differ(org, snapshot(judged), newest))
        return Verified(
            shard=shard,
            generation=start.generation,
            from_at=start.at,
            until_at=newest.place.timestamp,
            records=newest.place.offset + 1 - start.offset,
            published=compare([of_judged(change) for change in ours], [of_judged(change) for change in found]),
            in_history=await in_history(self._database, span, ours),
            states=tuple(differ),
        )

    async def _start(self, past: Past, partition: int, since: int | None) -> Start:
        complete = await published.complete_from(self._settings, partition)
        if since is not None and since < complete:
            raise NotKept(f"what shard {past.shard} said before {rfc3339(from_ms(complete))} is not kept any more")
        start = await past.oldest_start(complete) if since is None else await past.newest_start(since)
        if start is None or start.at < complete:
            raise NotKept(f"no checkpoint of shard {past.shard} is kept from which on all that it has said is kept too")
        return start


async def in_history(database: Database, span: Span, changes: Sequence[Change]) -> Comparison:
    """The changes of a span, as far as they have been taken in, beside the history. What is held back meanwhile, or
    let go, is there or not shown, and not missing: all of it is read as of one moment."""
    async with database.snapshot() as connection:
        mark = await published.taken_in(connection, span.partition, span.shard)
        last = _whole_until(mark, span)
        rows = await published.history(connection, replace(span, last=last))
        not_shown = await published.not_shown(connection, span)
    taken = [of_judged(change) for change in changes if change.place[0] <= last and change.id not in not_shown]
    return compare(taken, [of_history(id, span.org, body) for id, body in rows])


def _whole_until(mark: Mark, span: Span) -> int:
    """The last record of the span all of whose changes have been taken in."""
    generation, offset, index = mark
    if generation != span.generation:
        return span.last if generation > span.generation else span.first - 1
    return min(span.last, offset if index == CLOCK_INDEX else offset - 1)
