"""Workflows, and what was wrong with a document, as answers show them."""

from dataclasses import asdict
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from fettle_chassis import problems
from fettle_chassis.answers import Answer
from fettle_chassis.http import Problem
from fettle_contracts.problems import ProblemCode
from fettle_contracts.times import rfc3339
from fettle_workflow_engine.adapters.workflow_rows import SavedVersion, SavedWorkflow
from fettle_workflow_engine.domain.definition import Definition
from fettle_workflow_engine.domain.difference import difference
from fettle_workflow_engine.domain.faults import DocumentRefused, Fault
from fettle_workflow_engine.domain.outline import outline
from fettle_workflow_engine.library import Changed


def item(saved: SavedWorkflow) -> dict[str, Any]:
    return {
        "workflow": saved.name,
        "title": saved.title,
        "description": saved.description,
        "enabled": saved.enabled,
        "version": saved.version,
        "triggers": list(saved.triggers),
        "saved_at": rfc3339(saved.saved_at),
        "saved_by": saved.saved_by,
        "condition_problem": saved.condition_problem,
    }


def whole(saved: SavedWorkflow) -> dict[str, Any]:
    return {**item(saved), "document": saved.document}


def version(saved: SavedVersion) -> dict[str, Any]:
    return {
        "version": saved.version,
        "saved_at": rfc3339(saved.saved_at),
        "saved_by": saved.saved_by,
        "document": saved.document,
    }


def graph(definition: Definition) -> dict[str, Any]:
    return {"workflow": definition.workflow, "nodes": [asdict(node) for node in outline(definition)]}


def response(answer: Answer) -> Response:
    return Response(status_code=answer.status) if answer.body is None else JSONResponse(answer.body, answer.status)


def refused(refusal: DocumentRefused) -> Problem:
    first, *others = refusal.faults
    more = f" There are {len(others)} more." if others else ""
    message = f"Line {first.place.line}, column {first.place.column}: {first.message}.{more}"
    faults = [_fault(fault) for fault in refusal.faults]
    return Problem(422, ProblemCode.INVALID, message, faults=faults)


def changed(change: Changed) -> Problem:
    """Why a write was not carried out: the workflow is not as its writer saw it. It says how it is now, and what the
    write would change in that."""
    present = change.present
    if present is None:
        return Problem(412, ProblemCode.STALE, "The workflow is gone; POST makes it anew.", field="If-Match")
    message = f"The workflow was saved at {rfc3339(present.saved_at)} by {present.saved_by}."
    hunks = [asdict(hunk) for hunk in difference(present.document, change.wanted)]
    return Problem(412, ProblemCode.STALE, message, field="If-Match", present=whole(present), hunks=hunks)


def _fault(fault: Fault) -> dict[str, Any]:
    return {
        "line": fault.place.line,
        "column": fault.place.column,
        "message": fault.message,
        "suggestion": fault.suggestion,
    }


def no_such_workflow() -> Problem:
    return Problem(404, ProblemCode.NOT_FOUND, "There is no such workflow.")


def no_such_version() -> Problem:
    return Problem(404, ProblemCode.NOT_FOUND, "There is no such version of such a workflow.")


async def no_such_org(_: Request, __: Exception) -> Response:
    """What becomes of `OrgGone`: a token may outlive its org by seconds."""
    return problems.response(Problem(404, ProblemCode.NOT_FOUND, "There is no such org."))
