"""How tickets that devices share end, and what becomes of those who still fail."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import uuid5

from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.transitions import HealthState
from fettle_health_monitor.adapters.correlator import (
    books,
    everybody,
    policies,
    progress,
    rollups,
    unwell,
    verdicts,
    watches,
)
from fettle_health_monitor.adapters.correlator.live import Failing, Key
from fettle_health_monitor.adapters.correlator.unwell import Unwell
from fettle_health_monitor.domain.correlator.clocks import ShardClock
from fettle_health_monitor.domain.correlator.evidence import LEFT_OVER_BEHIND, LEFT_OVER_FROM
from fettle_health_monitor.domain.correlator.outcomes import (
    AlreadyOpen,
    CalledOff,
    Opened,
    Outcome,
    Reopened,
    Silenced,
)
from fettle_health_monitor.domain.correlator.rollups import MANY, integration_named, is_integration
from fettle_health_monitor.domain.correlator.verdicts import Cause, Verdict
from fettle_health_monitor.domain.correlator.watches import Watch, WatchKind

LOOKED_AT_AGAIN_MS = 1_000
"""A list is looked at again after so long at least: at the very same instant the same devices would still be about to
fire, and looking again would not end."""


class ListEnds:
    """`partition_of` says by which partition of `health.judgements` an org's come."""

    def __init__(self, partition_of: Mapping[str, int]) -> None:
        self._partition_of = partition_of

    @staticmethod
    async def end_watches(connection: AsyncConnection, key: Key) -> None:
        """The ticket about many devices is over, and its list with it."""
        for kind in (WatchKind.FEW_LEFT, WatchKind.EARLY_RESOLVE, WatchKind.OPEN_REFUSED):
            await watches.end(connection, kind, {key}, of_many=True)

    async def watch_few(self, connection: AsyncConnection, lists: Mapping[Key, Verdict]) -> None:
        begun = []
        for (org, subject), verdict in lists.items():
            clock = await self._clock(connection, org, verdict.evidence.get("partition"), verdict.at)
            versions = {} if clock is None else await policies.of_shards(connection, org, {clock.shard})
            if clock is not None and versions:
                rules = versions[clock.shard].rules_for(subject, integration_named(subject), None)
                lasting_ms = rules.resolve_debounce_s * 1000
                if verdict.cause is Cause.FEW_LEFT:
                    lasting_ms = max(lasting_ms, LOOKED_AT_AGAIN_MS)
                watch = _begun(WatchKind.FEW_LEFT, verdict, subject, MANY, clock, lasting_ms)
                begun.append(watch if versions[clock.shard].policy.enabled else watch.standing_still(clock))
        if begun:
            await watches.begin(connection, begun, self._partition_of)

    async def end_lists(self, connection: AsyncConnection, ended: Iterable[tuple[Verdict, Outcome]]) -> list[Verdict]:
        """What follows where a shared ticket has come to its end, or is back. Answers with the verdicts about those who
        are left over from one about many devices, and with those that have waited: nobody waits for a ticket that
        somebody has resolved and that is not looked at any more."""
        left_over: list[Verdict] = []
        decided: dict[Key, int] = {}
        for verdict, outcome in ended:
            if not is_integration(verdict.subject) or verdict.cause is Cause.MERGED:
                continue
            key = (verdict.org, verdict.subject)
            match verdict.cause, outcome:
                case ((Cause.RECOVERED | Cause.FORGOTTEN), _):
                    left = await rollups.dissolve(connection, *key, of_many=False)
                    afresh = await self._judge_afresh(connection, verdict, left.keys())
                    late = {one: at for one, at in left.items() if at > verdict.at and one not in afresh}
                    left_over += await self._get_their_own(connection, verdict, late)
                case Cause.FEW_LEFT, CalledOff():
                    continue
                case Cause.FEW_LEFT, _:
                    left_over += await self._left_over(connection, verdict)
                case _, (Opened() | Reopened()):
                    pass
                case Cause.STILL_UNHEALTHY, AlreadyOpen():
                    pass
                case Cause.STILL_UNHEALTHY, _:
                    left_over += await self._left_over(connection, verdict)
                case _, Silenced() if alone := await rollups.left_alone(connection, {key}):
                    for _, _, condition in sorted(alone):
                        left_over += await self._left_over(connection, replace(verdict, condition=condition))
                case _ if await watches.undecided(connection, {key}):
                    continue
            decided[key] = verdict.at
        if left_over:
            await books.enter(connection, left_over)
        return left_over + (await verdicts.let_go(connection, decided) if decided else [])

    async def _left_over(self, connection: AsyncConnection, verdict: Verdict) -> list[Verdict]:
        """Those left over from a ticket of the integration's own count as if they had failed just now."""
        of_many = verdict.condition == MANY
        if of_many:
            await self.end_watches(connection, (verdict.org, verdict.subject))
        left = await rollups.dissolve(connection, verdict.org, verdict.subject, of_many=of_many)
        return await self._get_their_own(connection, verdict, left, just_now=not of_many)

    async def _get_their_own(
        self, connection: AsyncConnection, verdict: Verdict, left: Mapping[str, int], *, just_now: bool = False
    ) -> list[Verdict]:
        """Who has just been heard again gets a ticket if it fails again before it is healthy, the others get theirs
        now, but for those whose shard has the org switched off already: they are judged afresh when it is on again.
        `left` is by when each of them has joined: who did so at the verdict's instant, or behind it as that is told
        late, counts as it stood then."""
        at = {subject: joined if joined >= verdict.at else verdict.at - 1 for subject, joined in left.items()}
        now = await unwell.failing(connection, verdict.org, at) if at else []
        if just_now:
            await self._count_as_failed_just_now(connection, verdict, now)
        heard_again = [one for one in now if one.state == HealthState.PENDING_RESOLVE]
        if heard_again:
            clocks = await self._clocks(connection, verdict.org, verdict.at)
            begun = [
                _begun(WatchKind.JUDGED_AFRESH, verdict, one.subject, one.condition, clocks[one.shard], 0)
                for one in heard_again
                if one.shard in clocks
            ]
            await watches.begin(connection, begun, self._partition_of)
        versions = await policies.judging(connection, verdict.org)
        off = {shard for shard, version in versions.items() if not version.policy.enabled}
        failing = [one for one in now if one.state != HealthState.PENDING_RESOLVE]
        await self._wait_afresh(connection, verdict, [one for one in failing if one.shard in off])
        return [
            _left(
                verdict,
                one,
                versions[one.shard].version if one.shard in versions else verdict.policy_version,
                max(verdict.at, at[one.subject]),
            )
            for one in failing
            if one.shard not in off
        ]

    async def _wait_afresh(self, connection: AsyncConnection, verdict: Verdict, left: Sequence[Failing]) -> None:
        known = await everybody.known(connection, verdict.org, {one.subject for one in left}) if left else {}
        profiles = {subject: everybody.profiled(row) for subject, row in known.items()}
        found = [
            Unwell(one.subject, one.condition, one.shard, profile.integration, profile.model, profile.interval_s)
            for one in left
            if (profile := profiles.get(one.subject)) is not None
        ]
        await self._begin_afresh(connection, verdict, found)

    async def _count_as_failed_just_now(
        self, connection: AsyncConnection, verdict: Verdict, left: Sequence[Failing]
    ) -> None:
        """As if a fresh timeout ended at the verdict's instant."""
        versions = await policies.of_shards(connection, verdict.org, {one.shard for one in left})
        known = await everybody.known(connection, verdict.org, {one.subject for one in left})
        since = dict[str, int]()
        for one in left:
            if one.shard in versions and one.subject in known:
                profile = everybody.profiled(known[one.subject])
                rules = versions[one.shard].rules_for(one.subject, profile.integration, profile.model)
                since[one.subject] = verdict.at - round(rules.timeout_for(profile.interval_s) * 1000)
        await unwell.judge_from(connection, verdict.org, since)

    async def _judge_afresh(self, connection: AsyncConnection, verdict: Verdict, listed: Collection[str]) -> set[str]:
        """So are those who were `listed` on its ticket and have moved behind another integration since. Who is."""
        integration = integration_named(verdict.subject)
        found = await unwell.without_a_ticket(connection, verdict.org, integration, verdict.at, listed=listed)
        await self._begin_afresh(connection, verdict, found)
        return {one.subject for one in found}

    async def _begin_afresh(self, connection: AsyncConnection, verdict: Verdict, found: Sequence[Unwell]) -> None:
        """A full timeout and open debounce for each of them, from the verdict's instant on, or from when the org is on
        again."""
        if not found:
            return
        clocks = await self._clocks(connection, verdict.org, verdict.at)
        versions = await policies.of_shards(connection, verdict.org, clocks)
        begun, since = [], dict[str, int]()
        for one in found:
            if one.shard in versions:
                rules = versions[one.shard].rules_for(one.subject, one.integration, one.model)
                timeout_s = rules.timeout_for(one.interval_s)
                since[one.subject] = verdict.at
                lasting_ms = round(1000 * (timeout_s + rules.open_debounce_s))
                clock = clocks[one.shard]
                watch = _begun(WatchKind.JUDGED_AFRESH, verdict, one.subject, one.condition, clock, lasting_ms)
                begun.append(watch if versions[one.shard].policy.enabled else watch.standing_still(clock))
        await unwell.judge_from(connection, verdict.org, since)
        if begun:
            await watches.begin(connection, begun, self._partition_of)

    async def _clock(self, connection: AsyncConnection, org: str, shard: int | None, at: int) -> ShardClock | None:
        """The clock of a shard at this instant; that of the first one where none is named."""
        clocks = await self._clocks(connection, org, at)
        return clocks.get(min(clocks, default=-1) if shard not in clocks else shard)

    async def _clocks(self, connection: AsyncConnection, org: str, at: int) -> dict[int, ShardClock]:
        """The shards' clocks for what begins at this instant, so that nothing depends on when it is decided."""
        shown = await progress.clocks(connection, self._partition_of[org])
        return {shard: clock.beginning_at(at) for shard, clock in shown.items()}


def _left(verdict: Verdict, one: Failing, policy_version: int, at: int) -> Verdict:
    return Verdict(
        id=uuid5(verdict.id, f"{Cause.LEFT_OVER}/{one.subject}"),
        cause=Cause.LEFT_OVER,
        org=verdict.org,
        subject=one.subject,
        condition=one.condition,
        at=at,
        since=one.since,
        policy_version=policy_version,
        flap_count=one.flap_count,
        evidence={**one.evidence, LEFT_OVER_FROM: verdict.condition, LEFT_OVER_BEHIND: verdict.subject},
        named=one.named,
    )


def _begun(
    kind: WatchKind, verdict: Verdict, subject: str, condition: str, clock: ShardClock, lasting_ms: int
) -> Watch:
    """A watch that follows from this verdict, from its instant on."""
    return Watch.begin(
        kind,
        cause=verdict.id,
        org=verdict.org,
        subject=subject,
        condition=condition,
        shard=clock,
        since_at=verdict.at,
        lasting_ms=lasting_ms,
    )
