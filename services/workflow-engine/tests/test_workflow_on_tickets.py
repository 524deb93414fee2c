"""Tries on a ticket, where what answers in the ticket service's place is told what to answer."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
import structlog
from engine_api import Api, api_of, refusal
from ticket_event import ticket_event
from web_server import Asked, WebServer, answer, web_server

from fettle_chassis.tokens import Caller, Role, verify
from fettle_contracts.ticket_events import EntryType
from fettle_workflow_engine.adapters import tickets

SEES = """\
workflow: sees
nodes:
  opened: {trigger: ticket.opened}
  rest: {after: [opened], action: wait, with: {for: 1s}}
"""
MONITORS = ticket_event(EntryType.STARTED, number=7, description="It *rattles*.").to_dict()
TICKET, ENTRY = MONITORS["ticket"], {**MONITORS["entry"], "type": "started", "evidence": {"silent_s": 90}, "new": 1}
OTHERS = [{**ENTRY, "type": "comment-added", "id": f"00000000-0000-4000-8000-{number:012}"} for number in range(3)]

Answers = Callable[[Asked], bytes | float | None]


def page(*entries: Any, behind: str | None = None) -> bytes:
    return answer(body={"items": entries, "next_cursor": behind})


def well(asked: Asked) -> bytes:
    """Ticket 7 with a timeline of two pages."""
    if not asked.target.partition("?")[0].endswith("/timeline"):
        return answer(body={**TICKET, "children": [], "more_children": False})
    return page(ENTRY) if "cursor=" in asked.target else page(*OTHERS, behind="1")


@asynccontextmanager
async def asking(environment: dict[str, str], answers: Answers) -> AsyncIterator[tuple[Api, WebServer]]:
    async with web_server(answers) as server:
        url = f"http://127.0.0.1:{server.port}"
        async with api_of({**environment, "FETTLE_TICKETS_URL": url}) as api:
            yield api, server


async def tried(api: Api, trigger: str = "ticket.started", role: Role = Role.OPERATOR) -> httpx2.Response:
    body = {"document": SEES, "ticket": 7, "trigger": trigger}
    return await api.call("POST", "/workflows/sees/test-runs", body, role=role)


@pytest.mark.rule("WF-165", "WF-166")
@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ADMIN])
async def test_the_ticket_service_hears_who_asks_as_somebody_who_reads(environment: dict[str, str], role: Role) -> None:
    async with asking(environment, well) as (api, server):
        found = await tried(api, role=role)
        assert found.status_code == 200, found.text
        keys = api.world.settings.signing_keys
    event = found.json()["event"]
    assert (event["entry"]["id"], event["entry"]["evidence"]) == (ENTRY["id"], {"silent_s": 90})
    assert {"new"} & event["entry"].keys() == {"children", "more_children"} & event["ticket"].keys() == set()
    assert [each.target.partition("?")[0] for each in server.asked] == [
        *2 * ["/api/v1/orgs/acme/tickets/7/timeline"],
        "/api/v1/orgs/acme/tickets/7",
    ], "the ticket last: it has seen the entry"
    for each in server.asked:
        token = each.headers["authorization"].removeprefix("Bearer ")
        assert verify(keys, token, datetime.now(UTC)) == Caller("acme", Role.VIEWER, "ann@acme.test", "Ann")


@pytest.mark.rule("WF-165")
async def test_as_little_of_a_timeline_is_read_as_will_do(environment: dict[str, str]) -> None:
    async with asking(environment, lambda _: page()) as (api, server):
        for trigger in ("opened", "ticket.reopened", "ticket.resolved"):
            detail = refusal(await tried(api, trigger), 422, "invalid")["detail"]
            assert detail.startswith(f"Ticket 7 has not been {trigger.removeprefix('ticket.')}: ")
        opened, reopened, resolved = (each.target.partition("?")[2] for each in server.asked)
    assert opened == "limit=1"
    assert reopened == "type=reopened&sort=-version&limit=1"
    assert resolved.startswith("sort=-version&limit=")


def refused(status: int, code: str, **headers: str) -> Answers:
    said = {"status": status, "title": "No", "code": code, "detail": "There is no such ticket.", "type": "x"}
    return lambda _: answer(status, json.dumps(said).encode(), "application/problem+json", **headers)


def by_turns(first: Any, *rest: Any) -> Answers:
    """The timeline, and then the ticket."""
    return lambda asked: answer(body=first if "/timeline" in asked.target else rest[0])


NO_OBJECTS: tuple[Any, ...] = ({}, [], None, "x")
NO_PAGES = (*NO_OBJECTS, {"items": [1]}, {"items": [{}]})
GOOD_PAGE = {"items": [ENTRY], "next_cursor": None}
STRANGE: dict[str, Answers] = {
    "another key": refused(401, "token_invalid"),
    "a page of its own": lambda _: answer(404, b"<h1>Not found</h1>", "text/html"),
    "text": lambda _: answer(body=b"hello"),
    "what unpacks to nothing": lambda _: answer(body=b"no gzip", content_encoding="gzip"),
    "a refusal that unpacks to nothing": lambda _: answer(403, b"no gzip", content_encoding="gzip"),
    "depths": lambda _: answer(body=b"[" * 100_000),
    "another address": lambda _: answer(302, location="http://127.0.0.1:9/"),
    **{f"{each!r} for a timeline": by_turns(each) for each in NO_PAGES},
    **{f"{each!r} for a ticket": by_turns(GOOD_PAGE, each) for each in NO_OBJECTS},
    "half an entry": by_turns({"items": [{"type": "started"}], "next_cursor": None}, TICKET),
    "another ticket": by_turns(GOOD_PAGE, {**TICKET, "number": 8}),
}


@pytest.mark.rule("WF-166")
@pytest.mark.parametrize("strange", STRANGE)
async def test_something_else_in_its_place_is_said(environment: dict[str, str], strange: str) -> None:
    async with asking(environment, STRANGE[strange]) as (api, server):
        with structlog.testing.capture_logs() as logs:
            found = await tried(api)
        port = str(server.port)
    assert "look at FETTLE_TICKETS_URL" in refusal(found, 503, "unavailable")["detail"]
    assert "retry-after" not in found.headers
    assert port not in found.text
    [said] = [each for each in logs if each["event"] == "tickets.unread"]
    assert (said["org"], said["ticket"], bool(said["error"])) == ("acme", 7, True)


@pytest.mark.rule("WF-166")
async def test_nobody_in_its_place_is_said(environment: dict[str, str]) -> None:
    async with api_of({**environment, "FETTLE_TICKETS_URL": "http://127.0.0.1:9"}) as api:
        found = await tried(api)
    detail = refusal(found, 503, "unavailable")["detail"]
    assert ("is away. Try again soon" in detail, "127.0.0.1" in detail) == (True, False)
    assert found.headers["retry-after"] == "2"


@pytest.mark.rule("WF-166")
async def test_its_own_refusals_are_told(environment: dict[str, str]) -> None:
    async with asking(environment, refused(404, "not_found")) as (api, _):
        said = refusal(await tried(api), 404, "not_found")
    assert (said["detail"], said["field"]) == ("There is no such ticket.", "ticket")
    async with asking(environment, refused(503, "unavailable")) as (api, _):
        found = await tried(api)
    assert refusal(found, 503, "unavailable")["detail"].startswith("The ticket service is away")
    assert found.headers["retry-after"] == "2"


@pytest.mark.rule("WF-166")
async def test_no_try_waits_longer_than_its_time(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "WITHIN_S", 0.5)
    async with asking(environment, lambda _: 5.0) as (api, _):
        found = await tried(api)
    assert "took too long" in refusal(found, 503, "unavailable")["detail"]
    assert "retry-after" not in found.headers


@pytest.mark.rule("WF-166")
async def test_a_short_absence_is_waited_for(environment: dict[str, str]) -> None:
    times = []

    def once_away(asked: Asked) -> bytes | None:
        times.append(asked)
        return None if len(times) == 1 else well(asked)

    async with asking(environment, once_away) as (api, _):
        assert (await tried(api)).status_code == 200
