"""A small API over real HTTP that answers as it is told, and both clients for it."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fettle_client import AsyncFettle, Fettle

BREAK = None
"""Instead of an answer: the connection is closed."""


@dataclass
class Answer:
    """`more_bytes` says that so many are still to come, which never do."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    more_bytes: int = 0

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


@dataclass
class SmallApi:
    """Gives `answers` one after the other, the last one again and again."""

    url: str
    answers: list[Answer | None]
    asked: list[Asked] = field(default_factory=list)

    def next(self) -> Answer | None:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def serving(*answers: Answer | None) -> Iterator[SmallApi]:
    """The API on a free port for as long as the block lasts."""
    api = SmallApi("", list(answers))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            split = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            api.asked.append(Asked(self.command, split.path, parse_qs(split.query), headers, body))
            answer = api.next()
            if answer is BREAK:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in {"content-type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer.content) + answer.more_bytes))
            self.end_headers()
            self.wfile.write(answer.content)
            self.close_connection = self.close_connection or answer.more_bytes > 0

        do_GET = do_POST = do_PUT = do_DELETE = _answer

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Plain:
    """Asks by the plain client."""

    def call(self, url: str, do: Callable[[Any], Any], **more: Any) -> Any:
        with Fettle(url, "s3cret", "acme", **more) as fettle:
            return do(fettle)

    def items(self, url: str, do: Callable[[Any], Any], first: int = 1000, **more: Any) -> list[Any]:
        with Fettle(url, "s3cret", "acme", **more) as fettle:
            return [item for _, item in zip(range(first), do(fettle), strict=False)]


class Asynchronous:
    """Asks by the other one."""

    def call(self, url: str, do: Callable[[Any], Awaitable[Any]], **more: Any) -> Any:
        async def called() -> Any:
            async with AsyncFettle(url, "s3cret", "acme", **more) as fettle:
                return await do(fettle)

        return asyncio.run(called())

    def items(self, url: str, do: Callable[[Any], Any], first: int = 1000, **more: Any) -> list[Any]:
        async def listed() -> list[Any]:
            found = list[Any]()
            async with AsyncFettle(url, "s3cret", "acme", **more) as fettle:
                async for item in do(fettle):
                    found.append(item)
                    if len(found) == first:
                        break
            return found

        return asyncio.run(listed())


Client = Plain | Asynchronous
