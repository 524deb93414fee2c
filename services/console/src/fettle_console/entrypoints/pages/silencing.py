"""Silencing a subject from any page that shows it, and ending that."""

from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response

from fettle_console.domain.origins import local_path
from fettle_console.domain.routing import Owner
from fettle_console.entrypoints.pages.visits import CommandId, TheOperator, Visit

router = APIRouter()

Next = Annotated[str, Form(max_length=2000)]
"""The page that the form stands on, to go back to."""


@router.post("/orgs/{org}/silence")
async def silence(
    visit: TheOperator,
    command_id: CommandId,
    subject: Annotated[str, Form()],
    length_s: Annotated[int, Form()],
    reason: Annotated[str, Form()] = "",
    scope: Annotated[str, Form()] = "subject",
    next: Next = "",
) -> Response:
    """Silences the subject (`type/id`) from now on, or with the scope `integration` it and the devices behind it."""
    integration = subject.partition("/")[2]
    whom = {"filter": {"integration": integration}} if scope == "integration" else {"subject": subject}
    said = {"reason": reason.strip()} if reason.strip() else {}
    asked = {**whom, **said, "length_s": length_s}
    answer = await visit.client.send(Owner.HEALTH, "POST", "/silences", asked, {"idempotency-key": command_id})
    answer.accepted()
    return _back(visit, next)


@router.post("/orgs/{org}/unsilence")
async def unsilence(
    visit: TheOperator, command_id: CommandId, silence: Annotated[UUID, Form()], next: Next = ""
) -> Response:
    """Ends a silence now; one that is over already is as was wanted."""
    answer = await visit.client.send(
        Owner.HEALTH, "DELETE", f"/silences/{quote(str(silence))}", None, {"idempotency-key": command_id}
    )
    if answer.status != 404:
        answer.accepted()
    return _back(visit, next)


def _back(visit: Visit, path: str) -> Response:
    """To the page that was left, which shows what holds now."""
    return RedirectResponse(local_path(path) or f"/orgs/{visit.org}/health", 303)
