"""A web server on this machine that answers as it is told, byte for byte, and remembers what it was asked."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from fettle_workflow_engine.adapters.destinations import Destinations
from fettle_workflow_engine.domain.destinations import Address, Allowed


@dataclass(frozen=True)
class Asked:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class WebServer:
    """`answer` makes the bytes of an answer; None: the connection is reset; a number: that many seconds of silence."""

    answer: Callable[[Asked], bytes | float | None]
    asked: list[Asked] = field(default_factory=list)
    port: int = 0

    def url(self, path: str = "/", host: str = "hooks.example") -> str:
        return f"http://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = head[0].split(" ")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            asked = Asked(method, target, headers, body)
            self.asked.append(asked)
            answer = self.answer(asked)
            if answer is None:
                writer.transport.abort()
                return
            if isinstance(answer, float):
                await asyncio.sleep(answer)
                return
            writer.write(answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()


def answer(status: int = 200, body: Any = b"", content_type: str = "text/plain", **headers: str) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = content_type if isinstance(body, bytes) else "application/json"
    lines = [f"HTTP/1.1 {status} Whatever", f"content-length: {len(content)}", f"content-type: {kind}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "connection: close", "", ""]).encode() + content


@asynccontextmanager
async def web_server(
    answers: Callable[[Asked], bytes | float | None], tls: ssl.SSLContext | None = None
) -> AsyncIterator[WebServer]:
    served = WebServer(answers)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0, ssl=tls)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        server.close_clients() if hasattr(server, "close_clients") else None
        await asyncio.sleep(0)


def here(*allowed: str) -> Destinations:
    """Names under `.example` lead to this machine, which is allowed; others lead where the system says."""

    async def lookup(host: str, port: int) -> Sequence[Address]:
        return [ip_address("127.0.0.1")] if host.endswith(".example") else [ip_address("10.0.0.1")]

    return Destinations(Allowed.parse(",".join(allowed or ("127.0.0.1",))), lookup)
