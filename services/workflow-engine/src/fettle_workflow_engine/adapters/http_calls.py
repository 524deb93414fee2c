"""`http.request`, carried out: one call, its redirects, and what its answer means."""

import asyncio
import email.utils
import ssl
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import httpcore2
import httpx2

from fettle_contracts.causation import DEPTH_HEADER
from fettle_workflow_engine.adapters.destinations import Destinations, GuardedNetwork
from fettle_workflow_engine.domain.calls import Done, Failed, Outcome, OutsideCall, Retry
from fettle_workflow_engine.domain.destinations import Barred, RedirectBarred
from fettle_workflow_engine.domain.http_requests import (
    HEADER_KEPT_LIMIT,
    HEADERS_KEPT,
    READ_LIMIT,
    HttpRequest,
    http_request,
    may_pass,
    meets,
    read_body,
)
from fettle_workflow_engine.domain.resolve import InputFailed
from fettle_workflow_engine.domain.run import Failure
from fettle_workflow_engine.domain.secrets import cut, shortened

SAID_LIMIT = 200
"""Characters of an answer in what is said of a failure."""
_SEE_OTHER = frozenset({301, 302, 303})
_SAME_AGAIN = frozenset({307, 308})
_HARMLESS = frozenset({"accept", "accept-language", "user-agent", DEPTH_HEADER})
"""Headers that go to another origin than the one that the workflow names."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said: names of headers in lower case, the body as far as it was read."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    whole: bool


class HttpCalls:
    """`domain.calls.Caller` for `http.request` whose secrets are filled in."""

    def __init__(self, destinations: Destinations, clock: Callable[[], datetime], tls: ssl.SSLContext | None = None):
        self._network = GuardedNetwork(destinations)
        self._clock = clock
        self._tls = tls or httpcore2.default_ssl_context()

    async def perform(self, call: OutsideCall) -> Outcome:
        try:
            request = http_request(call.request)
        except InputFailed as failure:
            return Failed(Failure(failure.code, failure.message))
        own = [("user-agent", "Fettle"), ("accept-encoding", "identity"), ("idempotency-key", str(call.id))]
        if depth := call.request.get("depth"):
            own.append((DEPTH_HEADER, str(depth)))
        given = {name for name, _ in request.headers}
        headers = (*(pair for pair in own if pair[0] not in given), *request.headers)
        answer = await self.ask(replace(request, headers=headers))
        return self.outcome(request, answer) if isinstance(answer, Answer) else answer

    async def ask(self, request: HttpRequest) -> Answer | Retry | Failed:
        """The answer, whatever its status, after its redirects; or why there is none."""
        try:
            async with asyncio.timeout(request.timeout_s):
                return await self._follow(request)
        except TimeoutError:
            return Retry(Failure("timeout", f"There was no answer within {request.timeout_s:g} s."))
        except RedirectBarred as barred:
            return Failed(Failure("redirect_refused", f"Not followed: {barred}."))
        except Barred as barred:
            return Failed(Failure("address_refused", f"Not sent: {barred}."))
        except (httpcore2.LocalProtocolError, httpx2.InvalidURL, UnicodeError) as error:
            return Failed(Failure("input_invalid", f"The request cannot be sent: {error}."))
        except (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError, OSError) as error:
            return Retry(Failure("network", f"The connection failed: {error or type(error).__name__}."))

    async def _follow(self, request: HttpRequest) -> Answer:
        url = _url(request.url).copy_merge_params(request.query) if request.query else _url(request.url)
        for followed in range(request.redirects + 1):
            answer = await self._send(request, url)
            location = answer.headers.get("location")
            redirects = answer.status in _SEE_OTHER | _SAME_AGAIN and location is not None
            ends = request.redirects == 0 or meets(answer.status, request.expects)
            if not redirects or location is None or ends:
                return answer
            if followed == request.redirects:
                break
            target = _url(str(url.join(location)))
            request = redirected(request, answer.status, same_origin=_origin(url) == _origin(target))
            url = target
        raise RedirectBarred(f"there were more than {request.redirects} redirects")

    async def _send(self, request: HttpRequest, url: httpx2.URL) -> Answer:
        target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        headers = [("host", url.netloc.decode("ascii")), *request.headers]
        if request.body is not None:
            headers.append(("content-length", str(len(request.body))))
        async with (
            httpcore2.AsyncConnectionPool(self._tls, network_backend=self._network, max_connections=1) as pool,
            pool.stream(request.method, target, headers=headers, content=request.body) as response,
        ):
            found = {
                name.decode("ascii", "replace").lower(): value.decode("latin-1") for name, value in response.headers
            }
            content, whole = await _read(response, found.get("content-encoding", "identity").lower())
            return Answer(response.status, found, content, whole)

    def outcome(self, request: HttpRequest, answer: Answer) -> Outcome:
        """What an answer means for a request that expects what it expects."""
        body, is_cut = read_body(answer.content, answer.headers.get("content-type", ""), whole=answer.whole)
        if meets(answer.status, request.expects):
            kept = {
                name: shortened(answer.headers[name], HEADER_KEPT_LIMIT)
                for name in HEADERS_KEPT
                if name in answer.headers
            }
            whole = cut(body) if is_cut and isinstance(body, str) else body
            return Done({"status": answer.status, "headers": kept, "body": whole, "cut": is_cut})
        said = shortened(body if isinstance(body, str) else answer.content.decode(errors="replace"), SAID_LIMIT)
        failure = Failure("status_unexpected", f"The answer was {answer.status}: {said}".removesuffix(": ") + ".")
        if may_pass(answer.status):
            return Retry(failure, retry_after(answer.headers.get("retry-after"), self._clock()))
        return Failed(failure)


def redirected(request: HttpRequest, status: int, *, same_origin: bool) -> HttpRequest:
    """The request that a redirect asks for. To another origin goes neither a body nor a header that could identify.
    Raises RedirectBarred where that leaves nothing of the request."""
    keeps = request.method in ("GET", "HEAD")
    if status in _SAME_AGAIN and not same_origin and not keeps:
        raise RedirectBarred(f"a {request.method} was to be sent again to another origin")
    if not keeps and status in _SEE_OTHER:
        request = replace(request, method="GET", body=None)
    if same_origin:
        return request if request.body is not None else _without(request, frozenset({"content-type"}))
    kept = tuple((name, value) for name, value in request.headers if name in _HARMLESS or name == "accept-encoding")
    return replace(request, headers=kept, body=None)


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds from a `Retry-After` (RFC 9110, 10.2.3), which is a number of them or a date; None for neither."""
    if value is None:
        return None
    if value.strip().isascii() and value.strip().isdecimal():
        return float(value.strip()[:9])
    try:
        moment = email.utils.parsedate_to_datetime(value)
        return max((moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds(), 0.0)
    except (ValueError, OverflowError):
        return None


def _without(request: HttpRequest, names: frozenset[str]) -> HttpRequest:
    return replace(request, headers=tuple(pair for pair in request.headers if pair[0] not in names))


def _url(text: str) -> httpx2.URL:
    """Raises Barred for what is no address of a web server, and what two readers could read as two."""
    if any(character <= " " or character in "\\\x7f" for character in text):
        raise Barred("an address holds no spaces, control characters and backslashes")
    url = httpx2.URL(text)
    if url.scheme not in ("http", "https") or not url.host:
        raise Barred("an address begins with http:// or https:// and names a host")
    if url.port is not None and not 0 < url.port < 65_536:
        raise httpx2.InvalidURL(f"there is no port {url.port}")
    if url.userinfo:
        raise Barred("an address names no user; say who calls in a header")
    return url


def _origin(url: httpx2.URL) -> tuple[str, bytes, int]:
    return url.scheme, url.raw_host, url.port or (443 if url.scheme == "https" else 80)


async def _read(response: Any, encoding: str) -> tuple[bytes, bool]:
    """The body, unpacked, up to the limit; False when something is missing."""
    unpack = zlib.decompressobj(47) if encoding in ("gzip", "x-gzip", "deflate") else None
    if unpack is None and encoding not in ("identity", ""):
        return b"", False
    content = bytearray()
    async for chunk in response.aiter_stream():
        try:
            content += unpack.decompress(chunk, READ_LIMIT + 1 - len(content)) if unpack else chunk
        except zlib.error:
            return bytes(content), False
        if len(content) > READ_LIMIT:
            return bytes(content[:READ_LIMIT]), False
    return bytes(content), True
