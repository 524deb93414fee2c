"""Opening, moving and editing tickets by HTTP."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response

from fettle_chassis.http import Operator, Problem
from fettle_chassis.tokens import Caller
from fettle_contracts.problems import ProblemCode
from fettle_ticket_service.domain import commands
from fettle_ticket_service.domain.values import TicketRef
from fettle_ticket_service.entrypoints.http.answers import outcome, response
from fettle_ticket_service.entrypoints.http.bodies import (
    BulkAction,
    BulkBody,
    CommentBody,
    DescriptionBody,
    LinksBody,
    MoveBody,
    OpenBody,
)
from fettle_ticket_service.entrypoints.http.desk import (
    Desk,
    Identity,
    IfMatch,
    InOrg,
    Number,
    RequestIdentity,
    TheDesk,
    actor_of,
    version_in,
)
from fettle_ticket_service.entrypoints.translation import links_of, space_of, subject_of

router = APIRouter(prefix="/api/v1/orgs/{org}/tickets", tags=["tickets"], dependencies=[InOrg])

_MOVES: Mapping[BulkAction, type[commands.Move]] = {
    BulkAction.START: commands.Start,
    BulkAction.MOVE_TO_OPEN: commands.MoveToOpen,
    BulkAction.RESOLVE: commands.Resolve,
    BulkAction.REOPEN: commands.Reopen,
}


@router.post("")
async def open_ticket(caller: Operator, desk: TheDesk, identity: Identity, body: OpenBody) -> Response:
    """201 with the new ticket, 200 with the one that has the key already or came back by it."""
    command = commands.Open(
        actor=actor_of(caller),
        title=body.title,
        kind=body.kind,
        subject=subject_of(body.subject),
        space=space_of(body.space),
        description=body.description,
        links=links_of(body.links),
        dedup_key=body.dedup_key,
    )
    return response(await desk.ask(caller, identity, command))


@router.post("/bulk")
async def bulk(caller: Operator, desk: TheDesk, identity: Identity, body: BulkBody) -> dict[str, list[dict[str, Any]]]:
    """The same done to up to 200 tickets, in the order given; one that is named twice is met twice. `items` has each
    ticket's own outcome: `applied`, `unchanged`, or `rejected` with the problem that it would be alone."""
    answers = await desk.ask_each(caller, identity, _bulk_command(caller, body), [max(n, 0) for n in body.numbers])
    pairs = zip(body.numbers, answers, strict=True)
    return {"items": [{"number": number, **outcome(answer)} for number, answer in pairs]}


@router.post("/{number}/start")
async def start(
    number: Number, caller: Operator, desk: TheDesk, identity: Identity, body: MoveBody | None = None
) -> Response:
    return await _move(desk, caller, identity, number, commands.Start, body)


@router.post("/{number}/move-to-open")
async def move_to_open(
    number: Number, caller: Operator, desk: TheDesk, identity: Identity, body: MoveBody | None = None
) -> Response:
    return await _move(desk, caller, identity, number, commands.MoveToOpen, body)


@router.post("/{number}/resolve")
async def resolve(
    number: Number, caller: Operator, desk: TheDesk, identity: Identity, body: MoveBody | None = None
) -> Response:
    return await _move(desk, caller, identity, number, commands.Resolve, body)


@router.post("/{number}/reopen")
async def reopen(
    number: Number, caller: Operator, desk: TheDesk, identity: Identity, body: MoveBody | None = None
) -> Response:
    return await _move(desk, caller, identity, number, commands.Reopen, body)


@router.post("/{number}/comments")
async def comment(number: Number, caller: Operator, desk: TheDesk, identity: Identity, body: CommentBody) -> Response:
    command = commands.Comment(actor=actor_of(caller), text=body.comment)
    return response(await desk.ask(caller, identity, command, TicketRef(number=number)))


@router.put("/{number}/description")
async def edit_description(
    number: Number,
    caller: Operator,
    desk: TheDesk,
    identity: Identity,
    body: DescriptionBody,
    if_match: IfMatch = None,
) -> Response:
    """`If-Match` names the version that the editor saw, or `*` to replace any; 412 carries the text as it is now."""
    command = commands.EditDescription(
        actor=actor_of(caller), description=body.description, description_version=_seen(if_match)
    )
    return response(await desk.ask(caller, identity, command, TicketRef(number=number)))


@router.put("/{number}/links")
async def set_links(
    number: Number,
    caller: Operator,
    desk: TheDesk,
    identity: Identity,
    body: LinksBody,
    if_match: IfMatch = None,
) -> Response:
    """Replaces all links; `If-Match` as for the description, whose version it is."""
    command = commands.SetLinks(actor=actor_of(caller), links=links_of(body.links), description_version=_seen(if_match))
    return response(await desk.ask(caller, identity, command, TicketRef(number=number)))


def _bulk_command(caller: Caller, body: BulkBody) -> commands.Command:
    actor = actor_of(caller)
    if body.action is BulkAction.COMMENT:
        return commands.Comment(actor=actor, text=body.comment or "")
    return _MOVES[body.action](actor=actor, comment=body.comment)


async def _move(
    desk: Desk,
    caller: Caller,
    identity: RequestIdentity,
    number: int,
    verb: type[commands.Move],
    body: MoveBody | None,
) -> Response:
    command = verb(actor=actor_of(caller), comment=None if body is None else body.comment)
    return response(await desk.ask(caller, identity, command, TicketRef(number=number)))


def _seen(if_match: str | None) -> int | None:
    """The version in `If-Match`, None for any. Raises Problem."""
    if if_match is None:
        rule = 'The request needs If-Match: "<description_version>", so that nobody\'s edit is lost.'
        raise Problem(428, ProblemCode.PRECONDITION_MISSING, rule, field="If-Match")
    return version_in(if_match, "description_version")
