"""What stands before every page: writes from our own pages only, and headers that leave a foreign script nothing."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fettle_chassis.http import Problem
from fettle_console.domain.origins import SAFE_METHODS, refused_because
from fettle_console.settings import ConsoleSettings
from fettle_contracts.problems import ProblemCode

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

_ONLY_HTTPS = {"strict-transport-security": "max-age=31536000"}


class Headed:
    """Adds the security headers to every answer, and says of pages that nobody may keep them. Who came by https once is
    told never to come otherwise."""

    def __init__(self, app: ASGIApp, settings: ConsoleSettings) -> None:
        self._app = app
        self._headers = {**HEADERS, **(_ONLY_HTTPS if settings.secure else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, with_headers)


def check_origin(headers: Headers, method: str, settings: ConsoleSettings) -> None:
    """Raises `Problem` 403 for a write that does not come from one of our pages."""
    if method in SAFE_METHODS:
        return
    reason = refused_because(
        host=headers.get("host"),
        origin=headers.get("origin"),
        fetch_site=headers.get("sec-fetch-site"),
        public_url=settings.public_url,
        listens_on=settings.http_host,
    )
    if reason is not None:
        raise Problem(403, ProblemCode.FORBIDDEN, f"This write does not count: {reason}. Open the page anew.")
