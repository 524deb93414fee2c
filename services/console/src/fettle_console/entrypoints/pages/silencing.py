"""Silencing a subject from any page that shows it, and ending that."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response

from fettle_console.adapters.org_client import ServiceRefused
from fettle_console.domain.origins import local_path
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
    client, why = visit.client, reason.strip() or None
    if scope == "integration":
        behind = subject.partition("/")[2]
        await client.silence_selection(length_s, integration=behind, reason=why, key=command_id)
    else:
        await client.silence_subject(subject, length_s, reason=why, key=command_id)
    return _back(visit, next)


@router.post("/orgs/{org}/unsilence")
async def unsilence(
    visit: TheOperator, command_id: CommandId, silence: Annotated[UUID, Form()], next: Next = ""
) -> Response:
    """Ends a silence now; one that is over already is as was wanted."""
    try:
        await visit.client.remove_silence(str(silence), key=command_id)
    except ServiceRefused as refused:
        if refused.status != 404:
            raise
    return _back(visit, next)


def _back(visit: Visit, path: str) -> Response:
    """To the page that was left, which shows what holds now."""
    return RedirectResponse(local_path(path) or f"/orgs/{visit.org}/health", 303)
