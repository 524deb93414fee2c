# Derived from asynchronous/connection.py by `make schemas`; change that one.
"""The one place that talks to Fettle: sends requests, tries again what may be, and reads answers."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from fettle_client.errors import BrokenOff, FettleError, Unreachable, refusal
from fettle_client.patience import Patience
from fettle_client.requests import Request, path

if TYPE_CHECKING:
    import httpx2

TIMEOUT_S = 30.0
PATIENCE_S = 30.0


class Connection:
    """One caller of one org. A context manager; outside of one, `close` lets go of the connections.

    A call waits for an answer at most 30 s at a time. A refusal that names a `Retry-After` (429, 503, 504
    `outcome_unknown`), nobody being there, and a connection that breaks are tried again, the same request under the
    same key, for `patience_s` of pauses at most. Raises FettleError for all that does not end well.

    `transport` carries requests instead of connections of this client's own; what else it raises comes through.
    """

    def __init__(
        self,
        url: str,
        token: str,
        org: str,
        *,
        patience_s: float = PATIENCE_S,
        transport: "httpx2.BaseTransport | None" = None,
    ) -> None:
        import httpx2  # slow to import, and whoever only asks for help needs none of it

        self.url, self.org = url.rstrip("/"), org
        self._patience_s = patience_s
        self._http = httpx2.Client(
            base_url=f"{self.url}/api/v1/",
            headers={"authorization": f"Bearer {token}", "accept": "application/json"},
            timeout=TIMEOUT_S,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def _path(self, *parts: str | int) -> str:
        return path("orgs", self.org, *parts)

    def _call(self, request: Request) -> Any:
        """The answer's JSON, None for an empty one."""
        with self._answer(request) as answer:
            content = answer.read()
        try:
            return json.loads(content) if content else None
        except (ValueError, RecursionError):
            raise FettleError(f"{answer.url} answered {answer.status_code} with something that is not JSON") from None

    def _lines(self, request: Request) -> Iterator[Any]:
        """Each line of a long answer as it comes, as JSON; only a line feed ends one, U+2028 and the like do not."""
        rest = b""
        with self._answer(request) as answer:
            for piece in answer.iter_bytes():
                *lines, rest = (rest + piece).split(b"\n")
                for line in filter(None, lines):
                    yield self._json(line)
        if rest:
            yield self._json(rest)

    def _pieces(self, request: Request) -> Iterator[str]:
        """A long answer as it comes, in pieces of any size."""
        with self._answer(request) as answer:
            yield from answer.iter_text()

    def _json(self, line: bytes) -> Any:
        try:
            return json.loads(line)
        except (ValueError, RecursionError):
            raise BrokenOff(f"the answer of {self.url} broke off inside a line") from None

    @contextmanager
    def _answer(self, request: Request, *, silent_s: float = TIMEOUT_S) -> "Iterator[httpx2.Response]":
        """A good answer, its body still unread; `silent_s` is how long nothing of it may come. Raises BrokenOff out of
        the block when it does not come to its end."""
        import httpx2

        patience = Patience(self._patience_s)
        while True:
            try:
                answer = self._attempt(request, silent_s)
                break
            except FettleError as failure:
                pause_s = patience.pause_s(failure)
                if pause_s is None:
                    raise
            time.sleep(pause_s)
        try:
            yield answer
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise BrokenOff(f"the answer of {self.url} broke off ({type(error).__name__})") from error
        finally:
            answer.close()

    def _attempt(self, request: Request, silent_s: float) -> "httpx2.Response":
        import httpx2

        built = self._http.build_request(
            request.method,
            request.path,
            params=dict(request.query),
            headers=dict(request.headers),
            content=request.body,
            timeout=httpx2.Timeout(TIMEOUT_S, read=silent_s),
        )
        try:
            answer = self._http.send(built, stream=True)
            if answer.is_success:
                return answer
            content = answer.read()
        except httpx2.TransportError as error:
            name = type(error).__name__
            late = isinstance(error, httpx2.TimeoutException) and not isinstance(error, httpx2.ConnectTimeout)
            raise Unreachable(f"nothing answers at {self.url} ({name})", again=not late) from error
        except httpx2.DecodingError:
            content = b""
        raise refusal(answer.status_code, answer.reason_phrase, str(answer.url), answer.headers, content)
