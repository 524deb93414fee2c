"""All pages as one app of their own: its errors are pages, the API's are problem details."""

from collections.abc import Callable, Sequence
from typing import Any

import httpx2
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Scope

from fettle_chassis.failures import TransientError
from fettle_chassis.http import Problem
from fettle_chassis.patience import is_transient
from fettle_console.console import Console
from fettle_console.entrypoints.pages import (
    audit_page,
    bulk,
    channel_editor,
    channel_page,
    checklist_page,
    dead_letter_pages,
    health_page,
    heard_page,
    hook_page,
    judging,
    live_stream,
    member_page,
    new_silence,
    org_page,
    overview_page,
    policy_page,
    preview,
    provider,
    report,
    run_pages,
    sign_in,
    silence_list,
    silencing,
    subject_page,
    ticket_list,
    ticket_page,
    ticket_writes,
    timeline_page,
    token_page,
    told_page,
    why_page,
    workflow_editor,
    workflow_list,
    workflow_page,
    workflow_start,
    workflow_trials,
)
from fettle_console.entrypoints.pages.rendering import STATIC, page
from fettle_console.entrypoints.pages.visits import NotAllowed, NotSignedIn
from fettle_contracts.problems import ProblemCode

Fields = Sequence[tuple[str, str]]

_PASSES = (401, 429, 502, 503, 504)
"""Of what is answered so, the same may go well later."""

_HEADINGS = {
    400: "That address or form does not make sense",
    401: "You are not signed in",
    403: "You may not do this",
    404: "There is nothing here",
    405: "You may not do this",
    413: "That is too much at once",
    429: "That was too fast",
    503: "A part of Fettle is away",
    504: "No answer was heard",
}

_UNHEARD = (
    "The part of Fettle that does this did not answer: it may be done or not. Look, or send it again: "
    "what is sent again from the same page is not done twice."
)

MODULES = (
    *(sign_in, provider, report, bulk, ticket_list, ticket_page, ticket_writes, silencing, told_page),
    *(timeline_page, checklist_page),
    *(overview_page, health_page, silence_list, new_silence, policy_page, judging, subject_page),
    *(why_page, heard_page, preview, live_stream),
    *(org_page, member_page, token_page, audit_page, dead_letter_pages),
    *(workflow_list, workflow_page, workflow_editor, workflow_trials, run_pages, channel_page, channel_editor),
    *(workflow_start, hook_page),
)
"""The order counts: a path that is written out stands before one that takes any number."""

log = structlog.get_logger(__name__)


class _Kept(StaticFiles):
    """Files whose address names their content may be kept for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        named = b"v=" in scope["query_string"]
        answer.headers["cache-control"] = "public, max-age=31536000, immutable" if named else "no-cache"
        return answer


def pages_app(console: Console, api_document: Callable[[], dict[str, Any]]) -> FastAPI:
    """The pages, to be mounted at `/` behind the API, which has the document, and within `Headed`: what fails as a
    fault of ours is answered outside of all that could be added here. A slash too much leads to the page."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=True)
    app.state.console = console
    app.state.api_document = api_document
    for module in MODULES:
        app.include_router(module.router)
    app.mount("/static", _Kept(directory=STATIC))
    app.add_middleware(GZipMiddleware, compresslevel=5)
    app.add_exception_handler(NotSignedIn, _to_sign_in)
    app.add_exception_handler(NotAllowed, _not_allowed)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(httpx2.InvalidURL, _no_address)
    for passing in (TransientError, SQLAlchemyError, OSError):
        app.add_exception_handler(passing, _failed)
    app.add_exception_handler(Exception, _failed)
    return app


async def _to_sign_in(request: Request, error: Any) -> Response:
    if request.headers.get("hx-request"):
        return _error_page(
            401, "Your session has ended. Sign in again in another tab; what you typed is still on this page."
        )
    if request.method != "GET":
        message = "Your session has ended, and this was not carried out. Sign in again in another tab, then come back."
        return _error_page(401, message, await _sent(request))
    return RedirectResponse(sign_in.sign_in_path(error.path), 303)


async def _problem(request: Request, error: Any) -> Response:
    message = _UNHEARD if error.code == ProblemCode.OUTCOME_UNKNOWN else error.message
    answer = _error_page(error.status, message, await _sent(request) if error.status in _PASSES else ())
    answer.headers.update(error.headers or {})
    return answer


async def _not_allowed(request: Request, error: Any) -> Response:
    await error.visit.note_refused(request)
    return await _problem(request, error)


async def _http_error(_: Request, error: Any) -> Response:
    return _error_page(error.status_code, "There is no such page.")


async def _malformed(_: Request, error: Any) -> Response:
    fields = ", ".join(str(fault["loc"][-1]) for fault in error.errors())
    return _error_page(400, f"Something in it is not as it should be: {fields}.")


async def _no_address(_: Request, __: Exception) -> Response:
    return _error_page(400, "What it names is too long for an address.")


async def _failed(request: Request, error: Exception) -> Response:
    if is_transient(error):
        log.warning("page.unavailable", path=request.url.path, error=repr(error))
        return _error_page(503, "The database does not answer. Try again in a moment.", await _sent(request))
    log.error("page.failed", path=request.url.path, error=repr(error), exc_info=error)
    return _error_page(500, "This is our fault. It has been logged; try again, or go back to the tickets.")


async def _sent(request: Request) -> Fields:
    """What a form of an org's page said, so that it can be sent again from the page that answers it. Secrets are in no
    page."""
    path = request.url.path
    if request.method != "POST" or not path.startswith("/orgs/") or path.endswith("/secrets"):
        return ()
    return [(name, value) for name, value in (await request.form()).multi_items() if isinstance(value, str)]


def _error_page(status: int, message: str, sent: Fields = ()) -> Response:
    heading = _HEADINGS.get(status, "Something went wrong")
    return page("problem.html", {"status": status, "heading": heading, "message": message, "sent": sent}, status)
