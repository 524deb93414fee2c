"""Times that run for subjects on their shards' clocks, where other rules count for the subjects by now."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_health_monitor.adapters.correlator import (
    everybody,
    losses,
    policies,
    progress,
    standing_shards,
    watches,
)
from fettle_health_monitor.adapters.correlator.everybody import Profiled
from fettle_health_monitor.correlator.holding_back import rules_of
from fettle_health_monitor.domain.correlator.fresh_times import retimed
from fettle_health_monitor.domain.correlator.policies import PolicyVersion
from fettle_health_monitor.domain.correlator.rollups import MANY, integration_named
from fettle_health_monitor.domain.correlator.unseen_subjects import Unseen
from fettle_health_monitor.domain.correlator.watches import Watch, WatchKind


def lasting_ms(watch: Watch, one: Profiled, version: PolicyVersion) -> int:
    """How long such a watch lasts by this version. One about many devices goes by no model, and who was just being
    heard again when its ticket ended has no time at all. Who came up healthy in a new log while its org was switched
    off has no time until that is on again, and then all of it, as nothing of it was heard."""
    many = watch.condition == MANY
    integration = integration_named(watch.subject) if many else one.integration
    rules = version.rules_for(watch.subject, integration, None if many else one.model)
    match watch.kind:
        case WatchKind.EARLY_RESOLVE:
            return rules.open_debounce_s * 1000
        case WatchKind.JUDGED_AFRESH:
            fresh_ms = round((rules.timeout_for(one.interval_s) + rules.open_debounce_s) * 1000)
            return fresh_ms if watch.lasting_ms else 0
        case WatchKind.FEW_LEFT | WatchKind.FEW_UNKNOWN:
            return rules.resolve_debounce_s * 1000
        case WatchKind.LEFT_ALONE:
            return 0
        case WatchKind.HEALTHY_ANEW if watch.stands_still and not watch.lasting_ms and version.policy.enabled:
            return round((rules.timeout_for(one.interval_s) + rules.resolve_debounce_s) * 1000)
        case WatchKind.HEALTHY_ANEW | WatchKind.OPEN_REFUSED:
            return watch.lasting_ms
        case _:
            assert_never(watch.kind)


async def go_on_without(connection: AsyncConnection, partitions: Collection[int]) -> None:
    """What shared tickets and the one about lost heartbeats wait for does not stand still with a shard in these
    partitions: it goes on by the clock and the policy of the shard that is furthest. So does the look at an
    integration's own ticket, as devices wait for it."""
    for partition, watch in await standing_shards.about_lists(connection, partitions):
        moving = await progress.clocks(connection, partition, moving=True)
        furthest = max(moving.values(), key=lambda one: one.at)
        version = (await policies.of_shards(connection, watch.org, {furthest.shard})).get(furthest.shard)
        if version is None:
            continue
        known = (await everybody.known(connection, watch.org, {watch.subject})).get(watch.subject)
        nobody = Profiled(watch.subject, furthest.shard, None, None, None)
        lasting = lasting_ms(watch, everybody.profiled(known) if known else nobody, version)
        moved = watch.moved_to(furthest, lasting, runs=version.policy.enabled)
        await watches.begin(connection, [moved], {watch.org: partition})


@dataclass(frozen=True, slots=True)
class Running:
    """What runs for subjects of an org, with what their rules followed from when that was looked up."""

    watches: Sequence[Watch]
    unseen: Sequence[tuple[Profiled, Unseen]]


async def what_runs(connection: AsyncConnection, org: str, subjects: Collection[str]) -> Running:
    """All that runs for these subjects, locked until the commit: a log that begins anew meanwhile is waited for, or
    waits."""
    return Running(
        await watches.of_subjects(connection, org, subjects), await losses.timed_of(connection, org, subjects)
    )


async def retime(connection: AsyncConnection, org: str, partition: int, before: Running) -> None:
    """What ran before the registry said something else of these subjects lasts as long, from where it began, as their
    rules say by now: by the policy that their shard judges by, and from how far it has come on. What is overdue by that
    is due now, and what had run out has run out. The caller holds the org's row."""
    if not (before.watches or before.unseen):
        return
    shards = {watch.shard for watch in before.watches} | {profile.shard for profile, _ in before.unseen}
    judging = await policies.of_shards(connection, org, shards)
    clocks = await progress.clocks(connection, partition)
    subjects = {watch.subject for watch in before.watches} | {unseen.subject for _, unseen in before.unseen}
    known = await everybody.known(connection, org, subjects)
    now: Mapping[str, Profiled] = {subject: everybody.profiled(row) for subject, row in known.items()}
    lasting = [
        watch.lasting(lasting_ms(watch, now[watch.subject], judging[watch.shard]), clocks[watch.shard])
        for watch in before.watches
        if watch.shard in clocks
    ]
    if lasting:
        await watches.begin(connection, lasting, {org: partition})
    timers = {
        unseen.subject: retimed(
            unseen.until,
            rules_of(judging[profile.shard], profile),
            rules_of(judging[profile.shard], now[unseen.subject]),
            clocks[profile.shard],
            pending=unseen.is_pending,
        )
        for profile, unseen in before.unseen
        if profile.shard in clocks and unseen.until is not None
    }
    if timers:
        await losses.give_timers(connection, org, timers)
