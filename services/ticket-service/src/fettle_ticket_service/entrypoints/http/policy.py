"""The ticket policy of an org by HTTP."""

import re

from fastapi import APIRouter

from fettle_chassis.http import Admin, Problem, Viewer
from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.problems import ProblemCode
from fettle_contracts.ticket_policy import TicketPolicy
from fettle_ticket_service.adapters import orgs
from fettle_ticket_service.entrypoints.http.desk import InOrg, TheDesk

router = APIRouter(prefix="/api/v1/orgs/{org}", tags=["ticket policy"], dependencies=[InOrg])


@router.get("/ticket-policy")
async def policy(caller: Viewer, desk: TheDesk) -> TicketPolicy:
    async with desk.database.reading() as connection:
        found = await orgs.policy_of(connection, caller.org)
    if found is None:
        raise _no_org()
    return found


@router.put("/ticket-policy")
async def set_policy(caller: Admin, desk: TheDesk, policy: TicketPolicy) -> TicketPolicy:
    """Replaces the policy; what the body leaves out gets the platform's default. Holds from the next command on."""
    for place, link in enumerate(policy.link_patterns):
        _check_pattern(place, link.pattern)
    async with unit_of_work(desk.database) as work:
        if not await orgs.set_policy(work.connection, caller.org, policy):
            raise _no_org()
    return policy


def _check_pattern(place: int, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        field = f"link_patterns.{place}.pattern"
        raise Problem(400, ProblemCode.MALFORMED, f"Not a regular expression: {error}.", field=field) from None


def _no_org() -> Problem:
    return Problem(404, ProblemCode.NOT_FOUND, "There is no such organization.")
