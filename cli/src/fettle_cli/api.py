"""The HTTP API as the commands use it: one caller, one org, plain errors."""

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from fettle_cli.failures import CliError
from fettle_cli.installation import Installation

if TYPE_CHECKING:
    import httpx2

TIMEOUT_S = 30.0


class Refused(CliError):
    """The API said no; `problem` is what it said, empty when that was no problem detail."""

    def __init__(self, text: str, problem: dict[str, Any]) -> None:
        super().__init__(text)
        self.problem = problem


class Api:
    """Calls under `/api/v1` with a bearer token. Use as a context manager; every refusal is a CliError."""

    def __init__(self, url: str, token: str) -> None:
        import httpx2  # half of the start-up time, and `fettle --help` needs none of it

        self._url = url
        self._client = httpx2.Client(
            base_url=f"{url}/api/v1/",
            headers={"authorization": f"Bearer {token}", "accept": "application/json"},
            timeout=TIMEOUT_S,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> Any:
        """The answer's JSON, None for an empty one. Raises Refused, or CliError when nothing answers."""
        import httpx2

        try:
            response = self._client.request(
                method,
                path,
                json=body,
                content=content,
                params={name: value for name, value in (query or {}).items() if value is not None},
                headers=headers,
            )
        except httpx2.HTTPError as error:
            raise self._no_answer(error) from None
        if response.is_error:
            raise _refusal(response)
        return response.json() if response.content else None

    def pages(self, path: str, query: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Every item of a list, over all its pages."""
        items, cursor = list[dict[str, Any]](), None
        while True:
            page = self.call("GET", path, query={**(query or {}), "limit": 200, "cursor": cursor})
            items += page["items"]
            cursor = page.get("next_cursor")
            if not cursor:
                return items

    def stream(self, path: str, last_event_id: str | None) -> "Iterator[str]":
        """The lines of a server-sent event stream as they come, until the server or the caller ends it."""
        headers = {"accept": "text/event-stream"}
        if last_event_id is not None:
            headers["last-event-id"] = last_event_id
        yield from self.lines("GET", path, headers=headers, silent_s=60)

    def lines(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
        silent_s: float = TIMEOUT_S,
    ) -> "Iterator[str]":
        """The lines of a long answer as they come, until it ends, breaks off, or `silent_s` pass without one. Raises
        Refused, or CliError when nothing answers."""
        import httpx2

        timeout = httpx2.Timeout(TIMEOUT_S, read=silent_s)
        try:
            with self._client.stream(
                method, path, params=query, headers=headers, content=content, timeout=timeout
            ) as answer:
                if answer.is_error:
                    answer.read()
                    raise _refusal(answer)
                yield from answer.iter_lines()
        except httpx2.ConnectError as error:
            raise self._no_answer(error) from None
        except httpx2.HTTPError:
            return

    def _no_answer(self, error: "httpx2.HTTPError") -> CliError:
        return CliError(
            f"nothing answers at {self._url} ({type(error).__name__}): start it with `fettle up`, or set FETTLE_URL"
        )


def org_api(installation: Installation) -> Api:
    """The API as the caller of this installation."""
    return Api(installation.url, installation.token)


def org_path(org: str, *parts: object) -> str:
    """A path under an org; `/` inside a part stays, as ids of subjects may hold it."""
    return "/".join(["orgs", quote(org, safe=""), *(quote(str(part)) for part in parts)])


def _refusal(response: "httpx2.Response") -> Refused:
    """What a problem detail says, in one line; the status when the answer is none."""
    try:
        problem = dict(response.json())
        text = str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        return Refused(f"{response.request.url} answered {response.status_code} {response.reason_phrase}", {})
    if problem.get("field"):
        text = f"{problem['field']}: {text}"
    if response.status_code == 401:
        text += " (set FETTLE_TOKEN)"
    return Refused(f"{text} [{problem.get('code', response.status_code)}]", problem)
