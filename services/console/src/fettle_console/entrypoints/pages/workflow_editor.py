"""Writing the document of a workflow: checked and saved as the API does it, with every fault at its place."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response

from fettle_chassis.http import Problem
from fettle_console.adapters.org_client import ServiceRefused
from fettle_console.entrypoints.pages.rendering import page
from fettle_console.entrypoints.pages.visits import CommandId, TheAdmin, Visit
from fettle_console.entrypoints.pages.workflow_page import as_seen, page_of, saver_of
from fettle_console.views.differences import Difference
from fettle_console.views.faults import Fault, faults_of
from fettle_console.views.graph import Graph
from fettle_contracts.problems import ProblemCode

router = APIRouter()

_FIRST = """\
workflow: first-hint
title: First hint
enabled: false
nodes:
  opened:
    trigger: ticket.opened
    where: event.ticket.source == "user"
  thanks:
    after: [opened]
    action: ticket.comment
    with:
      ticket: {ref: event.ticket.id}
      text: Thank you. Somebody looks into it.
"""

Document = Annotated[str, Form()]


@dataclass(frozen=True, slots=True)
class _Said:
    """What is said of a text that was sent: all is well, with its graph, or it was refused, and by which faults.
    `present` is what somebody else has saved meanwhile, and `changes` what saving the text would change in that."""

    well: str = ""
    refused: str = ""
    faults: Sequence[Fault] = ()
    graph: Graph | None = None
    present: str = ""
    changes: Difference | None = None


@router.get("/orgs/{org}/new-workflow")
async def begin(visit: TheAdmin) -> Response:
    """The editor with a small workflow to begin with."""
    return await _editor(visit, None, _FIRST, "")


@router.post("/orgs/{org}/new-workflow")
async def create(
    visit: TheAdmin, command_id: CommandId, document: Document, action: Annotated[str, Form()]
) -> Response:
    """Checks the document, or saves it as a new workflow, whose name it says."""
    text = _text(document)
    if action == "check":
        said, status = await _checked(visit, None, text)
        return await _editor(visit, None, text, "", said, status)
    try:
        saved = await visit.client.create_workflow(text, key=command_id)
    except ServiceRefused as refused:
        return await _editor(visit, None, text, "", _refused(refused, text), refused.status)
    return RedirectResponse(page_of(visit, saved["workflow"]), 303)


@router.get("/orgs/{org}/workflows/{name}/edit")
async def edit(name: str, visit: TheAdmin) -> Response:
    """The editor with the document as it is."""
    present = await visit.client.get_workflow(name)
    return await _editor(visit, name, present["document"], present["saved_at"])


@router.post("/orgs/{org}/workflows/{name}/edit")
async def replace(
    name: str,
    visit: TheAdmin,
    command_id: CommandId,
    document: Document,
    action: Annotated[str, Form()],
    base: Annotated[str, Form()] = "",
) -> Response:
    """Checks the document, or saves it if the workflow is still the one that was saved at `base`; otherwise shows who
    has saved it meanwhile, and what this text would change in that."""
    text = _text(document)
    if action == "check":
        said, status = await _checked(visit, name, text)
        return await _editor(visit, name, text, base, said, status)
    try:
        await visit.client.put_workflow(name, text, saved_at=as_seen(base), key=command_id)
    except ServiceRefused as refused:
        if refused.status == 412:
            return await _changed(visit, name, text, refused)
        return await _editor(visit, name, text, base, _refused(refused, text), refused.status)
    return RedirectResponse(page_of(visit, name), 303)


@router.post("/orgs/{org}/workflows/{name}/remove")
async def remove(name: str, visit: TheAdmin, command_id: CommandId, base: Annotated[str, Form()] = "") -> Response:
    """Removes the workflow if it is still the one that was saved at `base`; its runs that have begun go on."""
    try:
        await visit.client.remove_workflow(name, saved_at=as_seen(base), key=command_id)
    except ServiceRefused as refused:
        if refused.status != 412:
            raise
        present = refused.body["present"]
        said = _Said(refused=f"{await saver_of(visit, present)} has saved it meanwhile: nothing was removed.")
        return await _editor(visit, name, present["document"], present["saved_at"], said, 412)
    return RedirectResponse(f"/orgs/{visit.org}/workflows", 303)


@router.post("/orgs/{org}/workflow-check")
async def check(visit: TheAdmin, document: Annotated[str, Form()] = "", of: str = "") -> Response:
    """A piece of a page: what is said of the document while somebody writes it, as that of the workflow `of`."""
    said, _ = await _checked(visit, of or None, document.replace("\r\n", "\n"))
    return page("_checked.html", {"said": said})


async def _checked(visit: Visit, name: str | None, text: str) -> tuple[_Said, int]:
    """What a save would say, and the status that goes with it."""
    try:
        found = await visit.client.check_workflow(text)
    except ServiceRefused as refused:
        return _refused(refused, text), refused.status
    named, graph = found["workflow"], Graph.of(found["nodes"])
    if name is not None and named != name:
        other = f"The document is of {named}, this page of {name}: it could be saved as a workflow anew."
        return _Said(refused=other, graph=graph), 422
    return _Said(well="No faults: this could be saved.", graph=graph), 200


async def _editor(
    visit: Visit, name: str | None, text: str, base: str, said: _Said | None = None, status: int = 200
) -> Response:
    return await visit.page(
        "workflow_edit.html",
        status=status,
        name=name,
        text=text,
        base=base,
        said=said or _Said(),
        command_id=str(uuid4()),
    )


async def _changed(visit: Visit, name: str, text: str, refused: ServiceRefused) -> Response:
    """The editor with what was typed, beside what somebody else has done meanwhile. Saved again, it replaces that."""
    present = refused.body.get("present")
    if present is None:
        said = _Said(refused=f"Somebody has removed {name} meanwhile. Saving makes a workflow of this text anew.")
        return await _editor(visit, None, text, "", said, 412)
    said = _Said(
        refused=f"{await saver_of(visit, present)} has saved it meanwhile. It stands below, saving again replaces it.",
        present=present["document"],
        changes=Difference.of_hunks(refused.body["hunks"]),
    )
    return await _editor(visit, name, text, present["saved_at"], said, 412)


def _text(document: str) -> str:
    if not document.strip():
        raise Problem(400, ProblemCode.MALFORMED, "There is no document in it.", field="document")
    return document.replace("\r\n", "\n")


def _refused(refused: ServiceRefused, text: str) -> _Said:
    faults = faults_of(refused.body, text)
    if not faults:
        return _Said(refused=refused.message)
    count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
    return _Said(refused=f"It has {count}; with that it cannot be saved.", faults=faults)
