"""Whatever a document asks for and a server answers, a call has an outcome: nothing of it ends the engine."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpcore2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web_server import here, web_server

from fettle_workflow_engine.adapters.destinations import Destinations
from fettle_workflow_engine.adapters.http_calls import HttpCalls, retry_after
from fettle_workflow_engine.domain.calls import Done, Failed, Outcome, OutsideCall, Retry
from fettle_workflow_engine.domain.destinations import Address, Allowed
from fettle_workflow_engine.domain.http_requests import read_body
from fettle_workflow_engine.domain.notifications import Message, read_message
from fettle_workflow_engine.domain.resolve import InputFailed
from fettle_workflow_engine.domain.secrets import Redaction
from fettle_workflow_engine.domain.sizes import beginning_of

NOW = datetime(2026, 11, 23, 10, 15, 30, tzinfo=UTC)
TLS = httpcore2.default_ssl_context()
TEXT = st.text(st.characters(), max_size=30)
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | TEXT, lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)), max_leaves=8)  # fmt: skip
URL = st.one_of(
    TEXT,
    TEXT.map(lambda text: f"http://{text}"),
    TEXT.map(lambda text: f"https://a.example/{text}"),
    TEXT.map(lambda text: f"https://a.example:{text}/?{text}#{text}"),
)


async def nowhere(host: str, port: int) -> Sequence[Address]:
    raise OSError("no such name")


async def perform(destinations: Destinations, request: dict[str, Any]) -> Outcome:
    return await HttpCalls(destinations, lambda: NOW, TLS).perform(
        OutsideCall(UUID(int=1), "acme", "http.request", request)
    )


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {"url": URL | JSON},
        optional={
            "method": st.sampled_from(["GET", "POST"]) | JSON,
            "query": st.dictionaries(TEXT, TEXT, max_size=3) | JSON,
            "headers": st.dictionaries(TEXT, TEXT, max_size=3) | JSON,
            "body": JSON,
            "timeout_s": JSON,
            "expects": st.sampled_from([200, "200-299, 404"]) | JSON,
        },
    )
)
def test_any_request_has_an_outcome(request_: dict[str, Any]) -> None:
    outcome = asyncio.run(perform(Destinations(Allowed(), nowhere), request_))
    assert isinstance(outcome, Failed | Retry)


KNOWN_LINES = [
    b"content-length: 5", b"content-encoding: gzip", b"transfer-encoding: chunked", b"location: http://b.example/",
    b"location: \xff", b"retry-after: x", b"content-type: application/json; charset=punycode",
    b"content-type: text/html; charset=utf-16",
]  # fmt: skip
LINES = st.lists(st.binary(max_size=20) | st.sampled_from(KNOWN_LINES), max_size=4)


@pytest.mark.rule("WF-93", "WF-94")
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([b"200", b"302", b"404", b"503", b"101", b"100", b"0", b"abc"]), LINES, st.binary(max_size=60))
def test_any_answer_has_an_outcome(status: bytes, lines: list[bytes], body: bytes) -> None:
    said = b"\r\n".join([b"HTTP/1.1 " + status + b" X", *lines, b"", body])

    async def ask() -> Outcome:
        async with web_server(lambda _: said) as server:
            return await perform(here(), {"url": server.url(), "timeout_s": 2})

    outcome = asyncio.run(ask())
    assert isinstance(outcome, Done | Failed | Retry)
    if isinstance(outcome, Done):
        json.dumps(outcome.output, allow_nan=False)


@given(st.binary(max_size=300), st.sampled_from(["application/json", "text/plain", "a/b+json; charset=utf-16", ""]))
def test_any_body_can_be_kept(content: bytes, kind: str) -> None:
    body, _ = read_body(content, kind, whole=True)
    kept = json.dumps(Redaction(["tangerine"])({"body": body}), allow_nan=False)
    assert "\\u0000" not in kept
    assert beginning_of(body) is None


@given(TEXT | st.sampled_from(["Mon, 23 Nov 2026 10:16:00 +999999999", "Mon, 23 Nov 99999 10:16:00 GMT", "1 Jan 1"]))
def test_any_retry_after_is_read_or_not(value: str) -> None:
    after_s = retry_after(value, NOW)
    assert after_s is None or after_s >= 0


@given(
    st.fixed_dictionaries({"text": TEXT | JSON, "channel": TEXT | JSON}, optional={"subject": JSON, "to": JSON | TEXT})
)
def test_any_message_is_read_or_refused(request_: dict[str, Any]) -> None:
    try:
        message = read_message(UUID(int=1), "acme", request_)
    except InputFailed:
        return
    assert isinstance(message, Message)
    assert "\x00" not in message.text + message.subject + message.channel
    (message.text + message.subject + message.channel).encode()
