"""The ticket policy of an org by HTTP."""

from fastapi import APIRouter, Response

from fettle_chassis.http import Admin, Problem, Viewer, comes_first
from fettle_contracts.problems import ProblemCode
from fettle_ticket_service.adapters import orgs
from fettle_ticket_service.adapters.orgs import NumberedPolicy
from fettle_ticket_service.entrypoints.http.bodies import WantedPolicy
from fettle_ticket_service.entrypoints.http.desk import Identity, IfMatch, InOrg, TheDesk, version_in

router = APIRouter(prefix="/api/v1/orgs/{org}", tags=["ticket policy"], dependencies=[InOrg])


@router.get("/ticket-policy")
async def policy(caller: Viewer, desk: TheDesk, response: Response) -> NumberedPolicy:
    """The org's ticket policy, and how often it was changed."""
    async with desk.database.reading() as connection:
        found = await orgs.policy_of(connection, caller.org)
    return _shown(found, response)


@router.put("/ticket-policy")
async def set_policy(
    caller: Admin, desk: TheDesk, identity: Identity, wanted: WantedPolicy, response: Response, if_match: IfMatch = None
) -> NumberedPolicy:
    """Replaces the policy; what the body leaves out gets the platform's default. Holds from the next command on. 412
    when `If-Match` names an older version. A repeat under the same Idempotency-Key changes nothing and shows the policy
    as it is."""
    seen = None if if_match is None else version_in(if_match, "version")
    async with desk.together.by_itself(caller.org) as work:
        first = await comes_first(work, caller, identity.key, "PUT ticket-policy", wanted.numbered(0).to_dict(), seen)
        present = await orgs.policy_of(work.connection, caller.org, locked=True)
        if present is None or not first:
            return _shown(present, response)
        if seen not in (None, present.version):
            message = f"The policy is at version {present.version}."
            raise Problem(412, ProblemCode.STALE, message, version=present.version)
        if wanted.numbered(present.version).to_dict() == present.to_dict():
            return _shown(present, response)
        changed = wanted.numbered(present.version + 1)
        await orgs.set_policy(work.connection, caller.org, changed)
    return _shown(changed, response)


def _shown(policy: NumberedPolicy | None, response: Response) -> NumberedPolicy:
    if policy is None:
        raise _no_org()
    response.headers["ETag"] = f'"{policy.version}"'
    return policy


def _no_org() -> Problem:
    return Problem(404, ProblemCode.NOT_FOUND, "There is no such organization.")
