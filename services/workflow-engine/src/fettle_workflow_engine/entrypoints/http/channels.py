"""Channels by HTTP: what they are, what they hold back, and a button that tries them."""

import asyncio
from typing import Annotated, Any, Literal
from uuid import NAMESPACE_URL, uuid4, uuid5

from fastapi import APIRouter, Depends, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.answers import Answer
from fettle_chassis.http import Admin, IdempotencyKey, Problem, Viewer, keepable
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.problems import ProblemCode
from fettle_contracts.times import rfc3339
from fettle_workflow_engine.adapters import channel_rows, secret_rows
from fettle_workflow_engine.adapters.channel_rows import Traffic
from fettle_workflow_engine.adapters.notify_calls import NotifyCalls
from fettle_workflow_engine.domain.calls import Done, Retry
from fettle_workflow_engine.domain.channels import (
    NAME,
    NAME_RULE,
    RECIPIENTS_LIMIT,
    Channel,
    ChannelRefused,
    Kind,
    read_settings,
    secrets_of,
    shown,
)
from fettle_workflow_engine.domain.notifications import read_message
from fettle_workflow_engine.domain.resolve import InputFailed
from fettle_workflow_engine.domain.run import Failure
from fettle_workflow_engine.entrypoints.http import pages
from fettle_workflow_engine.entrypoints.http.desk import Desk, TheDesk
from fettle_workflow_engine.entrypoints.http.shapes import Reason
from fettle_workflow_engine.entrypoints.http.shown import response

router = APIRouter(prefix="/api/v1/orgs/{org}/channels", tags=["channels"])

CAP = 60
"""Messages an hour that a channel sends when it does not say less."""
TRIAL_S = 20.0
"""Shorter than the front waits for an answer."""
QUIET = Traffic(0, 0, None)


async def _notify(request: Request) -> NotifyCalls:
    notify: NotifyCalls = request.app.state.notify
    return notify


class ChannelBody(BaseModel):
    """What a channel is. `settings` are those of its kind; what is secret in them is named: `{"secret": "name"}`."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    settings: dict[str, Any]
    hourly_cap: Annotated[int, Field(ge=1, le=CAP)] = CAP


class NewChannelBody(ChannelBody):
    """A channel with its name."""

    name: Annotated[str, AfterValidator(keepable)]


class TrialBody(BaseModel):
    """Whom a trial of a mail channel goes to, instead of the channel's own."""

    model_config = ConfigDict(extra="forbid")

    to: Annotated[list[Annotated[str, AfterValidator(keepable)]], Field(max_length=RECIPIENTS_LIMIT)] = []


class Trial(BaseModel):
    """What became of a trial."""

    outcome: Literal["sent", "failed"]
    error: Reason | None
    refused: list[str]


@router.get("")
async def channels(
    caller: Viewer, desk: TheDesk, cursor: pages.Cursor = None, limit: pages.Limit = pages.LIMIT_DEFAULT
) -> dict[str, Any]:
    """The org's channels by name, with what each has sent within the hour and holds back."""
    after = "" if cursor is None else pages.name_of(cursor)
    async with desk.database.reading() as connection:
        found = await channel_rows.page(connection, caller.org, after, limit + 1)
        page, last = pages.cut(found, limit)
        traffic = await channel_rows.traffic(connection, caller.org, [one.name for one in page], desk.clock())
    items = [_item(one, traffic.get(one.name, QUIET)) for one in page]
    return {"items": items, "next_cursor": pages.encoded(last.name) if last else None}


@router.post("", status_code=201)
async def create(body: NewChannelBody, caller: Admin, desk: TheDesk, key: IdempotencyKey) -> Response:
    """201 with the new channel, 409 if there is one of that name."""

    async def save(work: UnitOfWork) -> Answer:
        if await channel_rows.find(work.connection, caller.org, body.name) is not None:
            message = f"There is a channel {body.name!r} already; PUT replaces it."
            raise Problem(409, ProblemCode.CONFLICT, message, field="name")
        return await _save(desk, work.connection, caller, body.name, body)

    return response(await desk.write(caller.org, key, f"POST channel {body.model_dump_json()}", save))


@router.get("/{name}")
async def channel(name: pages.Name, caller: Viewer, desk: TheDesk) -> dict[str, Any]:
    """One channel."""
    async with desk.database.reading() as connection:
        found = await channel_rows.find(connection, caller.org, name)
        if found is None:
            raise _no_such_channel()
        traffic = await channel_rows.traffic(connection, caller.org, [name], desk.clock())
    return _item(found, traffic.get(name, QUIET))


@router.put("/{name}")
async def replace(name: pages.Name, body: ChannelBody, caller: Admin, desk: TheDesk, key: IdempotencyKey) -> Response:
    """200 with the channel as it is now, 201 if there was none. What it holds back stays; a digest that could not be
    sent is tried again at once."""

    async def save(work: UnitOfWork) -> Answer:
        return await _save(desk, work.connection, caller, name, body)

    return response(await desk.write(caller.org, key, f"PUT channel {name} {body.model_dump_json()}", save))


@router.delete("/{name}", status_code=204)
async def delete(name: pages.Name, caller: Admin, desk: TheDesk, key: IdempotencyKey) -> Response:
    """What the channel holds back is not sent any more."""

    async def drop(work: UnitOfWork) -> Answer:
        if not await channel_rows.delete(work.connection, caller.org, name):
            raise _no_such_channel()
        return Answer(204, None)

    return response(await desk.write(caller.org, key, f"DELETE channel {name}", drop))


@router.post(
    "/{name}/test",
    response_model=Trial,
    responses={429: {"description": "The channel has sent what it may, or the token's requests come too fast"}},
)
async def try_out(
    name: pages.Name,
    caller: Admin,
    key: IdempotencyKey,
    notify: Annotated[NotifyCalls, Depends(_notify)],
    body: TrialBody | None = None,
) -> dict[str, Any]:
    """Sends one message now and says what became of it; it counts for the cap, and 429 says that there is no room."""
    id = uuid4() if key is None else uuid5(NAMESPACE_URL, f"fettle:{caller.org}/{name}/{key}")
    text = f"This is a test of the channel {name} of {caller.org}, by {caller.actor_id}. Nothing is wrong."
    request = {"channel": name, "text": text, "subject": f"Test of {name}", "to": body.to if body else []}
    try:
        message = read_message(id, caller.org, request)
    except InputFailed as failure:
        raise Problem(422, ProblemCode.INVALID, failure.message, field="to") from None
    found = await notify.enter(message, hold=False)
    if found is None:
        raise _no_such_channel()
    if isinstance(found, Done):
        wait = "The channel has sent what it may within the hour."
        raise Problem(429, ProblemCode.TOO_MANY, wait, headers={"Retry-After": "60"})
    try:
        async with asyncio.timeout(TRIAL_S):
            outcome = await notify.send(found, message)
    except TimeoutError:
        outcome = Retry(Failure("timeout", f"It was not sent within {TRIAL_S:.0f} s; it may have been all the same."))
    if isinstance(outcome, Done):
        return {"outcome": "sent", "error": None, "refused": outcome.output["refused"]}
    error = {"code": outcome.failure.code, "message": outcome.failure.message}
    return {"outcome": "failed", "error": error, "refused": []}


async def _save(desk: Desk, connection: AsyncConnection, caller: Any, name: str, body: ChannelBody) -> Answer:
    if not NAME.fullmatch(name):
        raise Problem(422, ProblemCode.INVALID, f"{NAME_RULE[0].upper()}{NAME_RULE[1:]}.", field="name")
    try:
        settings = read_settings(body.kind, body.settings)
    except ChannelRefused as refusal:
        raise Problem(422, ProblemCode.INVALID, f"{refusal.field}: {refusal.message}", field=refusal.field) from None
    named = dict(secrets_of(settings))
    kept = await secret_rows.sealed(connection, caller.org, named.values())
    for field, secret in named.items():
        if secret not in kept:
            message = f"The org has no secret {secret!r}."
            raise Problem(422, ProblemCode.INVALID, message, field=f"settings.{field}.secret")
    now = desk.clock()
    saved = Channel(caller.org, name, body.kind, settings, body.hourly_cap, now, caller.actor_id)
    new = await channel_rows.save(connection, saved)
    traffic = await channel_rows.traffic(connection, caller.org, [name], now)
    return Answer(201 if new else 200, _item(saved, traffic.get(name, QUIET)))


def _item(one: Channel, traffic: Traffic) -> dict[str, Any]:
    return {
        "name": one.name,
        "kind": one.kind,
        "settings": shown(one.settings),
        "hourly_cap": one.hourly_cap,
        "saved_at": rfc3339(one.saved_at),
        "saved_by": one.saved_by,
        "sent_last_hour": traffic.sent,
        "held_back": traffic.held,
        "digest_error": traffic.digest_error,
    }


def _no_such_channel() -> Problem:
    return Problem(404, ProblemCode.NOT_FOUND, "There is no such channel.")
