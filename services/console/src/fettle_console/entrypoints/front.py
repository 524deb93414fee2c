"""The API front: everything that a service owns is passed on to it as it came, under an internal token."""

from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import httpx2
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fettle_chassis.http import Problem
from fettle_chassis.problems import nothing_there, response
from fettle_console.console import TheConsole
from fettle_console.domain.routing import ANSWER_HEADERS, OWN, REQUEST_HEADERS, Owner, owner_of, passing
from fettle_console.entrypoints.guards import Member, address_of, check_guesses, check_pace, count_guess
from fettle_contracts.hooks import HOOK_HEADERS, NO_SUCH_HOOK
from fettle_contracts.imports import IMPORT_PATH
from fettle_contracts.problems import ProblemCode

router = APIRouter(include_in_schema=False)

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "TRACE"]


@router.post("/api/v1/orgs/{org}/workflows/{name}/hook")
async def knock(org: str, name: str, request: Request, console: TheConsole) -> Any:
    """Passes a request to a hook on without a token: the engine judges its signature. One caller of one hook is limited
    as a token is, and so are the requests of one address that no hook takes, whichever they name."""
    address = address_of(request)
    guessing = f"hook/{address}"
    check_guesses(guessing, console.guess_limit)
    check_pace(f"hook/{org}/{name}/{address}", console)
    path = request.scope["raw_path"].decode("ascii")
    if owner_of(path.removeprefix(f"/api/v1/orgs/{org}/")) is None or await console.orgs.get(org) is None:
        count_guess(guessing, console.guess_limit)
        raise Problem(401, ProblemCode.TOKEN_INVALID, NO_SUCH_HOOK)
    headers, body = passing(request.headers.items(), HOOK_HEADERS), await request.body()
    answer = await passed_on(console.services.call(Owner.WORKFLOWS, None, "POST", path, headers=headers, body=body))
    if answer.status_code == 401:
        count_guess(guessing, console.guess_limit)
    return answer


@router.api_route("/api/v1/orgs/{org}/{rest:path}", methods=_METHODS)
async def forward(org: str, request: Request, caller: Member, console: TheConsole) -> Any:
    """Passes the request on, a body that may be large piece by piece, and streams the answer back. 503 when the
    service is away."""
    raw = request.scope["raw_path"].decode("ascii")
    rest = raw.removeprefix(f"/api/v1/orgs/{org}/")
    owner = owner_of(rest)
    if owner is None or rest.split("/")[0] in OWN:
        raise nothing_there(request)
    query = request.scope["query_string"].decode("ascii")
    body = request.stream() if IMPORT_PATH.fullmatch(request.url.path) else await request.body() or None
    headers = passing(request.headers.items(), REQUEST_HEADERS)
    path = f"{raw}?{query}" if query else raw
    return await passed_on(console.services.call(owner, caller, request.method, path, headers=headers, body=body))


class Nothing:
    """What is nobody's under `/api`, by whatever method, is a problem detail, not a page."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await response(nothing_there(Request(scope)))(scope, receive, send)


NOTHING = Route("/api/{rest:path}", Nothing(), include_in_schema=False)
"""Goes behind all that is somebody's."""


async def passed_on(call: AbstractAsyncContextManager[httpx2.Response]) -> StreamingResponse:
    """The service's answer, streamed as it comes."""
    async with AsyncExitStack() as stack:
        answer = await stack.enter_async_context(call)
        passed_on = StreamingResponse(
            answer.aiter_raw(), status_code=answer.status_code, background=BackgroundTask(stack.pop_all().aclose)
        )
    for name, value in passing(answer.headers.multi_items(), ANSWER_HEADERS):
        passed_on.headers.append(name, value)
    return passed_on
