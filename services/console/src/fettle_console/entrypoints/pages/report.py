"""Report issue: a person opens a ticket."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response

from fettle_chassis.http import Problem
from fettle_console.adapters.org_client import ServiceRefused
from fettle_console.entrypoints.pages.ticket_list import reports_on
from fettle_console.entrypoints.pages.visits import CommandId, TheOperator, Visit
from fettle_contracts.codes import RejectionCode

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Report:
    """What the form holds."""

    title: str = ""
    subject_type: str = "device"
    subject_id: str = ""
    space: str = ""
    description: str = ""

    def command(self) -> dict[str, Any]:
        """What is asked of the ticket service. A report about nothing in particular is about what its title says."""
        subject = {"type": self.subject_type, "id": self.subject_id.strip()}
        if not subject["id"]:
            subject = {"type": "other", "id": " ".join(self.title.split())[:60] or "report"}
        return {
            "title": self.title.strip(),
            "kind": "user_report",
            "subject": subject,
            "space": self.space.strip() or None,
            "description": self.description.replace("\r\n", "\n"),
        }


@router.get("/orgs/{org}/tickets/new")
async def report_page(visit: TheOperator) -> Response:
    if not await reports_on(visit):
        raise Problem(403, RejectionCode.REPORT_ISSUE_DISABLED, RejectionCode.REPORT_ISSUE_DISABLED.meaning)
    return await _page(visit, Report())


@router.post("/orgs/{org}/tickets/new")
async def report(
    visit: TheOperator,
    command_id: CommandId,
    title: Annotated[str, Form()] = "",
    subject_type: Annotated[str, Form()] = "device",
    subject_id: Annotated[str, Form()] = "",
    space: Annotated[str, Form()] = "",
    description: Annotated[str, Form()] = "",
) -> Response:
    filled = Report(title, subject_type, subject_id, space, description)
    try:
        opened = await visit.client.open_ticket(**filled.command(), key=command_id)
    except ServiceRefused as refused:
        return await _page(visit, filled, refused.status, refused.message)
    return RedirectResponse(f"/orgs/{visit.org}/tickets/{opened['number']}", 303)


async def _page(visit: Visit, filled: Report, status: int = 200, refused: str | None = None) -> Response:
    return await visit.page("report.html", status=status, form=asdict(filled), refused=refused, command_id=str(uuid4()))
