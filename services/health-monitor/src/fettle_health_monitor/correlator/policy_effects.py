"""What follows when a shard begins to judge by another version of a policy, and when a watch has lasted."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_health_monitor.adapters.correlator import (
    books,
    everybody,
    last_seen,
    live,
    losses,
    policies,
    progress,
    silences,
    verdicts,
    watches,
)
from fettle_health_monitor.adapters.correlator.everybody import Profiled
from fettle_health_monitor.adapters.correlator.live import Known
from fettle_health_monitor.adapters.correlator.watches import RunOut
from fettle_health_monitor.correlator.retiming import lasting_ms
from fettle_health_monitor.domain.correlator.clocks import ShardClock
from fettle_health_monitor.domain.correlator.evidence import before_decision
from fettle_health_monitor.domain.correlator.losses import ALL_HEARTBEATS
from fettle_health_monitor.domain.correlator.policies import PolicyVersion, ask_for_existing
from fettle_health_monitor.domain.correlator.verdicts import LastSeen, Verdict, heartbeats_lost, publishing_began
from fettle_health_monitor.domain.correlator.watches import Watch, WatchKind
from fettle_health_monitor.domain.judgements import InForce


async def take_effect(connection: AsyncConnection, partition: int, said: InForce) -> bool:
    """A shard judges by another version from now on: running watches are re-timed from their starts, stand while the
    org is switched off, and begin anew when it is switched on again; silences that ended meanwhile are looked at then.
    Where tickets for what exists were asked for, everything that fires calls for its verdict, and so do lost
    heartbeats. Answers whether silences are to be looked at, before anything that happens behind it is decided."""
    judging = await policies.judging(connection, said.org)
    before = judging.get(said.shard)
    await policies.take_effect(connection, [said])
    version = (await policies.versions(connection, {(said.org, said.version)})).get((said.org, said.version))
    if version is None or (before is not None and before.version == said.version):
        return False
    await _retime(connection, partition, said, before, version)
    is_on_again = version.policy.enabled and before is not None and not before.policy.enabled
    if is_on_again:
        await silences.on_again(connection, partition, said.shard, said.org, said.at)
    after = 0 if before is None else before.version
    if ask_for_existing(await policies.since(connection, said.org, after=after, version=said.version)):
        foremost = max((each.version for each in judging.values()), default=0)
        await _publish_existing(connection, partition, said, foremost)
    return is_on_again


async def verdicts_of(connection: AsyncConnection, out: Sequence[RunOut]) -> list[Verdict]:
    """The verdicts that these watches call for, by the policy that their shard judges by now."""
    if not out:
        return []
    versions = await policies.in_force_of(connection, {(each.watch.org, each.watch.shard) for each in out})
    keys = {(each.watch.org, each.watch.subject) for each in out}
    asks_again = {
        each.watch.cause for each in out if each.watch.kind is WatchKind.OPEN_REFUSED and not each.watch.is_about_many
    }
    refused = await verdicts.evidence_of(connection, asks_again) if asks_again else {}
    names, seen = await live.names(connection, keys), await last_seen.by_then(connection, out)
    return [
        each.watch.verdict(
            at=each.at,
            policy_version=versions.get((each.watch.org, each.watch.shard), 0),
            named=names.get((each.watch.org, each.watch.subject), Known()),
            seen=_refused(refused.get(each.watch.cause), seen.get(each)),
        )
        for each in out
    ]


def _refused(evidence: Mapping[str, Any] | None, seen: LastSeen | None) -> LastSeen | None:
    """A ticket that was refused is asked for again on what it was asked for before, where that is on record."""
    flap_count = 0 if seen is None else seen.flap_count
    return seen if evidence is None else LastSeen.of(before_decision(evidence), flap_count)


async def _retime(
    connection: AsyncConnection, partition: int, said: InForce, before: PolicyVersion | None, version: PolicyVersion
) -> None:
    running = await watches.of_shard(connection, partition, said.shard, said.org)
    clock = (await progress.clocks(connection, partition)).get(said.shard)
    if not running or clock is None:
        return
    then = clock.back_at(said.at)
    known = await everybody.known(connection, said.org, {watch.subject for watch in running})
    retimed = []
    for watch in running:
        row = known.get(watch.subject)
        profile = everybody.profiled(row) if row is not None else Profiled(watch.subject, said.shard, None, None, None)
        retimed.append(retimed_by(watch, profile, before, version, then))
    await watches.begin(connection, retimed, {said.org: partition})


def retimed_by(
    watch: Watch, profile: Profiled, before: PolicyVersion | None, version: PolicyVersion, then: ShardClock
) -> Watch:
    """The watch as it runs by another version from this clock of its shard on; the same where it is by that already."""
    if not version.policy.enabled:
        return watch.standing_still(then)
    if before is not None and not before.policy.enabled:
        return watch.begun_anew(then, lasting_ms(watch, profile, version))
    return watch.lasting(lasting_ms(watch, profile, version), then)


async def _publish_existing(connection: AsyncConnection, partition: int, said: InForce, foremost: int) -> None:
    called = [
        publishing_began(
            org=said.org,
            version=said.version,
            subject=each.subject,
            condition=each.condition,
            at=said.at,
            since=each.since,
            flap_count=each.flap_count,
            evidence=each.evidence,
            named=each.named,
        )
        for each in await live.failing_when(connection, said)
    ]
    if (lost := await _about_lost_heartbeats(connection, partition, said, foremost)) is not None:
        called.append(lost)
    if called:
        await books.enter(connection, called)
        await verdicts.wait(connection, called, {said.org: partition})


async def _about_lost_heartbeats(
    connection: AsyncConnection, partition: int, said: InForce, foremost: int
) -> Verdict | None:
    """The org's heartbeats were lost before this policy came into force, and their ticket would not have ended by then:
    called for once, by the first shard that hears that it is asked for, whichever that is. `foremost` is the newest
    version that any shard judged by before."""
    loss = await losses.latest(connection, said.org)
    if loss is None or not loss.is_older_than(said.at, said.version):
        return None
    if not ask_for_existing(await policies.since(connection, said.org, after=foremost, version=said.version)):
        return None
    if loss.few_since is not None and loss.few_since <= said.at:
        kind = WatchKind.FEW_UNKNOWN
        if await watches.of_subject(connection, kind, said.org, ALL_HEARTBEATS) is None:
            return None
    lost = heartbeats_lost(loss, partition)
    return publishing_began(
        org=said.org,
        version=said.version,
        subject=lost.subject,
        condition=lost.condition,
        at=said.at,
        since=lost.since,
        flap_count=lost.flap_count,
        evidence=lost.evidence,
        named=lost.named,
    )
