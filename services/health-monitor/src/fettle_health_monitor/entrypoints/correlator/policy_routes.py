"""`GET` and `PUT /health-policy`."""

import re
from typing import Annotated

from fastapi import APIRouter, Header, Response

from fettle_chassis.http import Admin, IdempotencyKey, Problem, Viewer, comes_first
from fettle_chassis.tokens import Caller
from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work
from fettle_contracts.health_policy import HealthPolicy
from fettle_contracts.problems import ProblemCode
from fettle_health_monitor.adapters.correlator import policies
from fettle_health_monitor.adapters.correlator.acknowledgement import acknowledged
from fettle_health_monitor.adapters.correlator.registry import Outlasting
from fettle_health_monitor.domain.correlator.policies import Stale
from fettle_health_monitor.entrypoints.correlator.api import HealthApi
from fettle_health_monitor.entrypoints.correlator.shapes import ShownPolicy, WantedPolicy

_VERSION = re.compile(r'(?:W/)?"?([0-9]{1,9})"?')


def policy_routes(api: HealthApi) -> APIRouter:
    router = APIRouter()

    @router.get("/health-policy")
    async def show_policy(org: str, _caller: Viewer, response: Response) -> ShownPolicy:
        """The org's health policy, and the version in force in each shard."""
        return await _shown(api, org, response)

    @router.put("/health-policy", responses={202: {"model": ShownPolicy}})
    async def put_policy(
        org: str,
        wanted: WantedPolicy,
        caller: Admin,
        response: Response,
        key: IdempotencyKey,
        if_match: Annotated[str | None, Header()] = None,
    ) -> ShownPolicy:
        """Replaces the policy. 200 when every shard's log has it, 202 when that takes longer than five seconds (it will
        hold all the same); 412 when `If-Match` names an older version. A repeat under the same Idempotency-Key changes
        nothing and shows the policy as it is."""
        seen, policy, existing = _version(if_match), wanted.policy, wanted.publish_existing
        async with unit_of_work(api.database) as work:
            if await comes_first(work, caller, key, "PUT health-policy", policy.to_dict(), existing, seen):
                await _put(api, work, caller, policy, publish_existing=existing, seen=seen)
        if not await acknowledged(api.database, org, within_s=api.acknowledged_within_s):
            response.status_code = 202
        return await _shown(api, org, response)

    return router


async def _put(
    api: HealthApi, work: UnitOfWork, caller: Caller, wanted: HealthPolicy, *, publish_existing: bool, seen: int | None
) -> None:
    decided = await api.policies.put(
        work, caller.org, wanted, publish_existing=publish_existing, seen=seen, by=caller.actor_id
    )
    if decided is None:
        raise Problem(404, ProblemCode.NOT_FOUND, "There is no such org.")
    if isinstance(decided, Stale):
        present = decided.version.version
        raise Problem(412, ProblemCode.STALE, f"The policy is at version {present}.", version=present)
    if isinstance(decided, Outlasting):
        raise _silent_between(decided, wanted)


def _silent_between(found: Outlasting, wanted: HealthPolicy) -> Problem:
    message = (
        f"timeout_s {found.timeout_s} is under the interval of {found.interval_s} s that is registered for "
        f"{found.subject}: it would be silent between two heartbeats"
    )
    place = next((n for n, override in enumerate(wanted.overrides) if override.match.scope == found.scope), None)
    field = "timeout_s" if place is None else f"overrides.{place}.timeout_s"
    return Problem(400, ProblemCode.MALFORMED, message, field=field)


async def _shown(api: HealthApi, org: str, response: Response) -> ShownPolicy:
    async with api.database.reading() as connection:
        as_of = await api.as_of(connection, org)
        version = (await policies.newest(connection, {org})).get(org)
        if version is None:
            raise Problem(404, ProblemCode.NOT_FOUND, "There is no such org.")
        in_force = await policies.in_force(connection, org)
    response.headers["ETag"] = f'"{version.version}"'
    return ShownPolicy.of(version, in_force, api.partitions.shards(), as_of)


def _version(if_match: str | None) -> int | None:
    if if_match is None or if_match == "*":
        return None
    version = _VERSION.fullmatch(if_match)
    if version is None:
        raise Problem(400, ProblemCode.MALFORMED, 'must be a version such as "3"', field="If-Match")
    return int(version[1])
