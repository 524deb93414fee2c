"""What the judges say becomes live status, history, verdicts, and what follows from time that has passed."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.unit_of_work import UnitOfWork
from fettle_health_monitor.adapters.correlator import policies, progress, verdicts, watches
from fettle_health_monitor.adapters.correlator.policies import KnownOrg
from fettle_health_monitor.adapters.correlator.progress import Progress
from fettle_health_monitor.correlator import changes, policy_effects
from fettle_health_monitor.correlator.deciding import Deciding
from fettle_health_monitor.correlator.greeting import Greeting
from fettle_health_monitor.correlator.news import Heard, News
from fettle_health_monitor.domain.correlator.clocks import Behind, Horizon, Patience, ShardClock, horizon
from fettle_health_monitor.domain.correlator.marks import news
from fettle_health_monitor.domain.judgements import Judgement
from fettle_health_monitor.metrics import STALLED_SHARDS


@dataclass(frozen=True, slots=True)
class View:
    """One partition's news, how far the shards have come in its eyes before and after, and the orgs to which either
    may do something."""

    partition: int
    news: News
    before: Mapping[int, Progress]
    after: Mapping[int, Progress]
    reach: Horizon | None
    orgs: frozenset[str]

    @property
    def clocks(self) -> list[ShardClock]:
        return _clocks(self.after)

    @property
    def began_anew(self) -> bool:
        """Whether a shard's clock is of another log than before."""
        known = {clock.shard: clock.generation for clock in _clocks(self.before)}
        return any(known.get(clock.shard) != clock.generation for clock in self.clocks)


class Judgements:
    """Takes in batches of `health.judgements`. `shards` asks for the number of heartbeat partitions."""

    def __init__(self, deciding: Deciding, greeting: Greeting, patience: Patience, shards: Callable[[], int]) -> None:
        self._deciding, self._greeting, self._patience, self._shards = deciding, greeting, patience, shards

    async def handle(self, work: UnitOfWork, batch: Sequence[Heard]) -> None:
        """Everything that these messages change, in one transaction; repeats change nothing."""
        by_partition: defaultdict[int, list[Judgement]] = defaultdict(list)
        for heard in batch:
            by_partition[heard.partition].append(heard.judgement)
        connection = work.connection
        views = [await self._view(connection, *each) for each in sorted(by_partition.items())]
        orgs = await policies.lock_orgs(connection, {org for view in views for org in view.orgs})
        for view in views:
            await _take_in(work, view)
            await self._decide(work, view, orgs)
        for view in views:
            for hello in view.news.hellos:
                await self._greeting.answer(work, hello)

    async def _view(self, connection: AsyncConnection, partition: int, judgements: Sequence[Judgement]) -> View:
        before = await progress.lock(connection, partition)
        fresh, marks = news({shard: each.mark for shard, each in before.items()}, judgements)
        sorted_news = News.of(fresh)
        after = progress.advance(before, marks, sorted_news.clocks)
        reach = horizon(_clocks(after), self._shards(), self._patience)
        orgs = sorted_news.orgs
        if reach is not None:
            after = {shard: replace(each, stalled=shard in reach.stalled) for shard, each in after.items()}
            STALLED_SHARDS.labels(partition).set(len(reach.stalled))
            orgs |= await verdicts.orgs_with_ready(connection, partition, reach.before)
            orgs |= await watches.orgs_with_due(connection, partition, _clocks(after))
        return View(partition, sorted_news, before, after, reach, frozenset(orgs))

    async def _decide(self, work: UnitOfWork, view: View, orgs: Mapping[str, KnownOrg]) -> None:
        if view.reach is None or not view.orgs:
            return
        connection, partition, reach = work.connection, view.partition, view.reach
        waited = await verdicts.take_ready(connection, partition, reach.before, view.orgs)
        due = await watches.take_due(connection, partition, view.clocks, view.orgs)
        ready = [(verdict, reach.behind(verdict.at)) for verdict in waited]
        ready += [(verdict, Behind()) for verdict in await policy_effects.verdicts_of(connection, due, view.clocks)]
        if ready:
            await self._deciding.decide(work, ready, orgs)


async def _take_in(work: UnitOfWork, view: View) -> None:
    connection = work.connection
    if view.after != view.before:
        await progress.save(connection, view.partition, list(view.after.values()))
        await progress.record_stalls(connection, view.before, view.after)
    if view.news.gaps:
        await progress.record_unobserved(connection, view.news.gaps)
    if view.began_anew:
        await watches.begin_anew(connection, view.partition, view.clocks)
    await changes.take_in(work, view.partition, view.news, {clock.shard: clock for clock in view.clocks})
    if view.news.in_force:
        await policy_effects.take_effect(connection, view.partition, view.news.in_force)


def _clocks(progress_of: Mapping[int, Progress]) -> list[ShardClock]:
    return [each.clock for each in progress_of.values() if each.clock is not None]
