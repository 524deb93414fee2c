"""The ticket policy of an org by HTTP."""

from fastapi import APIRouter

from fettle_chassis.http import Admin, Problem, Viewer, comes_first
from fettle_contracts.problems import ProblemCode
from fettle_contracts.ticket_policy import TicketPolicy
from fettle_ticket_service.adapters import orgs
from fettle_ticket_service.entrypoints.http.bodies import WantedPolicy
from fettle_ticket_service.entrypoints.http.desk import Identity, InOrg, TheDesk

router = APIRouter(prefix="/api/v1/orgs/{org}", tags=["ticket policy"], dependencies=[InOrg])


@router.get("/ticket-policy")
async def policy(caller: Viewer, desk: TheDesk) -> TicketPolicy:
    async with desk.database.reading() as connection:
        found = await orgs.policy_of(connection, caller.org)
    if found is None:
        raise _no_org()
    return found


@router.put("/ticket-policy")
async def set_policy(caller: Admin, desk: TheDesk, identity: Identity, wanted: WantedPolicy) -> TicketPolicy:
    """Replaces the policy; what the body leaves out gets the platform's default. Holds from the next command on. A
    repeat under the same Idempotency-Key gets the same answer and changes nothing."""
    async with desk.together.by_itself(caller.org) as work:
        if not await comes_first(work, caller, identity.key, "PUT ticket-policy", wanted.to_dict()):
            return wanted
        if not await orgs.set_policy(work.connection, caller.org, wanted):
            raise _no_org()
    return wanted


def _no_org() -> Problem:
    return Problem(404, ProblemCode.NOT_FOUND, "There is no such organization.")
