"""A small Fettle that answers over real HTTP: enough of the API to try the command line against."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

AT = "2026-11-23T10:17:02.140Z"
Answer = tuple[int, Any]


@dataclass
class Request:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class FettleApi:
    """Answers by method and path, a text as it is; what was asked stands in `requests`. `streams` are sent one per
    connection."""

    url: str = ""
    answers: dict[tuple[str, str], Answer] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    streams: list[str] = field(default_factory=list)

    def on(self, method: str, path: str, body: Any, status: int = 200) -> None:
        self.answers[method, f"/api/v1/{path}"] = (status, body)

    def refuse(self, method: str, path: str, status: int, code: str, detail: str, **more: Any) -> None:
        self.on(method, path, {"title": "No", "status": status, "code": code, "detail": detail, **more}, status)

    def demo(self) -> None:
        """Answers as a console does that `fettle up` sets the demo up with, also again with the token that it made."""
        self.answers["GET", "/readyz"] = (200, {})
        self.on("POST", "orgs", {"org": "demo"}, 201)
        self.on("GET", "orgs", {"items": [{"org": "demo"}], "next_cursor": None})
        self.on("POST", "orgs/demo/tokens", {"token": "demo-s3cret"}, 201)
        self.on("GET", "orgs/demo/health-policy", {"enabled": False, "version": 0})
        self.on("PUT", "orgs/demo/health-policy", {"enabled": True, "version": 1})
        self.on("POST", "orgs/demo/workflows", {"name": "demo"}, 201)

    @property
    def last(self) -> Request:
        return self.requests[-1]


def ticket(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"0198c2f0-1b5e-7c00-8000-{number:012d}",
        "number": number,
        "title": "Device offline: Thermostat 17",
        "description": "Look **here**.",
        "description_version": 3,
        "state": "open",
        "source": "health_monitor",
        "kind": "device_offline",
        "subject": {"type": "device", "id": "t17", "name": "Thermostat 17"},
        "integration": "hue-1",
        "space": "oslo/hq/3",
        "opened_at": AT,
        "opened_by": {"type": "health_monitor"},
        "url": f"http://127.0.0.1:8080/orgs/acme/tickets/{number}",
        **changes,
    }


@contextmanager
def serving(port: int = 0) -> Iterator[FettleApi]:
    """The API on a port of 127.0.0.1 (0: a free one), for as long as the block lasts."""
    api = FettleApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            split = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(
                self.command, unquote(split.path), dict(parse_qsl(split.query)), headers, self.rfile.read(size)
            )
            api.requests.append(request)
            if request.path.endswith("/events"):
                self._stream()
                return
            problem = {"title": "Not found", "status": 404, "code": "not_found", "detail": f"No {request.path}."}
            status, body = api.answers.get((request.method, request.path), (404, problem))
            text = body if isinstance(body, (str, bytes)) else json.dumps(body)
            self._send(status, text if isinstance(text, bytes) else text.encode(), "application/json")

        do_GET = do_POST = do_PUT = do_DELETE = _answer

        def _stream(self) -> None:
            self._send(200, (api.streams.pop(0) if api.streams else "").encode(), "text/event-stream")

        def _send(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
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
