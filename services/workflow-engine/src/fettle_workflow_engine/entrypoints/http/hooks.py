"""Hooks by HTTP: other systems knock without a token, with a signature or a secret; admins make the secrets."""

import secrets
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID, uuid5

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field
from uuid_utils.compat import uuid7

from fettle_chassis.answers import Answer
from fettle_chassis.http import Admin, IdempotencyKey, Problem, comes_first
from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work
from fettle_contracts.causation import DEPTH_HEADER, depth_of
from fettle_contracts.hooks import NO_SUCH_HOOK
from fettle_contracts.message import Message, Unreadable
from fettle_contracts.problems import ProblemCode
from fettle_contracts.times import Instant
from fettle_workflow_engine import metrics
from fettle_workflow_engine.adapters.hook_rows import HookSecret
from fettle_workflow_engine.domain.hooks import Refusal
from fettle_workflow_engine.domain.json_objects import NoObject
from fettle_workflow_engine.domain.run import Run
from fettle_workflow_engine.entrypoints.http import pages
from fettle_workflow_engine.entrypoints.http.desk import TheDesk
from fettle_workflow_engine.entrypoints.http.shown import no_such_workflow
from fettle_workflow_engine.entrypoints.signals import hook_event, signal_of
from fettle_workflow_engine.hooking import Hooks
from fettle_workflow_engine.starting import Asked, NotStarted, by_hook

router = APIRouter(prefix="/api/v1/orgs/{org}/workflows/{name}/hook", tags=["hooks"])

ROTATION_S, LONGEST_ROTATION_S = 86_400, 30 * 86_400
ID_LIMIT = 256


async def _hooks(request: Request) -> Hooks:
    hooks: Hooks = request.app.state.hooks
    return hooks


TheHooks = Annotated[Hooks, Depends(_hooks)]


class NewSecret(Message):
    """`old_holds_s`: how long the secret before this one still holds, in seconds (a day); 0: not any more."""

    old_holds_s: int = Field(default=ROTATION_S, ge=0, le=LONGEST_ROTATION_S)


class SecretView(Message):
    """A secret of the hook without its text. Not `usable`: the key that it came from is gone, make another one."""

    id: str
    made_at: Instant
    made_by: str
    ends_at: Instant | None
    usable: bool


class MadeSecret(SecretView):
    """A new secret with its text, this once."""

    secret: str


class HookView(Message):
    """Where to post, and the secrets that hold, the newest first."""

    path: str
    secrets: tuple[SecretView, ...]


class Knocked(Message):
    """What a request to a hook came to: the run that it started, or why it started none."""

    run: str | None
    reason: NotStarted | None


@router.post(
    "",
    status_code=202,
    response_model=Knocked,
    openapi_extra={
        "parameters": [
            {"name": header, "in": "header", "schema": {"type": "string"}}
            for header in ("fettle-hook-secret", "idempotency-key", DEPTH_HEADER)
        ],
        "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
    },
)
async def knock(org: str, name: pages.Name, request: Request, desk: TheDesk, hooks: TheHooks) -> Response:
    """Start the workflow by a signal. There is no token; the request is signed after Standard Webhooks (`webhook-id`,
    `webhook-timestamp`, `webhook-signature`) or as GitHub does (`X-Hub-Signature-256`), or carries the hook's secret in
    `Fettle-Hook-Secret`. The body is a JSON object, or a CloudEvent whose data is one, of at most 256 KiB.

    202 with the run, also when none was started, and why. A repeat of the same `webhook-id` (or `Idempotency-Key`, or
    GitHub's delivery) gets the first answer and starts nothing. 401 for whoever does not have the secret, be there such
    a hook or not."""
    headers, body = dict(request.headers), await request.body()
    judged = await hooks.examine(org, name, headers, body)
    if isinstance(judged, Refusal):
        metrics.HOOKS.labels(judged).inc()
        raise _refused(judged)
    id = judged.id or headers.get("ce-id")
    if id is not None and len(id) > ID_LIMIT:
        raise Problem(400, ProblemCode.MALFORMED, f"An id of a delivery has at most {ID_LIMIT} characters.")
    event, depth = _event(headers, body, id or str(uuid7()), desk), depth_of(headers.get(DEPTH_HEADER))

    async def start(work: UnitOfWork) -> Answer:
        started = await by_hook(work, desk.engine, Asked(org, name, uuid7(), event, depth, headers.get("traceparent")))
        work.after_commit(metrics.HOOKS.labels(started if isinstance(started, NotStarted) else "started").inc)
        knocked = Knocked(run=str(started.id), reason=None) if isinstance(started, Run) else _none(started)
        return Answer(202, knocked.to_dict())

    # A line feed: no Idempotency-Key of the org's own can be this one.
    key = None if id is None else f"hook\n{name}\n{id}"
    answer = await desk.write(org, key, sha256(body).hexdigest(), start)
    return JSONResponse(answer.body, answer.status)


@router.get("")
async def hook(name: pages.Name, caller: Admin, desk: TheDesk, hooks: TheHooks) -> HookView:
    """Where the hook is and which secrets hold, without their texts."""
    async with unit_of_work(desk.database) as work:
        found = await hooks.secrets(work, caller.org, name)
    if found is None:
        raise no_such_workflow()
    views = tuple(_view(secret, hooks.usable(secret)) for secret in found)
    return HookView(path=f"/api/v1/orgs/{caller.org}/workflows/{name}/hook", secrets=views)


@router.post(
    "/secrets",
    status_code=201,
    response_model=MadeSecret,
    responses={200: {"model": SecretView, "description": "This Idempotency-Key came before: the secret of that time."}},
)
async def make_secret(
    name: pages.Name,
    caller: Admin,
    desk: TheDesk,
    hooks: TheHooks,
    key: IdempotencyKey,
    new: NewSecret | None = None,
) -> JSONResponse:
    """Make a secret for the hook; its text stands in this answer only. The one before it holds for `old_holds_s` more,
    any older one not any more. A repeat with the same `Idempotency-Key` makes nothing and is answered 200 without the
    text: who has lost it makes another one."""
    wanted = new or NewSecret()
    id = uuid7() if key is None else uuid5(UUID(int=0), f"{caller.org}\n{name}\n{key}")
    async with unit_of_work(desk.database) as work:
        if not await comes_first(work, caller, key, f"POST {name}/hook/secrets", wanted.to_dict()):
            before = next((one for one in (await hooks.secrets(work, caller.org, name) or []) if one.id == id), None)
            if before is None:
                raise Problem(409, ProblemCode.CONFLICT, "The secret of that time does not hold any more.")
            return JSONResponse(_view(before, hooks.usable(before)).to_dict())
        made = await hooks.make(
            work, caller.org, name, id, salt=secrets.token_bytes(32), by=caller.actor_id, old_holds_s=wanted.old_holds_s
        )
        if made is None:
            raise no_such_workflow()
    secret, text = made
    view = MadeSecret(**_view(secret, usable=True).model_dump(), secret=text)
    return JSONResponse(view.to_dict(), 201, headers={"cache-control": "no-store"})


@router.delete("/secrets/{secret_id}", status_code=204)
async def end_secret(
    name: pages.Name, secret_id: UUID, caller: Admin, desk: TheDesk, hooks: TheHooks, key: IdempotencyKey
) -> None:
    """The secret ends now."""
    async with unit_of_work(desk.database) as work:
        first = await comes_first(work, caller, key, f"DELETE {name}/hook/secrets", str(secret_id))
        if first and not await hooks.end(work, caller.org, name, secret_id, caller.actor_id):
            raise Problem(404, ProblemCode.NOT_FOUND, "The hook has no such secret.")


def _event(headers: dict[str, str], body: bytes, id: str, desk: TheDesk) -> Any:
    try:
        return signal_of(hook_event(headers, body, id, desk.clock()))
    except Unreadable as reason:
        metrics.HOOKS.labels("unreadable").inc()
        raise Problem(400, ProblemCode.MALFORMED, f"The CloudEvent cannot be read: {reason.message}.") from None
    except NoObject as reason:
        metrics.HOOKS.labels("unreadable").inc()
        raise Problem(400, ProblemCode.MALFORMED, f"The body is not what a hook takes: {reason}.") from None


def _none(reason: NotStarted) -> Knocked:
    return Knocked(run=None, reason=reason)


def _refused(refusal: Refusal) -> Problem:
    if refusal is Refusal.STALE:
        message = "The request was signed more than five minutes ago, or by a clock that is wrong."
        return Problem(401, ProblemCode.TOKEN_INVALID, message)
    return Problem(401, ProblemCode.TOKEN_INVALID, NO_SUCH_HOOK)


def _view(secret: HookSecret, usable: bool) -> SecretView:
    return SecretView(
        id=str(secret.id), made_at=secret.made_at, made_by=secret.made_by, ends_at=secret.ends_at, usable=usable
    )
