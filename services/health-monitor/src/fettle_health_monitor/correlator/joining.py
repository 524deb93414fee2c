"""How many devices a ticket about many is about: those on its list, and those that are about to be."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.transitions import HealthState
from fettle_health_monitor.adapters.correlator import policies, progress, rollups, standings, unwell, watches
from fettle_health_monitor.adapters.correlator.live import Key
from fettle_health_monitor.correlator.silencing import Silencing
from fettle_health_monitor.domain.correlator.early_resolve import Standing
from fettle_health_monitor.domain.correlator.rollups import MANY, integration_named
from fettle_health_monitor.domain.correlator.watches import Watch, WatchKind

_OPEN_STILL = (HealthState.PENDING_OPEN, HealthState.UNKNOWN, None)


async def about_to_join(connection: AsyncConnection, silencing: Silencing, at: Mapping[Key, int]) -> dict[Key, int]:
    """How many devices behind these integrations are about to fire at these instants, or wait for the ticket, and are
    not silenced."""
    found = await unwell.about_to_join(connection, at)
    keys = {(org, subject) for (org, _), subjects in found.items() for subject in subjects}
    await silencing.read_of(connection, keys, at.values())
    return {
        key: sum(not silencing.is_silenced((key[0], subject), at[key]) for subject in subjects)
        for key, subjects in found.items()
    }


async def listed_down(connection: AsyncConnection, silencing: Silencing, org: str, integration: str, at: int) -> int:
    """How many are down on the list of the ticket about many behind this integration, and are not silenced. Those on a
    list that the integration's own ticket has taken over are that one's."""
    listed = await rollups.members(connection, org, integration)
    on_list = [one for one in listed if one.parent.condition == MANY and not one.recovered]
    await silencing.read_of(connection, {(org, one.member.subject) for one in on_list}, [at])
    return len(silencing.unsilenced(org, on_list, at))


async def standing_of_many(connection: AsyncConnection, partition: int, org: str, integration: str) -> Standing | None:
    """How the devices stand that a ticket about many is about: firing while they are as many as it asks for, silenced
    ones left aside. None for an org without a policy, or while no shard has shown a clock."""
    version = (await policies.foremost(connection, {org})).get(org)
    clock = await progress.slowest_moving(connection, partition)
    if version is None or clock is None:
        return None
    rules, key = version.rules_for(integration, integration_named(integration), None), (org, integration)
    silencing = Silencing()
    down = await listed_down(connection, silencing, org, integration, clock.at)
    down += (await about_to_join(connection, silencing, {key: clock.at})).get(key, 0)
    return Standing(
        subject=integration,
        state=HealthState.FIRING if down >= rules.rollup_threshold else HealthState.HEALTHY,
        condition=MANY,
        shard=clock,
        switches=version.switches,
        open_debounce_s=rules.open_debounce_s,
    )


async def watch_left_alone(
    connection: AsyncConnection, partition: int, org: str, integration: str, *, cause: UUID, at: int
) -> None:
    """Begins watches over those lists of the integration's own tickets that nobody looks at any more, by what has
    happened at this instant; none while it is open whether the integration fires, or nothing is published."""
    lists = sorted(await rollups.left_alone(connection, {(org, integration)}))
    standing = await standings.of(connection, partition, org, integration) if lists else None
    if standing is None or standing.state in _OPEN_STILL or not standing.switches.publish_tickets:
        return
    begun = [
        Watch.begin(
            WatchKind.LEFT_ALONE,
            cause=cause,
            org=org,
            subject=integration,
            condition=condition,
            shard=standing.shard,
            since_at=at,
            lasting_ms=0,
            runs=standing.switches.enabled,
        )
        for _, _, condition in lists
    ]
    await watches.begin(connection, begun, {org: partition})


async def watch_few_left(
    connection: AsyncConnection, partition: int, org: str, integration: str, *, cause: UUID, at: int
) -> None:
    """Begins a watch over a list that became few while nobody joined or left it, by a silence or by a policy, and whose
    ticket has just ended by other hands than the monitor's, from this instant on or from how far the shards have come.
    None where nobody is down, nothing is published, or one runs."""
    version = (await policies.foremost(connection, {org})).get(org)
    clock = await progress.slowest_moving(connection, partition)
    if version is None or clock is None or not version.policy.publish_tickets:
        return
    listed = await rollups.members(connection, org, integration)
    if not any(one.parent.condition == MANY and not one.recovered for one in listed):
        return
    if await watches.running(connection, WatchKind.FEW_LEFT, {(org, integration)}):
        return
    few = Watch.begin(
        WatchKind.FEW_LEFT,
        cause=cause,
        org=org,
        subject=integration,
        condition=MANY,
        shard=clock,
        since_at=at,
        lasting_ms=version.rules_for(integration, integration_named(integration), None).resolve_debounce_s * 1000,
        runs=version.policy.enabled,
    )
    await watches.begin(connection, [few], {org: partition})
