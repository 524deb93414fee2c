"""Every answer that is not a success is a problem detail (RFC 9457) with a stable `code`."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import asyncpg
import structlog
from aiokafka.errors import KafkaError
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic_core import ErrorDetails
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from fettle_chassis.failures import TransientError
from fettle_chassis.patience import is_transient
from fettle_contracts.message import in_words
from fettle_contracts.problems import PROBLEM_TYPE, ProblemCode, ProblemDetail

log = structlog.get_logger(__name__)

_RETRY_AFTER_S = "5"
_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
_CODES = {
    400: ProblemCode.MALFORMED,
    401: ProblemCode.TOKEN_MISSING,
    403: ProblemCode.FORBIDDEN,
    404: ProblemCode.NOT_FOUND,
    409: ProblemCode.CONFLICT,
    413: ProblemCode.TOO_LARGE,
    429: ProblemCode.TOO_MANY,
    503: ProblemCode.UNAVAILABLE,
}

# COPY goes past SQLAlchemy, so errors of both come up.
_OF_DATABASE = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_UNKEEPABLE_STATES = frozenset({"22021", "22P05"})
"""SQLSTATEs of text that PostgreSQL cannot keep: U+0000 and bytes that are no UTF-8, as text and in JSON."""


class Problem(Exception):
    """An answer that is not a success: `status`, stable `code`, a `message` for people, the `field` at fault, and
    whatever else the body should carry. Raise it anywhere below a route."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
        **extra: object,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.field = status, code, message, field
        self.headers, self.extra = headers, extra


def answer_problems(app: FastAPI) -> None:
    """Makes `app` answer every error by a problem detail, its own and the framework's."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    for below in (TransientError, *_OF_DATABASE, UnicodeEncodeError, KafkaError, OSError):
        app.add_exception_handler(below, _failure)
    app.add_exception_handler(Exception, _bug)


def response(problem: Problem) -> JSONResponse:
    """The answer itself, for those who stand before the routes."""
    detail = ProblemDetail(
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        code=problem.code,
        detail=problem.message,
        field=problem.field,
    ).to_dict()
    body = {**{name: value for name, value in detail.items() if value is not None}, **problem.extra}
    return JSONResponse(body, problem.status, headers=dict(problem.headers or {}), media_type=PROBLEM_TYPE)


def nothing_there(request: Request) -> Problem:
    """405 with every method that the path knows (RFC 9110, 15.5.6), 404 where it knows none."""
    partly = [route for route in request.app.routes if route.matches(request.scope)[0] is Match.PARTIAL]
    scopes = {method: {**request.scope, "method": method} for method in _METHODS}
    allowed = [name for name, scope in scopes.items() if any(one.matches(scope)[0] is Match.FULL for one in partly)]
    if not allowed:
        return Problem(404, ProblemCode.NOT_FOUND, "There is no such path.")
    message = f"This path does not know the method {request.method}."
    return Problem(405, ProblemCode.METHOD_NOT_ALLOWED, message, headers={"Allow": ", ".join(allowed)})


async def _problem(_request: Request, error: Any) -> JSONResponse:
    return response(error)


async def _http(request: Request, error: Any) -> JSONResponse:
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return response(nothing_there(request))
    phrase = HTTPStatus(error.status_code).phrase
    code = _CODES.get(error.status_code, phrase.lower().replace(" ", "_"))
    return response(Problem(error.status_code, code, error.detail or phrase, headers=error.headers))


async def _invalid(_request: Request, error: Any) -> JSONResponse:
    faults = [_fault(one) for one in error.errors()]
    first = faults[0]
    message = f"{first['field']}: {first['rule']}" if first["field"] else first["rule"]
    return response(Problem(400, ProblemCode.MALFORMED, message, field=first["field"] or None, faults=faults))


async def _failure(request: Request, error: Exception) -> JSONResponse:
    if is_transient(error):
        log.warning("http.unavailable", path=request.url.path, error=repr(error))
        message = "Something that this needs is away. Try again soon."
        return response(Problem(503, ProblemCode.UNAVAILABLE, message, headers={"Retry-After": _RETRY_AFTER_S}))
    if _cannot_be_kept(error):
        log.info("http.unkeepable", path=request.url.path, error=type(error).__name__)
        message = "The request holds text that cannot be kept: the character U+0000, or half of a surrogate pair."
        return response(Problem(400, ProblemCode.MALFORMED, message))
    log.error("http.failed", path=request.url.path, error=repr(error), exc_info=error)
    return await _bug(request, error)


async def _bug(_request: Request, _error: Exception) -> JSONResponse:
    """The framework raises it again behind the answer, and the server logs it with its traceback."""
    return response(Problem(500, "internal", "This is our fault. It has been logged."))


def _cannot_be_kept(error: BaseException | None) -> bool:
    """Whether the database refused a text, or its client could not encode one. Doors that name the field check before;
    this is for what they all let through."""
    while error is not None:
        if isinstance(error, UnicodeEncodeError) or getattr(error, "sqlstate", None) in _UNKEEPABLE_STATES:
            return True
        error = error.__cause__
    return False


def _fault(error: ErrorDetails) -> dict[str, str]:
    """`("body", "links", 0, "url")` as `links.0.url`: where in the request is plain from the name."""
    if error["type"] == "json_invalid":
        return {"field": "", "rule": f"The body is not JSON: {error['ctx']['error']}"}
    place = [str(part) for part in error["loc"][1:]]
    if error["type"] == "extra_forbidden":
        return {"field": ".".join(place), "rule": f"there is no field {place[-1]!r}"}
    return {"field": ".".join(place), "rule": in_words(error)}
