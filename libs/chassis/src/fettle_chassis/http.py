"""The HTTP base of every service: health endpoints, metrics, problem details, who calls, what comes twice."""

import asyncio
import contextlib
import re
import socket
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from types import MappingProxyType
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, Header, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fettle_chassis.documented import Words, with_words
from fettle_chassis.failures import StartRefused
from fettle_chassis.problems import Problem, answer_problems, response
from fettle_chassis.service import Part, Service
from fettle_chassis.settings import ServiceSettings
from fettle_chassis.tokens import Caller, Role, TokenRefused, verify
from fettle_chassis.unit_of_work import REQUESTS, UnitOfWork
from fettle_contracts.causation import depth_of
from fettle_contracts.problems import ProblemCode

__all__ = [
    "Admin",
    "CausationDepth",
    "HttpServer",
    "IdempotencyKey",
    "Operator",
    "Problem",
    "Viewer",
    "caller",
    "comes_first",
    "http_app",
    "keepable",
    "listen",
]

_CHALLENGE = {"WWW-Authenticate": "Bearer"}
_NONE_LARGER: Mapping[re.Pattern[str], int] = MappingProxyType({})
_NO_WORDS = Words()

IDEMPOTENCY_KEY_MAX_CHARACTERS = 256


def http_app(
    service: Service,
    settings: ServiceSettings,
    *,
    title: str,
    body_limit: int = 1_048_576,
    larger: Mapping[re.Pattern[str], int] = _NONE_LARGER,
    words: Words = _NO_WORDS,
) -> FastAPI:
    """An app with `/livez`, `/readyz` (parts and their reasons), `/metrics`, and problem details for every error,
    validation (400 with field and rule), 404 (also for a slash too much), 405, and 413 for bodies over `body_limit`
    bytes included; `larger` has the limits of whole paths that take more. Their routes read the body piece by piece.
    Its OpenAPI document names these refusals, and says what `words` say of operations and parameters.

    Add routers to it. `app.state.settings` is the settings, the rest of `app.state` is free for the service.
    """
    app = FastAPI(title=title, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.settings = settings
    answer_problems(app)
    _document(app, words)
    app.add_middleware(_BodyLimit, limit=body_limit, larger=larger)

    @app.get("/livez", include_in_schema=False)
    async def livez() -> JSONResponse:
        return _health(service.not_live())

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> JSONResponse:
        return _health(service.not_ready())

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return app


def _document(app: FastAPI, words: Words) -> None:
    """Makes the app's document say all of it. The document is made once, when it is first asked for."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = with_words(plain(), words)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def caller(needed: Role) -> Any:
    """A dependency: the internal token's caller. 401 without a valid token; 404 when the path's `{org}` is not the
    token's org; 403 when the role does not cover `needed`."""

    async def authenticate(request: Request) -> Caller:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Problem(401, ProblemCode.TOKEN_MISSING, "A token is needed.", headers=_CHALLENGE)
        try:
            who = verify(request.app.state.settings.signing_keys, token, datetime.now(UTC))
        except TokenRefused as refused:
            raise Problem(401, refused.code, str(refused), headers=_CHALLENGE) from None
        if request.path_params.get("org", who.org) != who.org:
            raise Problem(404, ProblemCode.NOT_FOUND, "There is no such org.")
        if not who.role.covers(needed):
            raise Problem(403, ProblemCode.FORBIDDEN, f"This needs the role {needed}, the caller is {who.role}.")
        return who

    return Depends(authenticate)


Viewer = Annotated[Caller, caller(Role.VIEWER)]
Operator = Annotated[Caller, caller(Role.OPERATOR)]
Admin = Annotated[Caller, caller(Role.ADMIN)]


async def _idempotency_key(idempotency_key: Annotated[str | None, Header()] = None) -> str | None:
    if idempotency_key is not None and not (
        0 < len(idempotency_key) <= IDEMPOTENCY_KEY_MAX_CHARACTERS and idempotency_key.isprintable()
    ):
        rule = f"An Idempotency-Key has 1 to {IDEMPOTENCY_KEY_MAX_CHARACTERS} characters."
        raise Problem(400, ProblemCode.MALFORMED, rule, field="Idempotency-Key")
    return idempotency_key


IdempotencyKey = Annotated[str | None, Depends(_idempotency_key)]
"""The request's `Idempotency-Key`, if it has one. 400 for one that is empty or too long."""


async def _causation_depth(fettle_causation_depth: Annotated[str | None, Header()] = None) -> int:
    return depth_of(fettle_causation_depth)


CausationDepth = Annotated[int, Depends(_causation_depth)]
"""How long the chain of causes is that led to the request; 0 where it does not say."""


async def comes_first(work: UnitOfWork, who: Caller, key: str | None, *request: object) -> bool:
    """Whether a write is to be done: True without a key and for one that is new, which is then taken; False when this
    repeats what came first under the key. For writes whose answer can be given again without remembering it.

    `request` is all that the write depends on, each part with a `repr` that tells what it means. Raises Problem 422
    when the key came with another request, or from another caller. Two requests with one key wait for each other. A
    transaction that is rolled back leaves the key free. Keys are an org's own, remembered as long as the inbox is.
    """
    if key is None:
        return True
    fingerprint = blake2b(repr((who.actor_id, *request)).encode(), digest_size=16).hexdigest()
    # A key is printable, so a line more makes an identity that no key is.
    new, other = await work.first_time(REQUESTS, [(who.org, key), (who.org, f"{key}\n{fingerprint}")])
    if other and not new:
        message = "This Idempotency-Key came before with another request."
        raise Problem(422, ProblemCode.IDEMPOTENCY_KEY_REUSED, message)
    return new


def keepable(text: str) -> str:
    """The text itself, for `AfterValidator`. Raises ValueError for one that no database of ours can keep."""
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must hold neither the character U+0000 nor half of a surrogate pair")
    return text


def listen(host: str, port: int) -> socket.socket:
    """A socket whose connections send at once (TCP_NODELAY, which they inherit). Raises OSError.

    An answer leaves in two pieces, head and body. Without it the body waits until the caller acknowledges the head,
    which takes 40 ms on a kept-alive connection. asyncio sees to that itself only for sockets that name TCP as their
    protocol, which one from `create_server` does not.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=1024)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


class HttpServer(Part):
    """Serves `app` by uvicorn inside the service's loop. Start raises `StartRefused` when the port is taken."""

    name = "http"

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port; after start the real one, if 0 was asked for."""
        return self._port

    async def start(self) -> None:
        try:
            listening = listen(self._host, self._port)
        except OSError as error:
            raise StartRefused(f"cannot listen on {self._host}:{self._port}: {error.strerror}") from None
        self._port = listening.getsockname()[1]
        config = uvicorn.Config(
            self._app, log_config=None, access_log=False, server_header=False, ws="none", timeout_graceful_shutdown=5
        )
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]))
        await self._server.up(self._serving)

    async def run(self) -> None:
        if self._serving is not None:
            await asyncio.shield(self._serving)

    async def stop(self) -> None:
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: the process has one owner."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._up = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._up.set()

    async def up(self, serving: "asyncio.Task[None]") -> None:
        """Returns when requests are answered; raises what ended `serving` before that."""
        waiting = asyncio.create_task(self._up.wait())
        await asyncio.wait([waiting, serving], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if serving.done():
            serving.result()


class _BodyLimit:
    """Refuses bodies over `limit` bytes, or over what `larger` says of their path, by their declared length or once
    they have grown beyond it."""

    def __init__(self, app: ASGIApp, limit: int, larger: Mapping[re.Pattern[str], int]) -> None:
        self._app = app
        self._limit, self._larger = limit, larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = next((size for path, size in self._larger.items() if path.fullmatch(scope["path"])), self._limit)
        declared = dict(scope["headers"]).get(b"content-length", b"")
        if declared.isdigit() and int(declared) > limit:
            await response(_over(limit))(scope, receive, send)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                # An HTTPException, as FastAPI takes anything else that reading a body raises for a bad request.
                raise HTTPException(413, _over(limit).message)
            return message

        await self._app(scope, limited, send)


def _over(limit: int) -> Problem:
    return Problem(413, ProblemCode.TOO_LARGE, f"The body is over {limit} bytes.")


def _health(reasons: dict[str, str]) -> JSONResponse:
    return JSONResponse({"status": "no" if reasons else "ok", "parts": reasons}, 503 if reasons else 200)
