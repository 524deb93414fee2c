"""What must wait for its turn: all about an org whose heartbeats are lost or may be, another policy, and everything of
a partition while a late shard may have the last word on that."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.health_policy import HealthPolicy, Override
from fettle_contracts.transitions import HealthState
from fettle_health_monitor.adapters.correlator import everybody, losses, policies
from fettle_health_monitor.adapters.correlator.everybody import Profiled
from fettle_health_monitor.adapters.correlator.losses import Held
from fettle_health_monitor.correlator.news import News
from fettle_health_monitor.correlator.reach import Reach
from fettle_health_monitor.correlator.silencing import unless_unreadable
from fettle_health_monitor.domain.correlator.clocks import Horizon
from fettle_health_monitor.domain.correlator.losses import (
    ALL_HEARTBEATS,
    ALL_TOLD,
    COUNTED_AT_LEAST,
    INTEGRATIONS_AT_LEAST,
    NEARLY_TOLD,
    by_silence,
    integration_behind,
    may_lose,
    nearly_told_from,
    silent_from,
    would_fire_by_silence,
)
from fettle_health_monitor.domain.correlator.marks import NOTHING, mark_of
from fettle_health_monitor.domain.correlator.policies import PolicyVersion
from fettle_health_monitor.domain.correlator.unseen_subjects import Due, Event, Rules
from fettle_health_monitor.domain.judgements import Change, HeardAgain, InForce


async def in_doubt(connection: AsyncConnection, news: News, reach: Reach) -> set[int]:
    """The partitions in which somebody fires while a shard is behind by a quarter of an open debounce, and all of the
    org may be silent, for all that is known of that shard. To open tickets then would be to take lost heartbeats for
    devices that fail: they wait for it."""
    doubted = set()
    for partition, horizon in reach.horizons.items():
        if horizon.late and await _is_doubted(connection, news, partition, horizon):
            doubted.add(partition)
    return doubted


async def _is_doubted(connection: AsyncConnection, news: News, partition: int, horizon: Horizon) -> bool:
    about = await losses.held_between(connection, partition, horizon.slowest, horizon.before)
    clocks = [(partition, clock) for clock in horizon.clocks.values()]
    firing: list[tuple[str, Due | Change]] = []
    firing += await losses.firing_between(connection, clocks, horizon.slowest, horizon.before)
    changing = [each for each in news.changes if news.partition_of[each.org] == partition]
    firing += [(each.org, each) for each in changing if would_fire_by_silence(each)]
    for org, event in firing:
        last, moving = about.get(org, (0, set()))
        about[org] = (max(event.at, last), moving | {event.subject})
    for org, (last, moving) in sorted(about.items()):
        judging = (await policies.of_shards(connection, org, horizon.clocks)).values()
        debounce_ms = min((_open_debounce_ms(version) for version in judging), default=None)
        if debounce_ms is None or nearly_told_from(last, debounce_ms) < horizon.slowest:
            continue
        if await everybody.may_all_be_silent(connection, org, horizon.late, moving, many=COUNTED_AT_LEAST):
            return True
    return False


async def hold_back(
    connection: AsyncConnection, news: News, reach: Reach
) -> tuple[Sequence[Change], Sequence[HeardAgain]]:
    """Keeps what must wait for its turn: another policy, and all about an org whose heartbeats are lost, or may be.
    Answers with what can be taken in at once: changes, and after them who was heard since."""
    said: defaultdict[str, list[Held]] = defaultdict(list)
    told: list[Held] = [*news.changes, *news.heard_again, *news.in_force]
    for each in told:
        said[each.org].append(each)
    if not said:
        return [], []
    silent = {
        org: [silent_from(each) for each in of if isinstance(each, Change) and by_silence(each)]
        for org, of in said.items()
    }
    waiting = await losses.in_order(connection, {org: min(of, default=None) for org, of in silent.items()})
    waiting |= {each.org for each in news.in_force}
    versions = await policies.foremost(connection, said.keys() - waiting)
    for org, version in sorted(versions.items()):
        events = [each for each in said[org] if not isinstance(each, InForce)]
        if await _must_wait(connection, version, events, reach.horizons.get(news.partition_of[org])):
            waiting.add(org)
    held = [each for org in waiting for each in said[org]]
    if held:
        await losses.hold(connection, held, news.partition_of)
    at_once = [change for change in news.changes if change.org not in waiting]
    changed = {(change.org, change.subject): mark_of(change) for change in at_once}
    heard = [each for each in news.heard_again if each.org not in waiting]
    return at_once, [each for each in heard if mark_of(each) > changed.get((each.org, each.subject), NOTHING)]


async def _must_wait(
    connection: AsyncConnection, version: PolicyVersion, said: Sequence[Change | HeardAgain], horizon: Horizon | None
) -> bool:
    """Whether heartbeats may be lost by the time that this happened: at the earliest when somebody fires who has been
    pending for an open debounce. All of a shard that is behind by a good part of the debounce may have fallen silent
    without its having told of it; one that is behind by less hides little. Before any clock there is no `horizon`, and
    nothing is known of anybody."""
    changes = [each for each in said if isinstance(each, Change)]
    fires = any(would_fire_by_silence(change) for change in changes)
    last = max(each.at for each in said)
    if horizon is not None and last < horizon.before:
        return fires and await may_lose_some(connection, version, said, ALL_TOLD)
    open_debounce_ms = _open_debounce_ms(version)
    would_fire = last - open_debounce_ms
    pending = any(change.to_state == HealthState.PENDING_OPEN and change.at <= would_fire for change in changes)
    if not (fires or pending or await everybody.are_pending(connection, version.org, would_fire)):
        return False
    if horizon is None:
        return True
    late = horizon.behind(nearly_told_from(last, open_debounce_ms)).slower
    return await may_lose_some(connection, version, said, ALL_TOLD if late else NEARLY_TOLD, late)


async def may_lose_some(
    connection: AsyncConnection,
    version: PolicyVersion,
    said: Sequence[Event],
    times: int,
    late: Sequence[int] = (),
    before: int = 0,
) -> bool:
    """A cheap look at whether heartbeats of the org can be lost while this, and what follows from it `before` an
    instant, is taken in, when all on `late` shards may be down."""
    org = version.org
    down = await everybody.down(connection, org, late) + len(said)
    if down < COUNTED_AT_LEAST:
        return False
    window_ms = window_of(version)
    first, last = min(each.at for each in said), max([before, *(each.at for each in said)])
    silenced = await unless_unreadable(connection, lambda: everybody.silenced(connection, org, after=first, until=last))
    not_counted = (silenced or 0) + len(version.policy.overrides) + len(said)
    enough = down // times + 1 + not_counted
    matches = [override.match for override in version.policy.overrides]
    found = await everybody.well(connection, org, matches, before=first - window_ms, enough=enough, but=late)
    well = sum(number for one, number in found if rules_of(version, one).timeout_ms <= window_ms)
    if not may_lose(down, well - not_counted, times):
        return False
    return (
        await everybody.integrations_behind(connection, org, {each.subject for each in said}, late)
        >= INTEGRATIONS_AT_LEAST
    )


def _open_debounce_ms(version: PolicyVersion) -> int:
    """The shortest that somebody of the org may have."""
    overrides = [override for override in version.policy.overrides if "open_debounce_s" in override.fields]
    all_rules: list[HealthPolicy | Override] = [version.policy, *overrides]
    return 1000 * min(rules.open_debounce_s for rules in all_rules)


def rules_of(version: PolicyVersion, one: Profiled) -> Rules:
    rules = version.rules_for(one.subject or ALL_HEARTBEATS, one.integration, one.model)
    integration = integration_behind(one.subject, one.integration)
    timeout_ms = round(rules.timeout_for(one.interval_s) * 1000)
    return Rules(timeout_ms, rules.open_debounce_s * 1000, integration, version.version)


def window_of(version: PolicyVersion) -> int:
    return version.rules_for(ALL_HEARTBEATS, None, None).rollup_window_s * 1000
