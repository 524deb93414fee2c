"""Silencing a ticket's subject from its page, and ending that."""

from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response

from fettle_chassis.http import Problem
from fettle_chassis.tokens import Role
from fettle_console.adapters.org_client import Answer
from fettle_console.domain.routing import Owner
from fettle_console.entrypoints.pages.visits import TheVisit, Visit
from fettle_contracts.problems import ProblemCode
from fettle_contracts.ticket import Ticket

router = APIRouter()

CommandId = Annotated[str, Form(max_length=100)]


@router.post("/orgs/{org}/tickets/{number}/silence")
async def silence(
    number: int,
    visit: TheVisit,
    command_id: CommandId,
    length_s: Annotated[int, Form()],
    reason: Annotated[str, Form()] = "",
    scope: Annotated[str, Form()] = "subject",
) -> Response:
    """Silences the ticket's subject from now on, or with the scope `integration` it and the devices behind it."""
    visit.must(Role.OPERATOR)
    ticket = Ticket.model_validate(await visit.client.get(Owner.TICKETS, f"/tickets/{number}"))
    whom = (
        {"filter": {"integration": ticket.subject.id}}
        if scope == "integration"
        else {"subject": f"{ticket.subject.type.value}/{ticket.subject.id}"}
    )
    said = {"reason": reason.strip()} if reason.strip() else {}
    asked = {**whom, **said, "length_s": length_s}
    answer = await visit.client.send(Owner.HEALTH, "POST", "/silences", asked, {"idempotency-key": command_id})
    return _back(visit, number, answer)


@router.post("/orgs/{org}/tickets/{number}/unsilence")
async def unsilence(number: int, visit: TheVisit, command_id: CommandId, silence: Annotated[UUID, Form()]) -> Response:
    """Ends a silence now; one that is over already is as was wanted."""
    visit.must(Role.OPERATOR)
    answer = await visit.client.send(
        Owner.HEALTH, "DELETE", f"/silences/{quote(str(silence))}", None, {"idempotency-key": command_id}
    )
    return _back(visit, number, answer if answer.status != 404 else Answer(204, {}))


def _back(visit: Visit, number: int, answer: Answer) -> Response:
    """To the ticket, which shows what holds now. Raises `Problem` as the health monitor put it."""
    if answer.ok:
        return RedirectResponse(f"/orgs/{visit.org}/tickets/{number}", 303)
    code = str(answer.body.get("code", ProblemCode.MALFORMED))
    raise Problem(answer.status, code, str(answer.body.get("detail", "The health monitor refused this.")))
