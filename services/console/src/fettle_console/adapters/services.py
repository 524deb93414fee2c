"""The services behind the front, over HTTP, each call under a fresh internal token for whoever asked."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2

from fettle_chassis.http import Problem
from fettle_chassis.service import Part
from fettle_chassis.signing import SigningKey
from fettle_chassis.tokens import Caller, issue
from fettle_console import metrics
from fettle_console.domain.audit import asks_to_change
from fettle_console.domain.routing import Owner
from fettle_contracts.problems import ProblemCode

_RETRY_AFTER = {"Retry-After": "2"}

_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)

_TIMEOUT = httpx2.Timeout(30.0, connect=2.0, pool=5.0)
_LIMITS = httpx2.Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=4.0)


class Services(Part):
    """One client per service. Redirects are answers like any other; nothing is tried twice, as only the caller knows
    whether that is right."""

    name = "services"

    def __init__(self, urls: Mapping[Owner, str], keys: Sequence[SigningKey]) -> None:
        self._urls, self._keys = {owner: httpx2.URL(url) for owner, url in urls.items()}, keys
        self._clients: dict[Owner, httpx2.AsyncClient] = {}

    async def start(self) -> None:
        # No environment: a proxy meant for the outside must not see internal tokens.
        self._clients = {
            owner: httpx2.AsyncClient(timeout=_TIMEOUT, limits=_LIMITS, trust_env=False, cookies=_no_cookies())
            for owner in self._urls
        }

    async def stop(self) -> None:
        for client in self._clients.values():
            await client.aclose()

    @asynccontextmanager
    async def call(
        self,
        owner: Owner,
        caller: Caller | None,
        method: str,
        path: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes | AsyncIterator[bytes] | None = None,
    ) -> AsyncIterator[httpx2.Response]:
        """The answer to one request, its body still unread, whatever its status.

        `path` is raw: percent-encoded, with its query. Waits 2 s for a connection and 30 s between two pieces of the
        answer. Raises `Problem` 400 for a path that no address may have, 503 with `Retry-After` when the service is
        away, 502 when it does not accept our token; 504 when it was sent what would change something and was not heard
        to its end: that may be done.
        """
        credentials = [("authorization", f"Bearer {self._token(caller)}")] if caller else []
        wire = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in [*headers, *credentials]]
        request = self._clients[owner].build_request(method, self._url(owner, path), headers=wire, content=body)
        began = time.monotonic()
        try:
            answer = await self._clients[owner].send(request, stream=True)
        except (httpx2.TransportError, OSError) as error:
            metrics.FORWARDED.labels(owner.value, "away").observe(time.monotonic() - began)
            raise _unanswered(owner, method, path, error) from error
        metrics.FORWARDED.labels(owner.value, str(answer.status_code)).observe(time.monotonic() - began)
        try:
            if answer.status_code == 401 and caller is not None:
                raise Problem(502, "internal_token_refused", f"The {owner.value} service does not accept our token.")
            yield answer
        except httpx2.TransportError as error:
            raise _unanswered(owner, method, path, error) from error
        finally:
            await answer.aclose()

    def _url(self, owner: Owner, path: str) -> httpx2.URL:
        try:
            return self._urls[owner].copy_with(raw_path=path.encode("ascii"))
        except httpx2.InvalidURL:
            message = "The path is too long, or holds a character that must be percent-encoded."
            raise Problem(400, ProblemCode.MALFORMED, message) from None

    def _token(self, caller: Caller) -> str:
        return issue(self._keys, caller, datetime.now(UTC))


def _no_cookies() -> CookieJar:
    """Keeps none: what a service sets for one caller would go along with the requests of all others."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


def _unanswered(owner: Owner, method: str, path: str, error: Exception) -> Problem:
    """What is said when no answer was heard. Waiting for one that took too long again at once would only take long
    again, so `Retry-After` is said of connections that broke alone."""
    if isinstance(error, _NEVER_SENT) or not asks_to_change(method, path):
        message = f"The {owner.value} service does not answer. Nothing was lost; try again in a moment."
        return Problem(503, ProblemCode.UNAVAILABLE, message, headers=_RETRY_AFTER)
    message = (
        f"No answer was heard from the {owner.value} service: what was asked may be done or not. "
        "Sent again under the same Idempotency-Key it is not done twice."
    )
    late = isinstance(error, httpx2.TimeoutException)
    return Problem(504, ProblemCode.OUTCOME_UNKNOWN, message, headers={} if late else _RETRY_AFTER)
