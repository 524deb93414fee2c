"""How requests to the API come into the audit log: entered once it is known who asks, ended before the answer goes."""

import re
from urllib.parse import quote
from uuid import UUID

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fettle_console.adapters.audit import Audit, Heard
from fettle_console.console import Console
from fettle_console.domain.audit import Asked, Door, Who, is_change, is_said_in_body, kept_key, named, whose_role
from fettle_console.domain.credentials import Bearer, Installer
from fettle_console.domain.origins import SAFE_METHODS
from fettle_contracts.imports import IMPORT_PATH

REQUEST_ID = "fettle-request-id"
_ENTRY = "audit_entry"
_HEARD = "audit_heard"
_AFTER_ORG = re.compile(r"/api/v1/orgs(/[^/]*)?/?")


async def enter(request: Request, console: Console, holder: Bearer) -> None:
    """Enters a request to change something of the holder's own org, or of any that there is for the installation. Once
    this has returned it may be carried out."""
    if request.method in SAFE_METHODS:
        return
    org = request.path_params.get("org")
    if isinstance(holder, Installer):
        if org is None or await console.orgs.get(org) is None:
            return
    elif org not in (None, holder.org):
        return
    else:
        org = holder.org
    await enter_for(org, request, console, holder)


async def enter_for(org: str, request: Request, console: Console, holder: Bearer) -> None:
    """Enters it for an org that its path does not name."""
    # As the routes read it: a slash that was written encoded is one there, too.
    path = f"/{_AFTER_ORG.sub('', quote(request.scope['path']), count=1)}"
    query = request.scope["query_string"].decode("latin-1")
    if not is_change(request.method, path, query):
        return
    streamed = IMPORT_PATH.fullmatch(request.url.path) is not None
    key = None if streamed else kept_key(request.headers.get("idempotency-key"))
    thing = named(path)
    body = await request.body() if key is not None or is_said_in_body(request.method, thing) else b""
    asked = Asked(
        org=org,
        who=Who.of(holder),
        door=Door.API,
        method=request.method,
        path=whose_role(request.method, thing, body),
        key=key,
    )
    request.scope["state"][_ENTRY] = await console.audit.asked(asked, console.now(), query, body)


def heard(request: Request) -> Heard:
    """Where to say what the request's entry shall say beyond the status."""
    said: Heard = request.scope["state"].setdefault(_HEARD, Heard())
    return said


class Audited:
    """Puts the outcome of what was entered down before the answer goes, and tells the caller the entry's id."""

    def __init__(self, app: ASGIApp, audit: Audit) -> None:
        self._app, self._audit = app, audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope.setdefault("state", {})

        async def once_it_is_down(message: Message) -> None:
            entry: UUID | None = state.get(_ENTRY)
            if entry is not None and message["type"] == "http.response.start":
                said: Heard | None = state.get(_HEARD)
                kept = await self._audit.ended(entry, message["status"], said.about if said else None)
                MutableHeaders(scope=message)[REQUEST_ID] = str(kept)
            await send(message)

        await self._app(scope, receive, once_it_is_down)
