"""Lists, single tickets, timelines and counts by HTTP."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from msgspec.structs import asdict
from pydantic import BeforeValidator

from fettle_chassis.http import Problem, Viewer
from fettle_contracts.identity import SubjectRef
from fettle_contracts.problems import ProblemCode
from fettle_contracts.ticket import TicketSource, TicketState
from fettle_ticket_service.adapters import orgs
from fettle_ticket_service.adapters.checklists import members_after
from fettle_ticket_service.adapters.exports import Format, export
from fettle_ticket_service.adapters.list_statements import Sort
from fettle_ticket_service.adapters.ticket_lists import SEARCH_MIN_CHARACTERS, Listed, Wanted, list_tickets
from fettle_ticket_service.adapters.timelines import Seldom, children_of, seldom_entries, ticket_numbered, timeline
from fettle_ticket_service.adapters.wire import Wire, line_json, member_json
from fettle_ticket_service.domain.ticket import Ticket
from fettle_ticket_service.entrypoints.http.desk import Exporting, InOrg, TheDesk
from fettle_ticket_service.entrypoints.http.pages import (
    LIMIT_DEFAULT,
    Filter,
    Limit,
    cursor_of,
    number_cursor_of,
    number_of,
    place_of,
)
from fettle_ticket_service.entrypoints.http.streamed import Streamed

CHILDREN_LIMIT = 100

router = APIRouter(prefix="/api/v1/orgs/{org}/tickets", tags=["tickets"], dependencies=[InOrg])

States = Literal["open", "in_progress", "resolved", "all"]
Source = Annotated[TicketSource | None, BeforeValidator(lambda given: given or None)]
"""What is empty is no filter."""
Order = Literal["opened", "-opened", "updated", "-updated", "number", "-number"]
"""`-` is newest or highest first."""
EntryOrder = Literal["version", "-version"]


@router.get("")
async def tickets(
    caller: Viewer,
    desk: TheDesk,
    state: States = "open",
    source: Source = None,
    kind: Filter = None,
    subject: Filter = None,
    integration: Filter = None,
    space: Filter = None,
    q: Filter = None,
    sort: Order = "-opened",
    cursor: Filter = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Tickets with their latest entry and without their description, which the ticket itself has."""
    wanted = Wanted(
        states=tuple(TicketState) if state == "all" else (TicketState(state),),
        source=source,
        kind=kind,
        subject=None if subject is None else _subject(subject),
        integration=integration,
        space=(space or "").rstrip("/") or None,
        search=None if q is None or not q.strip() else _search(q.strip()),
        sort=Sort(sort.removeprefix("-")),
        ascending=not sort.startswith("-"),
    )
    after = None if cursor is None else place_of(cursor, wanted.sort)
    async with desk.database.snapshot() as connection:
        found = await list_tickets(connection, caller.org, wanted, after, limit + 1)
    items, more = found[:limit], len(found) > limit
    return {
        "items": [_item(desk.wire, caller.org, listed) for listed in items],
        "next_cursor": cursor_of(wanted.sort, items[-1].place(wanted.sort)) if more else None,
    }


@router.get("/count")
async def count(caller: Viewer, desk: TheDesk, state: Annotated[States, Query()] = "all") -> dict[TicketState, int]:
    """How many tickets there are, by state; kept, not counted."""
    async with desk.database.reading() as connection:
        counts = await orgs.counts_of(connection, caller.org)
    if counts is None:
        raise Problem(404, ProblemCode.NOT_FOUND, "There is no such organization.")
    return {of: number for of, number in counts.items() if state in ("all", of)}


@router.get("/export", response_class=Streamed, dependencies=[Exporting])
async def export_tickets(
    caller: Viewer, desk: TheDesk, format: Format = Format.JSONL, timeline: bool = False
) -> Streamed:
    """All tickets by number, as JSON Lines (each as the ticket itself with all members of its checklist, the `hash` of
    its latest entry and, if asked for, its `timeline`) or as a table in CSV. Whoever follows `ticket.events` from then
    on passes over what is not newer than `version`."""
    pieces = export(desk.database, caller.org, format, desk.wire.url(caller.org, ""), timeline=timeline)
    kind = "text/csv; charset=utf-8; header=present" if format is Format.CSV else "application/x-ndjson"
    name = f"attachment; filename=tickets-{caller.org}.{format}"
    return Streamed(pieces, media_type=kind, headers={"Content-Disposition": name})


@router.get("/{number}")
async def ticket(number: int, caller: Viewer, desk: TheDesk) -> dict[str, Any]:
    """The ticket with the first members of its checklist and the first of its `children`, the tickets whose parent it
    is; `more_children` tells whether there are others."""
    async with desk.database.reading() as connection:
        found = _found(await ticket_numbered(connection, caller.org, number))
        children = await children_of(connection, found.id, CHILDREN_LIMIT + 1)
    shown = [asdict(child) for child in children[:CHILDREN_LIMIT]]
    return {**desk.wire.ticket(caller.org, found), "children": shown, "more_children": len(children) > CHILDREN_LIMIT}


@router.get("/{number}/checklist")
async def ticket_checklist(
    number: int, caller: Viewer, desk: TheDesk, cursor: Filter = None, limit: Limit = LIMIT_DEFAULT
) -> dict[str, Any]:
    """Members of a rollup in the order of joining; `total` and `recovered` count all of them."""
    after = 0 if cursor is None else number_of(cursor)
    async with desk.database.reading() as connection:
        found = _found(await ticket_numbered(connection, caller.org, number))
        members = await members_after(connection, found.id, after, limit + 1)
    items, more = members[:limit], len(members) > limit
    return {
        "total": found.checklist.total,
        "recovered": found.checklist.recovered,
        "items": [member_json(member) for member in items],
        "next_cursor": number_cursor_of(items[-1].place) if more else None,
    }


@router.get("/{number}/timeline")
async def ticket_timeline(
    number: int,
    caller: Viewer,
    desk: TheDesk,
    type: Seldom | None = None,
    sort: EntryOrder = "version",
    cursor: Filter = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Entries, oldest first unless `sort` says otherwise."""
    back = sort.startswith("-")
    behind = None if cursor is None else number_of(cursor, backwards=back)
    async with desk.database.reading() as connection:
        found = _found(await ticket_numbered(connection, caller.org, number))
        if type is None:
            lines = await timeline(connection, found.id, behind, limit + 1, newest_first=back)
        else:
            lines = await seldom_entries(connection, found.id, type, behind, limit + 1, newest_first=back)
    items, more = lines[:limit], len(lines) > limit
    return {
        "items": [line_json(line) for line in items],
        "next_cursor": number_cursor_of(items[-1].version, backwards=back) if more else None,
    }


def _item(wire: Wire, org: str, listed: Listed) -> dict[str, Any]:
    item = wire.ticket(org, listed.ticket)
    del item["description"]
    return {**item, "latest_entry": line_json(listed.latest)}


def _found(ticket: Ticket | None) -> Ticket:
    if ticket is None:
        raise Problem(404, ProblemCode.NOT_FOUND, "There is no such ticket.")
    return ticket


def _subject(text: str) -> SubjectRef:
    try:
        return SubjectRef.parse(text)
    except ValueError as error:
        raise Problem(400, ProblemCode.MALFORMED, f"{error}.", field="subject") from None


def _search(text: str) -> str:
    if len(text) < SEARCH_MIN_CHARACTERS:
        rule = f"A search has at least {SEARCH_MIN_CHARACTERS} characters."
        raise Problem(400, ProblemCode.MALFORMED, rule, field="q")
    return text
