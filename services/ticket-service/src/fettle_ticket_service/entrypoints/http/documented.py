"""What the OpenAPI document says of tickets' operations and their parameters. One without words here fails a test."""

from collections.abc import Mapping

from fettle_chassis.documented import About, Words
from fettle_contracts.ticket import Ticket
from fettle_ticket_service.adapters.orgs import NumberedPolicy
from fettle_ticket_service.entrypoints.http import examples as eg
from fettle_ticket_service.entrypoints.http import shapes

_ALTERED = {409: "record_altered"}
_ON_TICKET = {404: "not_found ticket_not_found org_unknown", **_ALTERED}
_TOO_LONG = {413: "text_too_long"}


def _move(summary: str) -> About:
    refusals = {**_ON_TICKET, 409: "record_altered wrong_state", **_TOO_LONG}
    return About(summary, eg.TICKET, {"comment": "On it."}, refusals, Ticket)


_OPERATIONS: Mapping[str, About] = {
    "get /tickets": About("List tickets", eg.PAGE, model=shapes.TicketPage),
    "post /tickets": About(
        "Open a ticket",
        eg.TICKET,
        eg.REPORT,
        {
            400: "title_empty title_too_long kind_invalid link_invalid too_many_links key_invalid",
            403: "key_reserved kind_reserved report_issue_disabled",
            404: "org_unknown ticket_not_found",
            **_ALTERED,
            **_TOO_LONG,
        },
        Ticket,
        statuses={201: "The new ticket.", 200: "The ticket that has the key already, or that came back by it."},
    ),
    "get /tickets/count": About("Count tickets by state", eg.COUNTS, model=shapes.Counts),
    "get /tickets/export": About(
        "Export all tickets",
        eg.EXPORT,
        media={"application/x-ndjson": shapes.JSON_LINES, "text/csv": shapes.CSV_TABLE},
    ),
    "get /tickets/verify": About(
        "Verify all timelines", eg.VERIFIED, media={"application/x-ndjson": shapes.JSON_LINES}
    ),
    "post /tickets/verify": About(
        "Compare with what was seen elsewhere", eg.COMPARED, eg.SEEN, model=shapes.Comparison
    ),
    "post /tickets/bulk": About("Do the same to many tickets", eg.BULK_DONE, eg.BULK, model=shapes.BulkAnswer),
    "get /tickets/{number}": About("Show a ticket", eg.SHOWN, model=shapes.ShownTicket),
    "get /tickets/{number}/timeline": About("Read a ticket's timeline", eg.TIMELINE, model=shapes.TimelinePage),
    "get /tickets/{number}/checklist": About("Read a rollup's checklist", eg.CHECKLIST, model=shapes.ChecklistPage),
    "post /tickets/{number}/start": _move("Begin work on an open ticket"),
    "post /tickets/{number}/move-to-open": _move("Undo a start"),
    "post /tickets/{number}/resolve": _move("Resolve a ticket"),
    "post /tickets/{number}/reopen": _move("Bring a resolved ticket back"),
    "post /tickets/{number}/comments": About(
        "Comment on a ticket",
        eg.TICKET,
        {"comment": "Called the vendor."},
        {**_ON_TICKET, 400: "comment_empty", **_TOO_LONG},
        Ticket,
    ),
    "put /tickets/{number}/description": About(
        "Replace a ticket's description",
        eg.TICKET,
        {"description": "Since *this morning*, on every floor."},
        {**_ON_TICKET, 412: "description_changed", **_TOO_LONG, 428: "precondition_missing"},
        Ticket,
    ),
    "put /tickets/{number}/links": About(
        "Replace a ticket's links",
        eg.TICKET,
        {"links": eg.TICKET["links"]},
        {
            **_ON_TICKET,
            400: "link_invalid too_many_links",
            412: "description_changed",
            428: "precondition_missing",
        },
        Ticket,
    ),
    "get /ticket-policy": About("Show the ticket policy", eg.POLICY, model=NumberedPolicy),
    "put /ticket-policy": About(
        "Replace the ticket policy", eg.POLICY, eg.POLICY, {412: "stale"}, model=NumberedPolicy
    ),
}

_PARAMETERS: Mapping[str, str] = {
    "number": "The ticket's number in its org: 1, 2, 3 …",
    "state": "Only tickets in this state; `all` for every one.",
    "source": "Only tickets opened by people, by workflows or by the health monitor.",
    "kind": "Only tickets of this kind, such as `device_offline`.",
    "subject": "Only tickets about this subject, as `type/id`: `device/t17`.",
    "integration": "Only tickets of subjects behind this integration.",
    "space": "Only tickets in this space or under it: `oslo/hq`.",
    "q": "Part of the title, or of the subject's name or id; at least three characters, in any case.",
    "sort": "The order; with `-` the newest or highest first.",
    "type": "Only entries of this type.",
    "format": "`jsonl` for a JSON object a line, `csv` for a table.",
    "timeline": "Whether each ticket comes with its timeline; in `jsonl` only.",
    "if-match": "The version that the editor saw, in quotation marks, or `*` to replace any.",
}

WORDS = Words(_OPERATIONS, _PARAMETERS)
