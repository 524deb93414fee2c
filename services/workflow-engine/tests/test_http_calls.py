"""`http.request` against a server of this machine: what it sends, and what it makes of answers."""

import asyncio
import contextlib
import gzip
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpcore2
import pytest
from mail_server import contexts
from web_server import Asked, answer, here, web_server

from fettle_workflow_engine.adapters.destinations import Destinations
from fettle_workflow_engine.adapters.http_calls import HttpCalls, retry_after
from fettle_workflow_engine.adapters.secret_calls import redacted
from fettle_workflow_engine.domain.calls import Done, Failed, Outcome, OutsideCall, Retry
from fettle_workflow_engine.domain.destinations import Allowed
from fettle_workflow_engine.domain.secrets import Redaction
from fettle_workflow_engine.domain.sizes import beginning_of

NOW = datetime(2026, 11, 23, 10, 15, 30, tzinfo=UTC)
TLS = httpcore2.default_ssl_context()
CALL_ID = UUID("6f7d3c0e-0000-5000-8000-000000000001")


async def call(destinations: Destinations | None = None, **request: Any) -> Outcome:
    calls = HttpCalls(destinations or here(), lambda: NOW, TLS)
    return redacted(await calls.perform(OutsideCall(CALL_ID, "acme", "http.request", request)), Redaction([]))


def failed(outcome: Outcome) -> tuple[str, str]:
    assert isinstance(outcome, Failed), outcome
    return outcome.failure.code, outcome.failure.message


def again(outcome: Outcome) -> tuple[str, float | None]:
    assert isinstance(outcome, Retry), outcome
    return outcome.failure.code, outcome.after_s


@pytest.mark.rule("WF-90")
async def test_a_request_goes_out_and_its_answer_can_be_used() -> None:
    made = answer(201, {"id": 7, "parts": [1.5, None]}, etag='"v1"', set_cookie="a=b", location="/orders/7")
    async with web_server(lambda _: made) as server:
        outcome = await call(
            method="post",
            url=server.url("/orders?a=1"),
            query={"q": "ö &", "n": 2},
            headers={"X-Kind": "door", "Accept": "application/json"},
            body={"title": "Lift 3", "open": True},
        )
    assert outcome == Done({
        "status": 201,
        "headers": {"content-type": "application/json", "etag": '"v1"', "location": "/orders/7"},
        "body": {"id": 7, "parts": [1.5, None]},
        "cut": False,
    })  # fmt: skip
    (asked,) = server.asked
    assert (asked.method, asked.target) == ("POST", "/orders?a=1&q=%C3%B6+%26&n=2")
    assert asked.body == b'{"title": "Lift 3", "open": true}'
    assert asked.headers == {
        "host": f"hooks.example:{server.port}",
        "user-agent": "Fettle",
        "accept-encoding": "identity",
        "idempotency-key": str(CALL_ID),
        "x-kind": "door",
        "accept": "application/json",
        "content-type": "application/json",
        "content-length": str(len(asked.body)),
    }


@pytest.mark.rule("WF-147")
async def test_a_call_says_how_deep_its_run_is() -> None:
    """On the way to another origin too; a document cannot say otherwise."""
    elsewhere: list[str] = []
    async with web_server(lambda asked: answer(302, location=elsewhere[0]) if asked.target == "/go" else answer()) as a:
        elsewhere.append(a.url("/here", "other.example"))
        assert isinstance(await call(url=a.url("/go"), depth=3), Done)
        code, _ = failed(await call(url=a.url(), depth=3, headers={"Fettle-Causation-Depth": "0"}))
    assert [one.headers["fettle-causation-depth"] for one in a.asked] == ["3", "3"]
    assert code == "input_invalid"


@pytest.mark.rule("WF-90")
async def test_text_goes_as_text_and_the_default_is_to_get() -> None:
    async with web_server(lambda asked: answer(200, asked.body or b"nothing")) as server:
        assert await call(url=server.url()) == Done(
            {"status": 200, "headers": {"content-type": "text/plain"}, "body": "nothing", "cut": False}
        )
        outcome = await call(url=server.url(), method="PUT", body="Grüße", headers={"user-agent": "me"})
        assert isinstance(outcome, Done)
        assert outcome.output["body"] == "Grüße"
    first, second = server.asked
    assert (first.method, first.body) == ("GET", b"")
    assert (second.headers["content-type"], second.headers["user-agent"]) == ("text/plain; charset=utf-8", "me")


@pytest.mark.rule("WF-93")
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
async def test_what_may_pass_is_tried_again(status: int) -> None:
    async with web_server(lambda _: answer(status, b"busy", retry_after="17")) as server:
        assert again(await call(url=server.url())) == ("status_unexpected", 17.0)


@pytest.mark.rule("WF-93")
@pytest.mark.parametrize("status", [300, 400, 401, 403, 404, 409, 410, 422])
async def test_what_does_not_pass_fails_at_once(status: int) -> None:
    async with web_server(lambda _: answer(status, b"because")) as server:
        assert failed(await call(url=server.url())) == ("status_unexpected", f"The answer was {status}: because.")


@pytest.mark.rule("WF-93")
async def test_a_document_says_which_statuses_it_expects() -> None:
    async with web_server(lambda asked: answer(int(asked.target[1:]), location="/200")) as server:
        for expects in ("404", 404, "200-299, 404", "400-499"):
            outcome = await call(url=server.url("/404"), expects=expects)
            assert isinstance(outcome, Done), expects
        assert isinstance(await call(url=server.url("/503"), expects="503"), Done)
        assert isinstance(await call(url=server.url("/302"), expects="302"), Done)
        assert failed(await call(url=server.url("/200"), expects="404"))[0] == "status_unexpected"


@pytest.mark.rule("WF-93")
async def test_a_network_that_fails_is_tried_again() -> None:
    async with web_server(lambda _: None) as server:
        assert again(await call(url=server.url())) == ("network", None)
    assert again(await call(url=server.url())) == ("network", None)
    async with web_server(lambda _: b"what is HTTP\r\n\r\n") as server:
        assert again(await call(url=server.url())) == ("network", None)
    async with web_server(lambda _: b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf") as server:
        assert again(await call(url=server.url())) == ("network", None)
    async with web_server(lambda _: 30.0) as server:
        assert again(await call(url=server.url(), timeout_s=0.2)) == ("timeout", None)


@pytest.mark.rule("WF-93")
async def test_a_name_that_leads_nowhere_is_tried_again() -> None:
    destinations = Destinations(Allowed())
    assert again(await call(destinations, url="https://nothing.invalid/")) == ("network", None)


@pytest.mark.rule("WF-94")
async def test_of_large_answers_the_beginning_is_kept() -> None:
    for sign, signs in (("x", 49_150), ("\n", 24_575), ("\x01", 8_191), ("ö", 24_575)):
        async with web_server(lambda _, sign=sign: answer(200, sign.encode() * 70_000)) as server:  # type: ignore[misc]
            outcome = await call(url=server.url())
        assert isinstance(outcome, Done)
        assert (outcome.output["body"], outcome.output["cut"]) == (sign * signs, True)
        assert beginning_of(outcome.output) is None
    endless = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n" + b"y" * 3_000_000
    async with web_server(lambda _: endless) as server:
        outcome = await call(url=server.url())
    assert isinstance(outcome, Done)
    assert (len(outcome.output["body"]), outcome.output["cut"]) == (49_150, True)
    async with web_server(lambda _: answer(200, ["z" * 70_000])) as server:
        outcome = await call(url=server.url())
    assert isinstance(outcome, Done)
    assert (outcome.output["status"], outcome.output["body"], outcome.output["cut"]) == (200, None, True)


@pytest.mark.rule("WF-94")
@pytest.mark.parametrize("packed", [False, True])
async def test_exactly_1_mib_of_an_answer_is_read_and_not_one_byte_more(packed: bool) -> None:
    for size, read in ((1_048_576, ({"a": 1}, False)), (1_048_577, (None, True))):
        content, headers = b'{"a": 1}'.ljust(size), {"content_encoding": "gzip"} if packed else {}
        made = answer(200, gzip.compress(content) if packed else content, "application/json", **headers)
        async with web_server(lambda _, made=made: made) as server:  # type: ignore[misc]
            outcome = await call(url=server.url())
        assert isinstance(outcome, Done)
        assert (outcome.output["body"], outcome.output["cut"]) == read


@pytest.mark.rule("WF-94")
async def test_packed_answers_are_unpacked_only_so_far() -> None:
    for pack, encoding in ((gzip.compress, "gzip"), (zlib.compress, "deflate")):
        small = answer(200, pack(b'{"a": 1}'), "application/json", content_encoding=encoding)
        async with web_server(lambda _, made=small: made) as server:  # type: ignore[misc]
            outcome = await call(url=server.url())
        assert isinstance(outcome, Done)
        assert outcome.output["body"] == {"a": 1}
        bomb = answer(200, pack(b"0" * 200_000_000), "application/json", content_encoding=encoding)
        async with web_server(lambda _, made=bomb: made) as server:  # type: ignore[misc]
            outcome = await call(url=server.url())
        assert isinstance(outcome, Done)
        assert (outcome.output["body"], outcome.output["cut"]) == (None, True)
    async with web_server(lambda _: answer(200, b"\x28\xb5", content_encoding="zstd")) as server:
        outcome = await call(url=server.url())
    assert isinstance(outcome, Done)
    assert (outcome.output["body"], outcome.output["cut"]) == (None, True)


@pytest.mark.rule("WF-94")
@pytest.mark.parametrize(
    "body",
    [b"NaN", b"1e999", b"[Infinity]", b"{", b"[" * 40_000, b"[" * 101 + b"]" * 101, b"9" * 5_000, b"\xff\xfe", b"'a'"],
)
async def test_json_that_is_none_is_text(body: bytes) -> None:
    async with web_server(lambda _: answer(200, body, "application/json")) as server:
        outcome = await call(url=server.url())
    assert isinstance(outcome, Done)
    assert outcome.output["body"] == body.decode(errors="replace")


def hop(asked: Asked, port: int) -> bytes:
    """`/<status>/<where>`: `a` and `b` are two origins, `loop` comes back here."""
    status, where = asked.target.strip("/").split("/")[:2]
    if where == "end":
        return answer(200, asked.method.encode())
    host = {"a": "hooks.example", "b": "other.example"}.get(where, "hooks.example")
    target = f"/{status}/end" if where in "ab" else asked.target
    return answer(int(status), location=f"http://{host}:{port}{target}")


@pytest.mark.rule("WF-95")
@pytest.mark.parametrize(
    ("status", "where", "method", "seen"),
    [
        (301, "a", "GET", "GET"), (302, "a", "POST", "GET"), (303, "a", "PUT", "GET"), (307, "a", "POST", "POST"),
        (308, "a", "DELETE", "DELETE"), (302, "b", "POST", "GET"), (307, "b", "GET", "GET"), (303, "b", "HEAD", "HEAD"),
    ],
)  # fmt: skip
async def test_redirects_are_followed(status: int, where: str, method: str, seen: str) -> None:
    async with web_server(lambda asked: hop(asked, server.port)) as server:
        headers = {"authorization": "Bearer key", "x-api-key": "key", "cookie": "key", "accept": "*/*"}
        body = "once" if method not in ("GET", "HEAD") else None
        outcome = await call(method=method, url=server.url(f"/{status}/{where}"), headers=headers, body=body)
    assert isinstance(outcome, Done), outcome
    last = server.asked[-1]
    assert (len(server.asked), last.method) == (2, seen)
    assert last.headers["host"].split(":")[0] == ("other.example" if where == "b" else "hooks.example")
    if where == "b":
        assert last.headers.keys() == {"host", "accept", "accept-encoding", "user-agent"}
        assert last.body == b""
    else:
        assert last.headers["authorization"] == "Bearer key"
        assert last.headers["idempotency-key"] == str(CALL_ID)
        assert last.body == (b"once" if seen == method and body else b"")
        assert ("content-type" in last.headers) is bool(last.body)


@pytest.mark.rule("WF-95")
async def test_redirects_end() -> None:
    async with web_server(lambda asked: hop(asked, server.port)) as server:
        code, message = failed(await call(url=server.url("/302/loop")))
        assert (code, message) == ("redirect_refused", "Not followed: there were more than 5 redirects.")
        assert len(server.asked) == 6
        code, message = failed(await call(method="POST", url=server.url("/307/b"), body="x"))
        assert (code, "POST was to be sent again" in message) == ("redirect_refused", True)
        assert len(server.asked) == 7


@pytest.mark.rule("WF-91", "WF-95")
@pytest.mark.parametrize(
    "target",
    [
        "http://intranet.test/", "http://127.0.0.1:22/", "http://[::1]/", "http://2130706433/", "http://0x7f.1/",
        "file:///etc/passwd", "gopher://hooks.example/", "http://ann:pw@hooks.example/", "//intranet.test/x",
        "http://hooks.example\\@intranet.test/", "http://169.254.169.254/latest/meta-data/", "javascript:alert(1)",
    ],
)  # fmt: skip
async def test_each_redirect_is_judged_anew(target: str) -> None:
    destinations = here("hooks.example")
    async with web_server(lambda _: answer(302, location=target)) as server:
        assert failed(await call(destinations, url=server.url()))[0] == "address_refused"
    assert len(server.asked) == 1


@pytest.mark.rule("WF-91")
@pytest.mark.parametrize(
    "url",
    [
        "http://intranet.test/", "http://127.0.0.1/", "http://[::ffff:127.0.0.1]/", "http://[::]/", "http://0/",
        "http://017700000001/", "http://127.1/", "ftp://hooks.example/", "//hooks.example/", "hooks.example", "http://",
        "http:///x", "http://ann@hooks.example/", "http://hooks.example /", "http://hooks.example\r\nx: y/",
        "http://hooks.example\\@intranet.test/", "http://1.1.1.1:22/", "https://localhost./",
    ],
)  # fmt: skip
async def test_nothing_is_sent_where_calls_may_not_go(url: str) -> None:
    code, _ = failed(await call(Destinations(Allowed()) if "localhost" in url else here("nothing.test"), url=url))
    assert code == "address_refused"


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({"method": "TRACE"}, "method must be one of"),
        ({"headers": {"host": "x"}}, "'host' is no header to set"),
        ({"headers": {"x y": "x"}}, "'x y' is no header to set"),
        ({"headers": {"x": "a\r\nb: c"}}, "one line of ASCII"),
        ({"headers": {"x": "ö"}}, "one line of ASCII"),
        ({"headers": ["x"]}, "headers must be an object"),
        ({"query": "a=b"}, "query must be an object"),
        ({"query": {"a": ["b"]}}, "query.a must be text"),
        ({"timeout_s": 61}, "timeout_s must be a number of seconds up to 60"),
        ({"timeout_s": 0}, "timeout_s must be"),
        ({"timeout_s": "soon"}, "timeout_s must be"),
        ({"timeout_s": True}, "timeout_s must be"),
        ({"timeout_s": float("nan")}, "timeout_s must be"),
        ({"expects": "2xx"}, "expects must be statuses"),
        ({"expects": "300-200"}, "expects must be statuses"),
        ({"body": "x" * 1_048_577}, "body is longer than 1 MiB"),
        ({"url": "http://hooks.example:99999/"}, "cannot be sent"),
        ({"url": None}, "url must be text"),
    ],
)
async def test_requests_that_cannot_be_sent_are_not(request_: dict[str, Any], told: str) -> None:
    code, message = failed(await call(**{"url": "http://hooks.example/", **request_}))
    assert code == "input_invalid"
    assert told in message


@pytest.mark.rule("WF-93")
@pytest.mark.parametrize(
    ("value", "after_s"),
    [
        ("0", 0.0), ("120", 120.0), (" 7 ", 7.0), ("Mon, 23 Nov 2026 10:16:00 GMT", 30.0), ("soon", None), ("-5", None),
        ("Mon, 23 Nov 2026 10:00:00 GMT", 0.0), (None, None), ("", None), ("1.5", None), ("9" * 400, 999_999_999.0),
        ("Mon, 23 Nov 2026 10:16:00 -0000", 30.0), ("Mon, 23 Nov 2026 12:16:00 +0200", 30.0),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(value: str | None, after_s: float | None) -> None:
    assert retry_after(value, NOW) == after_s


@pytest.mark.rule("WF-91")
async def test_tls_and_host_keep_the_name_and_the_connection_the_address(tmp_path: Path) -> None:
    served, trusting = contexts(tmp_path, "hooks.example")
    names: list[str | None] = []
    served.sni_callback = lambda _connection, name, _context: names.append(name)
    async with web_server(lambda _: answer(200, b"ok"), tls=served) as server:
        calls = HttpCalls(here(), lambda: NOW, trusting)
        for host, done in (("hooks.example", True), ("other.example", False)):
            request = {"url": f"https://{host}:{server.port}/"}
            outcome = await calls.perform(OutsideCall(CALL_ID, "acme", "http.request", request))
            assert isinstance(outcome, Done) is done, outcome
    assert names == ["hooks.example", "other.example"]
    assert again(outcome) == ("network", None)
    (asked,) = server.asked
    assert asked.headers["host"] == f"hooks.example:{server.port}"


async def test_names_in_other_scripts_go_in_their_wire_form() -> None:
    async with web_server(lambda _: answer(200, b"ok")) as server:
        assert isinstance(await call(url=server.url(host="bücher.example")), Done)
    assert server.asked[0].headers["host"] == f"xn--bcher-kva.example:{server.port}"


@pytest.mark.rule("WF-93")
async def test_an_answer_that_drips_is_no_answer_in_time() -> None:
    ended = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()
        ended.set()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert again(await call(url=f"http://hooks.example:{port}/", timeout_s=0.5)) == ("timeout", None)
    server.close()
    async with asyncio.timeout(60):
        await ended.wait()
