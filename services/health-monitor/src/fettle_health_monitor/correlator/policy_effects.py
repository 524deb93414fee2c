"""What follows when a shard begins to judge by another version of a policy, and when a watch has lasted."""

from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_health_monitor.adapters.correlator import books, live, policies, verdicts, watches
from fettle_health_monitor.adapters.correlator.live import Known
from fettle_health_monitor.adapters.correlator.watches import RunOut
from fettle_health_monitor.correlator.news import News
from fettle_health_monitor.domain.correlator.policies import PolicyVersion
from fettle_health_monitor.domain.correlator.verdicts import Verdict, publishing_began
from fettle_health_monitor.domain.correlator.watches import WatchKind
from fettle_health_monitor.domain.judgements import InForce


async def take_effect(connection: AsyncConnection, news: News) -> None:
    """Shards judge by other versions from now on: running watches are re-timed from their starts, and where tickets for
    what exists were asked for, everything that fires calls for its verdict."""
    before = await policies.in_force_of(connection, {(each.org, each.shard) for each in news.in_force})
    await policies.take_effect(connection, news.in_force)
    changed = [each for each in news.in_force if before.get((each.org, each.shard)) != each.version]
    known = await policies.versions(connection, {(each.org, each.version) for each in changed})
    for each in changed:
        version = known.get((each.org, each.version))
        if version is None:
            continue
        await _retime(connection, news.partition_of, each.shard, version)
        after = before.get((each.org, each.shard), 0)
        asked = await policies.asks_for_existing(connection, each.org, after=after, version=each.version)
        if asked and version.switches.publish_tickets:
            await _publish_existing(connection, news.partition_of, each)


async def verdicts_of(connection: AsyncConnection, out: Sequence[RunOut]) -> list[Verdict]:
    """The verdicts that these watches call for, by the policy that their shard judges by now."""
    if not out:
        return []
    versions = await policies.in_force_of(connection, {(each.watch.org, each.watch.shard) for each in out})
    keys = {(each.watch.org, each.watch.subject) for each in out}
    names, failing = await live.names(connection, keys), await live.standing(connection, keys)
    return [
        each.watch.verdict(
            at=each.at,
            policy_version=versions.get((each.watch.org, each.watch.shard), 0),
            named=names.get((each.watch.org, each.watch.subject), Known()),
            flap_count=failing[key].flap_count if (key := (each.watch.org, each.watch.subject)) in failing else 0,
        )
        for each in out
    ]


async def _retime(
    connection: AsyncConnection, partition_of: Mapping[str, int], shard: int, version: PolicyVersion
) -> None:
    running = await watches.of_shard(connection, shard, version.org, WatchKind.EARLY_RESOLVE)
    if not running:
        return
    names = await live.names(connection, {(watch.org, watch.subject) for watch in running})
    retimed = []
    for watch in running:
        known = names.get((watch.org, watch.subject), Known())
        debounce_s = version.rules_for(watch.subject, known.integration, known.model).open_debounce_s
        retimed.append(watch.lasting(debounce_s * 1000))
    await watches.begin(connection, retimed, partition_of)


async def _publish_existing(connection: AsyncConnection, partition_of: Mapping[str, int], news: InForce) -> None:
    called = [
        publishing_began(
            org=news.org,
            version=news.version,
            subject=each.subject,
            condition=each.condition,
            at=news.at,
            since=each.since,
            flap_count=each.flap_count,
            evidence=each.evidence,
            named=each.named,
        )
        for each in await live.failing(connection, news.org, news.shard)
    ]
    if called:
        await books.enter(connection, called)
        await verdicts.wait(connection, called, partition_of)
