"""The same done to many tickets, each with its own outcome."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Form
from fastapi.responses import Response

from fettle_chassis.http import Problem
from fettle_console.domain.audit import BULK_ACTIONS
from fettle_console.domain.routing import Owner
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
    asked = {"action": action, "numbers": number, **({"comment": text} if text else {})}
    answer = await visit.client.send(Owner.TICKETS, "POST", "/tickets/bulk", asked, {"idempotency-key": command_id})
    outcomes = Outcomes.of(action, answer.body["items"]) if answer.ok else None
    refused = None if answer.ok else answer.refusal
    return await visit.page(
        "bulk.html", status=answer.status, outcomes=outcomes, refused=refused, command_id=str(uuid4())
    )
