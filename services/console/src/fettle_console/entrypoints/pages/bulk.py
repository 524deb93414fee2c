"""The same done to many tickets, each with its own outcome."""

from typing import Annotated, cast
from uuid import uuid4

from fastapi import APIRouter, Form
from fastapi.responses import Response

from fettle_chassis.http import Problem
from fettle_client.shapes.timelines import BulkAction
from fettle_console.adapters.org_client import ServiceRefused
from fettle_console.domain.audit import BULK_ACTIONS
from fettle_console.entrypoints.pages.visits import CommandId, TheOperator
from fettle_console.views.bulk import Outcomes
from fettle_contracts.problems import ProblemCode

router = APIRouter()


@router.post("/orgs/{org}/tickets/bulk")
async def bulk(
    visit: TheOperator,
    command_id: CommandId,
    action: Annotated[str, Form()],
    number: Annotated[list[int] | None, Form()] = None,
    comment: Annotated[str, Form()] = "",
) -> Response:
    """Carries it out on the selected tickets and shows what became of each; a comment that stands there goes along."""
    if action not in BULK_ACTIONS:
        raise Problem(400, ProblemCode.MALFORMED, "There is no such action.", field="action")
    if not number:
        raise Problem(400, ProblemCode.MALFORMED, "Select the tickets first: no ticket was.", field="number")
    text = comment.replace("\r\n", "\n").strip()
    outcomes, refused, status = None, None, 200
    try:
        done = await visit.client.act_on_tickets(cast(BulkAction, action), number, comment=text or None, key=command_id)
        outcomes = Outcomes.of(action, done)
    except ServiceRefused as refusal:
        refused, status = refusal.message, refusal.status
    return await visit.page("bulk.html", status=status, outcomes=outcomes, refused=refused, command_id=str(uuid4()))
