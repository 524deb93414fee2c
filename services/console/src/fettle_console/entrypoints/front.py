"""The API front: everything that a service owns is passed on to it as it came, under an internal token."""

from contextlib import AsyncExitStack
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fettle_chassis.problems import nothing_there, response
from fettle_console.console import TheConsole
from fettle_console.domain.routing import ANSWER_HEADERS, OWN, REQUEST_HEADERS, owner_of, passing
from fettle_console.entrypoints.guards import Member
from fettle_contracts.imports import IMPORT_PATH

router = APIRouter(include_in_schema=False)

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "TRACE"]


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
    async with AsyncExitStack() as stack:
        answer = await stack.enter_async_context(
            console.services.call(
                owner,
                caller,
                request.method,
                f"{raw}?{query}" if query else raw,
                headers=passing(request.headers.items(), REQUEST_HEADERS),
                body=request.stream() if IMPORT_PATH.fullmatch(request.url.path) else await request.body() or None,
            )
        )
        passed_on = StreamingResponse(
            answer.aiter_raw(), status_code=answer.status_code, background=BackgroundTask(stack.pop_all().aclose)
        )
    for name, value in passing(answer.headers.multi_items(), ANSWER_HEADERS):
        passed_on.headers.append(name, value)
    return passed_on


class Nothing:
    """What is nobody's under `/api`, by whatever method, is a problem detail, not a page."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await response(nothing_there(Request(scope)))(scope, receive, send)


NOTHING = Route("/api/{rest:path}", Nothing(), include_in_schema=False)
"""Goes behind all that is somebody's."""
