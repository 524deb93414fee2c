"""The OpenAPI document: the framework's, which knows paths, parameters and bodies, and what only we can say of them.

Each operation gets a summary, an example of its body and answer, and every refusal with its codes; each parameter its
meaning. An operation or parameter that nothing is said of here fails a test.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from fettle_contracts.problems import PROBLEM_TYPE, ProblemDetail
from fettle_contracts.ticket import Ticket
from fettle_contracts.ticket_policy import TicketPolicy
from fettle_ticket_service.entrypoints.http import examples as eg
from fettle_ticket_service.entrypoints.http import shapes

_REFS = "#/components/schemas/{model}"
_READING = {401: "token_missing token_invalid", 403: "forbidden", 404: "not_found", 503: "unavailable"}
_ASKING = {**_READING, 400: "malformed"}
_WRITING = {**_ASKING, 413: "too_large", 422: "idempotency_key_reused"}
_ON_TICKET = {**_WRITING, 404: "not_found ticket_not_found org_unknown"}
_MOVING = {**_ON_TICKET, 409: "wrong_state", 413: "too_large text_too_long"}


@dataclass(frozen=True, slots=True)
class About:
    """What is said of one operation. `answers`: by status what is told, of which model; `body` is an example."""

    summary: str
    refusals: Mapping[int, str]
    example: Any
    model: type[BaseModel] | None = None
    body: Any = None
    statuses: Mapping[int, str] | None = None
    media: Mapping[str, Any] = field(default_factory=dict)
    """By media type its schema, where the answer is not one JSON value."""


def _move(summary: str) -> About:
    return About(summary, _MOVING, eg.TICKET, Ticket, {"comment": "On it."})


OPERATIONS: Mapping[str, About] = {
    "get /tickets": About("List tickets", _ASKING, eg.PAGE, shapes.TicketPage),
    "post /tickets": About(
        "Open a ticket",
        {
            **_WRITING,
            400: "malformed title_empty title_too_long kind_invalid link_invalid too_many_links key_invalid",
            403: "forbidden key_reserved report_issue_disabled",
            404: "not_found org_unknown",
            413: "too_large text_too_long",
        },
        eg.TICKET,
        Ticket,
        eg.REPORT,
        {201: "The new ticket.", 200: "The ticket that has the key already, or that came back by it."},
    ),
    "get /tickets/count": About("Count tickets by state", _ASKING, eg.COUNTS, shapes.Counts),
    "get /tickets/export": About(
        "Export all tickets",
        _ASKING,
        eg.EXPORT,
        media={"application/x-ndjson": shapes.JSON_LINES, "text/csv": shapes.CSV_TABLE},
    ),
    "get /tickets/verify": About(
        "Verify all timelines", _READING, eg.VERIFIED, media={"application/x-ndjson": shapes.JSON_LINES}
    ),
    "post /tickets/verify": About(
        "Compare with what was seen elsewhere", {**_ASKING, 413: "too_large"}, eg.COMPARED, shapes.Comparison, eg.SEEN
    ),
    "post /tickets/bulk": About("Do the same to many tickets", _WRITING, eg.BULK_DONE, shapes.BulkAnswer, eg.BULK),
    "get /tickets/{number}": About("Show a ticket", _ASKING, eg.SHOWN, shapes.ShownTicket),
    "get /tickets/{number}/timeline": About("Read a ticket's timeline", _ASKING, eg.TIMELINE, shapes.TimelinePage),
    "get /tickets/{number}/checklist": About("Read a rollup's checklist", _ASKING, eg.CHECKLIST, shapes.ChecklistPage),
    "post /tickets/{number}/start": _move("Begin work on an open ticket"),
    "post /tickets/{number}/move-to-open": _move("Undo a start"),
    "post /tickets/{number}/resolve": _move("Resolve a ticket"),
    "post /tickets/{number}/reopen": _move("Bring a resolved ticket back"),
    "post /tickets/{number}/comments": About(
        "Comment on a ticket",
        {**_ON_TICKET, 400: "malformed comment_empty", 413: "too_large text_too_long"},
        eg.TICKET,
        Ticket,
        {"comment": "Called the vendor."},
    ),
    "put /tickets/{number}/description": About(
        "Replace a ticket's description",
        {**_ON_TICKET, 412: "description_changed", 413: "too_large text_too_long", 428: "precondition_missing"},
        eg.TICKET,
        Ticket,
        {"description": "Since *this morning*, on every floor."},
    ),
    "put /tickets/{number}/links": About(
        "Replace a ticket's links",
        {**_ON_TICKET, 400: "malformed link_invalid too_many_links", 412: "description_changed"},
        eg.TICKET,
        Ticket,
        {"links": eg.TICKET["links"]},
    ),
    "get /ticket-policy": About("Show the ticket policy", _READING, eg.POLICY, TicketPolicy),
    "put /ticket-policy": About("Replace the ticket policy", _WRITING, eg.POLICY, TicketPolicy, eg.POLICY),
}

PARAMETERS: Mapping[str, str] = {
    "org": "The organization; another one than the token's is not found.",
    "number": "The ticket's number in its org: 1, 2, 3 …",
    "state": "Only tickets in this state; `all` for every one.",
    "source": "Only tickets opened by people, by workflows or by the health monitor.",
    "kind": "Only tickets of this kind, such as `device_offline`.",
    "subject": "Only tickets about this subject, as `type/id`: `device/t17`.",
    "integration": "Only tickets of subjects behind this integration.",
    "space": "Only tickets in this space or under it: `oslo/hq`.",
    "q": "Part of the title, or of the subject's name or id; at least three characters, in any case.",
    "sort": "The order; with `-` the newest or highest first.",
    "cursor": "Where to go on: `next_cursor` of the page before.",
    "limit": "How many items a page has at most.",
    "format": "`jsonl` for a JSON object a line, `csv` for a table.",
    "timeline": "Whether each ticket comes with its timeline; in `jsonl` only.",
    "idempotency-key": "1 to 256 characters of the caller's own: a repeat under it gets the first answer.",
    "traceparent": "W3C Trace Context, handed on to what the request causes.",
    "if-match": '`"<description_version>"` that the editor saw, or `*` to replace any.',
}

_REFUSED = {
    400: "The request breaks a rule",
    401: "There is no token that counts",
    403: "Not the caller's to do",
    404: "There is no such thing, or not in an org of the caller",
    409: "The ticket's state does not allow it",
    412: "The text has changed since; the answer has it as it is now",
    413: "Too much text",
    422: "The key came before with another request",
    428: "The request does not say what it saw",
    503: "Something that this needs is away; `Retry-After` says when to try again",
}


def describe(app: FastAPI) -> None:
    """Makes the app's document say all of it. The document is made once, when it is first asked for."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _said(plain())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _said(document: dict[str, Any]) -> dict[str, Any]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            about = OPERATIONS[f"{method} {path.partition('{org}')[2]}"]
            operation["summary"] = about.summary
            operation.setdefault("description", f"{about.summary}.")
            for parameter in operation.get("parameters", ()):
                parameter["description"] = PARAMETERS[parameter["name"]]
            for content in operation.get("requestBody", {}).get("content", {}).values():
                content["example"] = about.body
            operation["responses"] = {**_answers(about), **_refusals(about)}
    models = {about.model for about in OPERATIONS.values() if about.model is not None} | {ProblemDetail}
    written = [(model, "serialization") for model in sorted(models, key=lambda model: model.__name__)]
    _, schemas = models_json_schema(written, ref_template=_REFS)  # type: ignore[arg-type]
    document["components"]["schemas"] |= schemas["$defs"]
    for unused in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unused, None)
    return document


def _answers(about: About) -> dict[str, Any]:
    if about.model is not None:
        schema = {"$ref": _REFS.format(model=about.model.__name__)}
        content = {"application/json": {"schema": schema, "example": about.example}}
    else:
        content = {media: {"schema": schema, "example": about.example[media]} for media, schema in about.media.items()}
    statuses = about.statuses or {200: "Done."}
    return {str(status): {"description": told, "content": content} for status, told in statuses.items()}


def _refusals(about: About) -> dict[str, Any]:
    refused = {}
    for status, codes in sorted(about.refusals.items()):
        told = f"{_REFUSED[status]}: {', '.join(f'`{code}`' for code in codes.split())}."
        example = eg.problem(status, codes.split()[-1])
        schema = {"$ref": _REFS.format(model=ProblemDetail.__name__)}
        refused[str(status)] = {"description": told, "content": {PROBLEM_TYPE: {"schema": schema, "example": example}}}
    return refused
