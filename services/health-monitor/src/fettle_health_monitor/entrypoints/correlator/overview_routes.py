"""The whole fleet at a glance."""

from fastapi import APIRouter

from fettle_chassis.http import Problem, Viewer
from fettle_contracts.problems import ProblemCode
from fettle_contracts.times import to_ms
from fettle_health_monitor.adapters.correlator import overview as counts
from fettle_health_monitor.adapters.correlator import policies
from fettle_health_monitor.domain.correlator.overview import begins, blind
from fettle_health_monitor.entrypoints.correlator.api import HealthApi
from fettle_health_monitor.entrypoints.correlator.overview_shapes import Overview, overview

_HOUR_MS = 3_600_000


def overview_routes(api: HealthApi) -> APIRouter:
    router = APIRouter()

    @router.get("/overview")
    async def show_overview(org: str, _caller: Viewer, day: bool = True) -> Overview:
        """The fleet now and over the last day: subjects by state, each integration with the devices behind it, what
        changed in the last hour, and when some of it could not be observed or did not arrive. Without `day` nothing is
        counted of what changed, which takes a large fleet a good part of the time."""
        return await api.overviews.answer((org, day), lambda: _counted(api, org, day=day))

    return router


async def _counted(api: HealthApi, org: str, *, day: bool) -> Overview:
    async with api.database.reading() as connection:
        version = (await policies.newest(connection, {org})).get(org)
        if version is None:
            raise Problem(404, ProblemCode.NOT_FOUND, "There is no such org.")
        as_of = await api.as_of(connection, org)
        until = api.silences.now() if as_of is None else to_ms(as_of)
        since = begins(until)
        fleet = await counts.counted(connection, org, since=since if day else None)
        gaps = await counts.gaps(connection, org, since=since, until=until)
        lost = await counts.losses(connection, org, since=since)
        changes = await counts.changed(connection, org, since=until - _HOUR_MS) if day else ()
    return overview(
        fleet,
        until=until,
        day=day,
        switches=(version.policy.enabled, version.policy.publish_tickets),
        blind=blind(gaps),
        lost=lost,
        changes=changes,
        as_of=as_of,
    )
