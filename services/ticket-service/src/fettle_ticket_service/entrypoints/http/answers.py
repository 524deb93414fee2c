"""Answers of the handler as HTTP says them."""

from collections.abc import Mapping
from typing import Any

from fastapi import Response
from pydantic_core import from_json

from fettle_chassis.http import Problem
from fettle_contracts.codes import RejectionCode
from fettle_contracts.commands import Verb
from fettle_contracts.results import Outcome
from fettle_ticket_service.asked import Answer
from fettle_ticket_service.domain.decisions import Because

STATUSES: Mapping[str, int] = {
    RejectionCode.ORG_UNKNOWN: 404,
    RejectionCode.TICKET_NOT_FOUND: 404,
    RejectionCode.WRONG_STATE: 409,
    RejectionCode.RECORD_ALTERED: 409,
    RejectionCode.KEY_RESERVED: 403,
    RejectionCode.KIND_RESERVED: 403,
    RejectionCode.REPORT_ISSUE_DISABLED: 403,
    RejectionCode.DESCRIPTION_CHANGED: 412,
    RejectionCode.TEXT_TOO_LONG: 413,
}
"""What a refusal is called in HTTP; the others are bad requests (400)."""

FIELDS: Mapping[str, str] = {
    RejectionCode.TITLE_EMPTY: "title",
    RejectionCode.TITLE_TOO_LONG: "title",
    RejectionCode.KIND_INVALID: "kind",
    RejectionCode.KIND_RESERVED: "kind",
    RejectionCode.COMMENT_EMPTY: "comment",
    RejectionCode.TOO_MANY_LINKS: "links",
    RejectionCode.LINK_INVALID: "links",
    RejectionCode.KEY_INVALID: "dedup_key",
    RejectionCode.KEY_RESERVED: "dedup_key",
    RejectionCode.DESCRIPTION_CHANGED: "description",
}

_GONE = "This request was carried out before; its ticket was removed when its time was over."
_DESCRIBES = (Verb.OPEN, Verb.EDIT_DESCRIPTION)


def response(answer: Answer) -> Response:
    """The ticket as it is after the command: 201 for a new one, 200 otherwise. Raises Problem for a rejection, and for
    a repeat when retention has removed the ticket since."""
    if answer.outcome is Outcome.REJECTED:
        raise problem(answer)
    if answer.body is None:
        raise Problem(404, RejectionCode.TICKET_NOT_FOUND, _GONE)
    reopened = answer.reason == Because.INSIDE_WINDOW
    created = answer.verb is Verb.OPEN and answer.outcome is Outcome.APPLIED and not reopened
    return Response(answer.body, 201 if created else 200, media_type="application/json")


def outcome(answer: Answer) -> dict[str, Any]:
    """What became of one of many: its state and version if there is such a ticket, and why it was refused."""
    if answer.outcome is not Outcome.REJECTED and answer.body is None:
        return {"outcome": Outcome.REJECTED, "status": 404, "code": RejectionCode.TICKET_NOT_FOUND, "detail": _GONE}
    said: dict[str, Any] = {"outcome": answer.outcome, "status": 200}
    if answer.ticket is not None:
        said |= {"state": answer.ticket.state, "version": answer.ticket.version}
    if answer.outcome is Outcome.REJECTED:
        refusal = problem(answer)
        said |= {"status": refusal.status, "code": refusal.code, "detail": refusal.message}
    return said


def problem(answer: Answer) -> Problem:
    """A rejection with its code and field; an outdated edit also gets text and links as they are now."""
    code = answer.reason
    field = FIELDS.get(code)
    if code == RejectionCode.TEXT_TOO_LONG:
        field = "description" if answer.verb in _DESCRIBES else "comment"
    present = {}
    if code == RejectionCode.DESCRIPTION_CHANGED and answer.body is not None:
        ticket = from_json(answer.body)
        present = {name: ticket[name] for name in ("description", "links", "description_version")}
    return Problem(STATUSES.get(code, 400), code, answer.message or code, field=field, **present)
