"""A person starts a workflow: with a ticket, a subject, or whatever else it works with."""

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response

from fettle_console.adapters.org_client import ServiceRefused
from fettle_console.entrypoints.pages.visits import CommandId, TheOperator, Visit
from fettle_console.views.workflows import Listed

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Input:
    """What the form holds."""

    ticket: str = ""
    subject_type: str = "device"
    subject_id: str = ""
    more: str = ""

    def data(self) -> dict[str, Any] | str:
        """What the workflow knows as `event.data`, or what is wrong with the form."""
        try:
            more = json.loads(self.more) if self.more.strip() else {}
        except ValueError as error:
            return f"What else it works with is no JSON: {error}."
        if not isinstance(more, dict):
            return "What else it works with is an object, in braces."
        number = self.ticket.strip().removeprefix("#")
        if number and not number.isdecimal():
            return "A ticket has a number, like #42."
        subject = {"type": self.subject_type, "id": self.subject_id.strip()}
        return {
            **({"ticket": int(number)} if number else {}),
            **({"subject": subject} if subject["id"] else {}),
            **more,
        }


@router.get("/orgs/{org}/workflows/{name}/start")
async def start_page(name: str, visit: TheOperator, ticket: str = "", subject: str = "") -> Response:
    """The form, with a ticket (by its number) or a subject (`device/t17`) that the address names."""
    kind, _, id = subject.partition("/")
    return await _page(visit, name, Input(ticket[:20], kind or "device", id[:200]))


@router.post("/orgs/{org}/workflows/{name}/start")
async def start(
    name: str,
    visit: TheOperator,
    command_id: CommandId,
    ticket: Annotated[str, Form()] = "",
    subject_type: Annotated[str, Form()] = "device",
    subject_id: Annotated[str, Form()] = "",
    more: Annotated[str, Form()] = "",
) -> Response:
    """Starts a run and shows it; what is refused is said above the form, which stays as it was filled."""
    given = Input(ticket, subject_type, subject_id, more)
    data = given.data()
    if isinstance(data, str):
        return await _page(visit, name, given, data, 400)
    try:
        run = await visit.client.start_run(name, data, key=command_id)
    except ServiceRefused as refused:
        return await _page(visit, name, given, refused.message, refused.status)
    return RedirectResponse(f"/orgs/{visit.org}/runs/{run['id']}", 303)


async def _page(visit: Visit, name: str, given: Input, refused: str = "", status: int = 200) -> Response:
    present = await visit.client.get_workflow(name)
    return await visit.page(
        "workflow_start.html",
        status=status,
        workflow=Listed.of(present),
        by_hand="manual" in present["triggers"],
        form=asdict(given),
        refused=refused,
        command_id=str(uuid4()),
    )
