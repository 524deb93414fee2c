"""What lost heartbeats come to: full timeouts when reporting resumes, the look at their ticket when few are left
unknown, and what becomes of subjects that are removed while they are unknown."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid5

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.transitions import HealthState
from fettle_health_monitor.adapters.correlator import losses, policies, progress, unwell, watches
from fettle_health_monitor.adapters.correlator.everybody import Profiled
from fettle_health_monitor.adapters.correlator.watches import RunOut
from fettle_health_monitor.correlator.holding_back import rules_of
from fettle_health_monitor.domain.correlator.clocks import ShardClock
from fettle_health_monitor.domain.correlator.fresh_times import NOT_RUNNING, Until
from fettle_health_monitor.domain.correlator.losses import ALL_HEARTBEATS, LOST, Loss
from fettle_health_monitor.domain.correlator.policies import PolicyVersion
from fettle_health_monitor.domain.correlator.unseen_subjects import Rules
from fettle_health_monitor.domain.correlator.watches import NO_GENERATION, Watch, WatchKind

log = structlog.get_logger(__name__)


async def that_could_be_heard(connection: AsyncConnection, out: Sequence[RunOut]) -> list[RunOut]:
    """Of what has run out, without the fresh times of who could not be heard, as heartbeats of its org were lost by
    then and are still."""
    afresh = {each for each in out if each.watch.kind is WatchKind.JUDGED_AFRESH and each.watch.lasting_ms}
    lost_from = dict[str, int]()
    for org in sorted({each.watch.org for each in afresh}):
        loss = await losses.latest(connection, org)
        if loss is not None and loss.resumed_at is None:
            lost_from[org] = loss.begun_at
    return [each for each in out if each not in afresh or each.at < lost_from.get(each.watch.org, each.at + 1)]


class LossCourse:
    """The loss of one org in one transaction. `version` stands in where a shard has not said by which it judges."""

    def __init__(self, connection: AsyncConnection, version: PolicyVersion, partition: int) -> None:
        self._connection, self._org = connection, version.org
        self._newest, self._partition = version, partition
        self._clocks: dict[int, ShardClock] = {}
        self._first: int | None = None
        self._judging: dict[int, PolicyVersion] = {}

    async def load(self) -> None:
        """How far the shards are, and by what they judge."""
        self._clocks = await progress.clocks(self._connection, self._partition)
        self._first = min(await progress.clocks(self._connection, self._partition, moving=True), default=None)
        self._judging = await policies.judging(self._connection, self._org)

    async def know_no_more(self, subject: str) -> None:
        """Somebody has removed a subject that its shard does not know any more, and will say nothing more of: what is
        held of it is not shown, and it is unknown no more, as of the furthest shard's clock."""
        if hidden := await losses.drop_held(self._connection, self._org, subject):
            await losses.hide(self._connection, self._org, hidden)
        row = (await losses.unseen(self._connection, self._org, {subject})).get(subject)
        if row is None:
            return
        await losses.leave(self._connection, self._org, [subject])
        loss = await losses.latest(self._connection, self._org)
        if loss is None or row.shown != HealthState.UNKNOWN:
            return
        at = max((clock.at for clock in self._clocks.values()), default=loss.begun_at)
        after = loss.becoming(max(at, loss.begun_at), unknown=-1)
        await losses.save(self._connection, after)
        if loss.resumed_at is None and after.resumed_at is not None:
            await self.resume(after)
        if after.few_since is not None and after.few_since != loss.few_since:
            await self.watch(after)

    async def resume(self, loss: Loss) -> None:
        """Everybody who is still unseen has a full timeout from now on."""
        assert loss.resumed_at is not None  # noqa: S101 - the caller has looked
        log.info("heartbeats.back", org=self._org, unknown=loss.unknown, lost=loss.lost)
        at = loss.resumed_at
        timers = {
            one.subject: Until.after(self._clock_at(one.shard, at).forward_to(at), self._rules(one).timeout_ms)
            for one in await losses.without_timer(self._connection, self._org)
        }
        if timers:
            await losses.give_timers(self._connection, self._org, timers)
        await self._judge_afresh_anew(loss, at)

    async def _judge_afresh_anew(self, loss: Loss, at: int) -> None:
        """Nobody could be heard: who has a fresh time has all of it from now on, unless that was over before."""
        again = []
        for watch in await unwell.judged_afresh(self._connection, self._org):
            clock = self._clocks.get(watch.shard)
            if clock is None or watch.generation != clock.generation or not watch.lasting_ms:
                continue
            if watch.out_before(loss.begun_at, clock) is None:
                again.append(watch.begun_at(at, clock))
        if again:
            await watches.begin(self._connection, again, {self._org: self._partition})
            await unwell.judge_from(self._connection, self._org, {watch.subject: at for watch in again})

    async def watch(self, loss: Loss) -> None:
        """The ticket is looked at when few have been unknown for the resolve debounce."""
        watch = self.few_unknown(loss)
        if watch is not None:
            await watches.begin(self._connection, [watch], {self._org: self._partition})

    def few_unknown(self, loss: Loss) -> Watch | None:
        """None while no shard has shown a clock."""
        first = self._first
        if first is None or loss.few_since is None:
            return None
        return Watch.begin(
            WatchKind.FEW_UNKNOWN,
            cause=uuid5(loss.id, str(loss.few_since)),
            org=self._org,
            subject=ALL_HEARTBEATS,
            condition=LOST,
            shard=self._clock_at(first, loss.few_since),
            since_at=loss.few_since,
            lasting_ms=self._version_of(first).rules_for(ALL_HEARTBEATS, None, None).resolve_debounce_s * 1000,
        )

    def _version_of(self, shard: int) -> PolicyVersion:
        return self._judging.get(shard, self._newest)

    def _rules(self, one: Profiled) -> Rules:
        return rules_of(self._version_of(one.shard), one)

    def _clock_at(self, shard: int, at: int) -> ShardClock:
        """A shard's clock as it was at an instant; while its org is switched off, of no generation that runs."""
        clock = self._clocks.get(shard)
        if clock is None:
            return ShardClock(shard, NO_GENERATION, at, 0)
        runs = self._version_of(shard).policy.enabled
        return replace(clock.beginning_at(at), generation=clock.generation if runs else NOT_RUNNING)
