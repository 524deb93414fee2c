"""What is sent, what comes back, and what does not end well."""

import asyncio
import json
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx2
import pytest
from small_api import Answer, Client, serving

from fettle_client import AsyncFettle, BrokenOff, Fettle, FettleError, Refused, Unreachable
from fettle_client.requests import instant

PROBLEM = {
    "title": "Stale",
    "status": 412,
    "code": "description_changed",
    "detail": "The description has changed since.",
    "field": "If-Match",
    "description": "New text.",
}


@pytest.mark.rule("CL-2")
def test_an_answer_is_what_the_api_sent_also_what_nobody_knows_yet(client: Client) -> None:
    sent = {"number": 42, "title": "Lift 3", "of_a_later_version": [1]}
    with serving(Answer(201, sent)) as api:
        lift = {"type": "other", "id": "lift-3"}
        opened = client.call(api.url, lambda fettle: fettle.open_ticket("Lift 3", lift, links=[], space="oslo/hq"))
    assert opened == sent
    (asked,) = api.asked
    assert (asked.method, asked.path, asked.query) == ("POST", "/api/v1/orgs/acme/tickets", {})
    assert json.loads(asked.body) == {"title": "Lift 3", "subject": lift, "links": [], "space": "oslo/hq"}
    assert asked.headers["authorization"] == "Bearer s3cret"
    assert asked.headers["content-type"] == "application/json"


@pytest.mark.rule("CL-2")
def test_an_empty_answer_is_none(client: Client) -> None:
    with serving(Answer(204, b"")) as api:
        assert client.call(api.url, lambda fettle: fettle.remove_silence("a/b")) is None
    assert api.asked[0].path == "/api/v1/orgs/acme/silences/a%2Fb"


@pytest.mark.rule("CL-2")
def test_a_subject_keeps_its_slashes_and_nothing_else_acts_in_a_path(client: Client) -> None:
    with serving(Answer(200, {})) as api:
        client.call(api.url, lambda fettle: fettle.get_subject("device/gw/7?#å"))
    assert (api.asked[0].path, api.asked[0].query) == ("/api/v1/orgs/acme/subjects/device/gw/7%3F%23%C3%A5", {})


@pytest.mark.rule("AC-195")
def test_dots_in_a_name_lead_nowhere_and_half_a_character_is_sent_as_json_writes_it(client: Client) -> None:
    with serving(Answer(200, {})) as api:
        client.call(api.url, lambda fettle: fettle.put_secret("..", "\ud800å"))
        client.call(api.url, lambda fettle: fettle.get_subject("device/../../tokens"))
    assert [asked.path for asked in api.asked] == [
        "/api/v1/orgs/acme/secrets/%2E%2E",
        "/api/v1/orgs/acme/subjects/device/%2E%2E/%2E%2E/tokens",
    ]
    assert api.asked[0].body == b'{"value": "\\ud800' + "å".encode() + b'"}'


@pytest.mark.rule("AC-194")
def test_a_client_may_have_another_way_to_send_what_it_asks() -> None:
    """And then opens no connection of its own, nor reads what certificates are trusted."""
    asked: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(200, json={"number": 42})

    with Fettle("http://nowhere", "s3cret", "acme", transport=httpx2.MockTransport(answer)) as fettle:
        assert fettle.get_ticket(42)["number"] == 42

    async def asynchronous() -> Any:
        async with AsyncFettle("http://nowhere", "s3cret", "acme", transport=httpx2.MockTransport(answer)) as fettle:
            return await fettle.get_ticket(42)

    assert asyncio.run(asynchronous()) == {"number": 42}
    assert [str(one.url) for one in asked] == ["http://nowhere/api/v1/orgs/acme/tickets/42"] * 2


@pytest.mark.rule("AC-194")
def test_what_such_a_way_raises_of_its_own_comes_through() -> None:
    def away(request: httpx2.Request) -> httpx2.Response:
        raise LookupError(request.url.path)

    with (
        Fettle("http://nowhere", "s3cret", "acme", transport=httpx2.MockTransport(away)) as fettle,
        pytest.raises(LookupError, match="/api/v1/orgs/acme/ticket-policy"),
    ):
        fettle.get_ticket_policy()


@pytest.mark.rule("CL-2")
def test_a_query_says_times_switches_and_several_as_the_api_reads_them(client: Client) -> None:
    oslo = timezone(timedelta(hours=1))
    with serving(Answer(200, {"items": [], "next_cursor": None})) as api:
        client.call(api.url, lambda fettle: fettle.explain("device/t17", at=datetime(2026, 12, 1, 1, 0, tzinfo=oslo)))
        client.call(api.url, lambda fettle: fettle.silence_selection(60, space="oslo", dry_run=True))
        client.items(api.url, lambda fettle: fettle.list_silences(state=["active", "ended"]))
    why, silence, silences = api.asked
    assert why.query == {"subject": ["device/t17"], "at": ["2026-12-01T00:00:00.000Z"]}
    assert silence.query == {"dry_run": ["true"]}
    assert silences.query == {"state": ["active", "ended"], "limit": ["200"]}
    with pytest.raises(ValueError, match="time zone"):
        instant(datetime(2026, 12, 1))  # noqa: DTZ001 - a time without a zone is what is refused


@pytest.mark.rule("CL-3")
def test_a_refusal_says_all_that_the_problem_detail_says(client: Client) -> None:
    with serving(Answer(412, PROBLEM)) as api, pytest.raises(Refused) as caught:
        client.call(api.url, lambda fettle: fettle.edit_description(42, "Mine.", description_version=3))
    refused = caught.value
    assert (refused.status, refused.code, refused.field) == (412, "description_changed", "If-Match")
    assert refused.message == PROBLEM["detail"]
    assert refused.problem == PROBLEM
    assert str(refused) == "If-Match: The description has changed since. [description_changed]"
    assert api.asked[0].headers["if-match"] == '"3"'


@pytest.mark.rule("CL-3")
@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"code": "x"}', b""])
def test_a_refusal_that_is_no_problem_detail_is_named_by_its_status(client: Client, body: bytes) -> None:
    with serving(Answer(502, body)) as api, pytest.raises(Refused) as caught:
        client.call(api.url, lambda fettle: fettle.get_ticket(42))
    assert (caught.value.status, caught.value.code, caught.value.field) == (502, "", None)
    assert str(caught.value) == f"{api.url}/api/v1/orgs/acme/tickets/42 answered 502 Bad Gateway"


@pytest.mark.rule("CL-3")
def test_nobody_there_is_no_refusal(client: Client) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(Unreachable, match="nothing answers at http://"):
            client.call(url, lambda fettle: fettle.get_ticket(42), patience_s=0)


@pytest.mark.rule("CL-3")
def test_what_is_no_answer_of_fettle_is_said_to_be_none(client: Client) -> None:
    with serving(Answer(200, b"<html>")) as api, pytest.raises(FettleError, match=r"answered 200 .* not JSON"):
        client.call(api.url, lambda fettle: fettle.get_ticket(42))
    with serving(Answer(200, b"[" * 100_000)) as api, pytest.raises(FettleError, match=r"answered 200 .* not JSON"):
        client.call(api.url, lambda fettle: fettle.get_ticket(42))
    packed = {"content-encoding": "gzip"}
    with serving(Answer(200, b"no gzip", packed)) as api, pytest.raises(BrokenOff):
        client.call(api.url, lambda fettle: fettle.get_ticket(42))
    for content, headers in ((b"no gzip", packed), (b"[" * 100_000, {})):
        with serving(Answer(403, content, headers)) as api, pytest.raises(Refused, match="answered 403"):
            client.call(api.url, lambda fettle: fettle.get_ticket(42))
    with serving(Answer(302, b"", {"location": "/sign-in"})) as api, pytest.raises(Refused, match="302"):
        client.call(api.url, lambda fettle: fettle.get_ticket(42))


@pytest.mark.rule("CL-3")
def test_an_answer_that_breaks_off_is_none(client: Client) -> None:
    with serving(Answer(200, {"number": 42}, more_bytes=10)) as api, pytest.raises(BrokenOff):
        client.call(api.url, lambda fettle: fettle.get_ticket(42))
    assert len(api.asked) == 1


@pytest.mark.rule("CL-4")
def test_a_list_is_gone_through_by_cursors(client: Client) -> None:
    first, last = {"items": [{"number": 3}, {"number": 2}], "next_cursor": "a+b"}, {"items": [{"number": 1}]}
    with serving(Answer(200, first), Answer(200, {**last, "next_cursor": None})) as api:
        found = client.items(api.url, lambda fettle: fettle.list_tickets(state="all", limit=2))
    assert [ticket["number"] for ticket in found] == [3, 2, 1]
    assert [asked.query for asked in api.asked] == [
        {"state": ["all"], "limit": ["2"]},
        {"state": ["all"], "limit": ["2"], "cursor": ["a+b"]},
    ]


@pytest.mark.rule("CL-4")
def test_one_page_comes_as_it_is(client: Client) -> None:
    page = {"items": [{"id": "t17"}], "next_cursor": "c2", "as_of": "2026-11-23T10:17:02.140Z"}
    with serving(Answer(200, page)) as api:
        assert client.call(api.url, lambda fettle: fettle.list_subjects(cursor="c1").page()) == page
    assert [asked.query["cursor"] for asked in api.asked] == [["c1"]]


@pytest.mark.rule("CL-8")
def test_a_long_answer_comes_line_by_line(client: Client) -> None:
    lines = '{"line":2,"subject":"device/a\u2028b\x85c"}\n\n{"summary":{"added":1}}'.encode()
    with serving(Answer(200, lines)) as api:
        found = client.items(api.url, lambda fettle: fettle.import_subjects(b"type,id\n", format="csv", dry_run=True))
    assert found == [{"line": 2, "subject": "device/a\u2028b\x85c"}, {"summary": {"added": 1}}]
    assert (api.asked[0].headers["content-type"], api.asked[0].query) == ("text/csv", {"dry_run": ["true"]})
    assert api.asked[0].body == b"type,id\n"


@pytest.mark.rule("CL-8")
@pytest.mark.parametrize("answer", [Answer(200, b'{"done":0.5}\n{"ver'), Answer(200, b'{"done":0.5}\n', more_bytes=9)])
def test_a_long_answer_that_breaks_off_says_so(client: Client, answer: Answer) -> None:
    with serving(answer) as api, pytest.raises(BrokenOff):
        client.items(api.url, lambda fettle: fettle.verify_partition(0))


@pytest.mark.rule("CL-8")
def test_a_table_comes_in_pieces(client: Client) -> None:
    table = 'number,title\n1,"two\nlines, å"\n'
    with serving(Answer(200, table.encode(), {"content-type": "text/csv; charset=utf-8"})) as api:
        assert "".join(client.items(api.url, lambda fettle: fettle.export_csv())) == table
    assert api.asked[0].query == {"format": ["csv"]}
    with serving(Answer(200, table.encode(), more_bytes=1)) as api, pytest.raises(BrokenOff):
        client.items(api.url, lambda fettle: fettle.export_csv())


@pytest.mark.rule("CL-10")
def test_importing_the_client_imports_no_http_library() -> None:
    program = "import sys, fettle_client; print(sorted({'httpx2', 'pydantic', 'fettle_contracts'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


@pytest.mark.rule("CL-2")
def test_times_are_written_in_utc() -> None:
    assert instant(datetime(2026, 1, 2, 3, 4, 5, 678_999, tzinfo=UTC)) == "2026-01-02T03:04:05.678Z"
