"""A ticket about many devices that was not merged after all keeps its list, and its end."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_health_monitor.adapters.correlator import incidents, policies, progress, rollups, watches
from fettle_health_monitor.correlator.joining import listed_down
from fettle_health_monitor.correlator.silencing import Silencing
from fettle_health_monitor.domain.correlator.incident import Incident
from fettle_health_monitor.domain.correlator.rollups import MANY, integration_named
from fettle_health_monitor.domain.correlator.watches import Watch, WatchKind


async def not_taken_over(connection: AsyncConnection, partition: int, org: str, integration: str, merge: UUID) -> None:
    """The ticket service has refused command `merge`, by which the integration's own ticket was to take over the one
    about many devices, and that is known by now. While it is open its list is its own again, and is looked at when few
    have been down for the resolve debounce from now on."""
    many = (await incidents.of_subjects(connection, {(org, integration)})).get((org, integration, MANY), Incident())
    if not many.surely_open:
        return
    await rollups.move_back(connection, org, integration)
    clock = await progress.slowest_moving(connection, partition)
    version = None if clock is None else (await policies.of_shards(connection, org, {clock.shard})).get(clock.shard)
    if version is None or clock is None:
        return
    rules = version.rules_for(integration, integration_named(integration), None)
    if await listed_down(connection, Silencing(), org, integration, clock.at) >= rules.rollup_threshold:
        return
    few = Watch.begin(
        WatchKind.FEW_LEFT,
        cause=merge,
        org=org,
        subject=integration,
        condition=MANY,
        shard=clock,
        since_at=0,
        lasting_ms=rules.resolve_debounce_s * 1000,
        runs=version.policy.enabled,
    )
    await watches.begin(connection, [few], {org: partition})
