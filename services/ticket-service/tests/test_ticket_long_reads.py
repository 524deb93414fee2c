"""Verifications and exports last as long as their readers take: few are under way, and nobody waits for them."""

import asyncio
from contextlib import AsyncExitStack, aclosing
from typing import Any

import pytest
from ticket_api import Api
from ticket_desk import KEYS
from ticket_door import Door, asked

from fettle_chassis.tokens import Role
from fettle_contracts.results import Outcome
from fettle_ticket_service.adapters.verifying import verify
from fettle_ticket_service.entrypoints.http import streamed
from fettle_ticket_service.entrypoints.http.desk import Desk


@pytest.mark.rule("TS-92")
async def test_verifications_take_no_connection_from_commands(door: Door) -> None:
    await door.ask(*(asked() for _ in range(250)))
    async with AsyncExitStack() as readers:
        for _ in range(10):
            told = await readers.enter_async_context(aclosing(verify(door.database, "acme", KEYS)))
            await anext(told)
        async with asyncio.timeout(30.0):
            assert (await door.ask_one(asked(org="globex"))).outcome is Outcome.APPLIED


@pytest.mark.rule("TS-92")
@pytest.mark.parametrize(("path", "places", "others"), [("verify", "verifications", 1), ("export", "exports", 3)])
async def test_an_org_has_one_under_way_and_a_process_few(
    api: Api, desk: Desk, path: str, places: str, others: int
) -> None:
    async def status() -> int:
        answer = await api.call("GET", f"/tickets/{path}", role=Role.VIEWER)
        assert (answer.status_code == 503) == ("retry-after" in answer.headers)
        return answer.status_code

    few = getattr(desk, places)
    async with few.one("acme"):
        assert await status() == 503
    async with AsyncExitStack() as held:
        for number in range(others):
            await held.enter_async_context(few.one(f"org-{number}"))
        assert [await status(), await status()] == [200, 200]
        await held.enter_async_context(few.one("one-more"))
        assert await status() == 503


@pytest.mark.rule("TS-92")
@pytest.mark.parametrize(("path", "places"), [("verify", "verifications"), ("export", "exports")])
async def test_who_asks_again_at_once_waits_for_the_place_to_be_free(
    api: Api, desk: Desk, monkeypatch: pytest.MonkeyPatch, path: str, places: str
) -> None:
    monkeypatch.setattr(getattr(desk, places), "_patience_s", 60)
    async with getattr(desk, places).one("acme"):
        asking = asyncio.create_task(api.call("GET", f"/tickets/{path}", role=Role.VIEWER))
        await asyncio.sleep(0.1)
    assert (await asking).status_code == 200


@pytest.mark.rule("TS-92")
@pytest.mark.parametrize(("path", "places"), [("verify", "verifications"), ("export", "exports")])
async def test_the_place_is_held_until_the_answer_is_sent(
    api: Api, door: Door, desk: Desk, path: str, places: str
) -> None:
    await door.ask_one(asked())
    few, taken = getattr(desk, places), list[bool]()
    transport: Any = api._client._transport
    app = transport.app

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        async def watch(message: Any) -> None:
            taken.append(few.taken_by("acme"))
            await send(message)

        await app(scope, receive, watch)

    transport.app = watched
    answer = await api.call("GET", f"/tickets/{path}", role=Role.VIEWER)
    assert (answer.status_code, set(taken), few.taken_by("acme")) == (200, {True}, False)


@pytest.mark.rule("TS-92")
@pytest.mark.parametrize(("path", "places"), [("verify", "verifications"), ("export", "exports")])
async def test_a_reader_that_takes_nothing_does_not_keep_its_place(
    api: Api, door: Door, desk: Desk, monkeypatch: pytest.MonkeyPatch, path: str, places: str
) -> None:
    await door.ask_one(asked())
    monkeypatch.setattr(streamed, "READER_PATIENCE_S", 0.2)
    transport: Any = api._client._transport
    app, few, taken = transport.app, getattr(desk, places), list[bool]()

    async def stalled(scope: Any, receive: Any, send: Any) -> None:
        async def stall(message: Any) -> None:
            taken.append(few.taken_by("acme"))
            await (asyncio.Event().wait() if message["type"] == "http.response.body" else send(message))

        await app(scope, receive, stall)
        taken.append(few.taken_by("acme"))
        await send({"type": "http.response.body", "body": b"", "more_body": False})  # as the server closes it

    transport.app = stalled
    async with asyncio.timeout(30.0):
        await api.call("GET", f"/tickets/{path}", role=Role.VIEWER)
    assert taken == [True, True, False]
