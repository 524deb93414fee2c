"""The HTTP base of every service: health endpoints, metrics, problem details (RFC 9457), who calls."""

from typing import Annotated, Any

from fastapi import FastAPI

from fettle_chassis.service import Part, Service
from fettle_chassis.settings import ServiceSettings
from fettle_chassis.tokens import Caller, Role


class Problem(Exception):
    """An answer that is not a success: `status`, stable `code`, a `message` for people, the `field` at fault, and
    whatever else the body should carry. Raise it anywhere below a route."""

    def __init__(self, status: int, code: str, message: str, *, field: str | None = None, **extra: object) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.field, self.extra = status, code, message, field, extra


def http_app(service: Service, settings: ServiceSettings, *, title: str, body_limit: int = 1_048_576) -> FastAPI:
    """An app with `/livez`, `/readyz` (parts and their reasons), `/metrics`, and problem details for every error,
    validation (400 with field and rule), 404, 405, and 413 for bodies over `body_limit` bytes included.

    Add routers to it; `app.state` is free for the service.
    """
    raise NotImplementedError


def caller(needed: Role) -> Any:
    """A dependency: the internal token's caller. 401 without a valid token; 404 when the path's `{org}` is not the
    token's org; 403 when the role does not cover `needed`."""
    raise NotImplementedError


Viewer = Annotated[Caller, caller(Role.VIEWER)]
Operator = Annotated[Caller, caller(Role.OPERATOR)]
Admin = Annotated[Caller, caller(Role.ADMIN)]


class HttpServer(Part):
    """Serves `app` by uvicorn inside the service's loop. Start raises `StartRefused` when the port is taken."""

    name = "http"

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        raise NotImplementedError
