"""What is said of a change whose service was not heard: it may be done, and the answer does not claim otherwise."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from console_world import World
from test_console_sent_again import sent

from fettle_chassis.http import Problem
from fettle_console.adapters import services
from fettle_console.adapters.services import Services
from fettle_console.domain.audit import asks_to_change
from fettle_console.domain.routing import Owner
from fettle_devstack.ports import free_port

SILENCES, AUDIT = "/api/v1/orgs/acme/silences", "/api/v1/orgs/acme/audit"
SHARED = pytest.mark.asyncio(loop_scope="session")
BROKEN_OFF = b"HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{"
SAID = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"


class Dying:
    """A service that takes each request and says `answer` before its connection is gone; `heard` counts them. Without
    an answer to give it goes on listening in silence."""

    def __init__(self, answer: bytes | None = b"") -> None:
        self.answer, self.heard, self._over = answer, 0, asyncio.Event()

    @asynccontextmanager
    async def running(self, port: int) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._take, "127.0.0.1", port)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            self._over.set()
            server.close()
            await server.wait_closed()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.heard += 1
        if self.answer is None:
            await self._over.wait()
        else:
            writer.write(self.answer)
            await writer.drain()
        writer.close()


async def said(url: str, method: str, path: str) -> tuple[int, str, bool]:
    """Status and code of the problem that calling it raises, and whether trying again soon is asked for."""
    calling = Services({Owner.HEALTH: url}, ())
    await calling.start()
    try:
        async with calling.call(Owner.HEALTH, None, method, path, body=b"{}") as answer:
            await answer.aread()
    except Problem as problem:
        return problem.status, problem.code, "Retry-After" in (problem.headers or {})
    finally:
        await calling.stop()
    raise AssertionError("it was answered")


@pytest.mark.rule("AC-172", "AC-5")
async def test_what_may_be_done_is_not_called_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "_TIMEOUT", httpx2.Timeout(0.3))
    unknown, away = (504, "outcome_unknown"), (503, "unavailable")
    for answer, again in ((b"", True), (BROKEN_OFF, True), (None, False)):
        async with Dying(answer).running(free_port()) as url:
            assert await said(url, "POST", SILENCES) == (*unknown, again)
            assert await said(url, "POST", f"{SILENCES}?dry_run=true") == (*away, True)
            assert await said(url, "GET", SILENCES) == (*away, True)
    nobody = f"http://127.0.0.1:{free_port()}"
    assert await said(nobody, "POST", SILENCES) == (*away, True)


@pytest.mark.rule("AC-172")
def test_whether_an_address_would_change_something_is_known_by_its_path_and_query() -> None:
    for address, changes in (
        (SILENCES, True),
        (f"{SILENCES}?dry_run=true", False),
        ("/api/v1/orgs/acme/workflows/x/preview", False),
        ("/api/v1/orgs/acme/workflows/x", True),
        ("/api/v1/orgs/a%2Fb/workflows/x/hook", True),
    ):
        assert asks_to_change("POST", address) is changes, address
        assert not asks_to_change("GET", address)


@pytest.mark.rule("AC-172", "AC-129")
@SHARED
async def test_an_entry_whose_service_died_reads_unheard_until_that_service_answers(world: World) -> None:
    token = await world.token("acme")
    once = {"headers": {"idempotency-key": "k1"}, "json": {"hours": 4}}
    port = world.settings.health_port

    async def asked(dying: Dying | None) -> tuple[int, str, int]:
        """The answer's status, and what the entry says then: its outcome and status."""
        if dying is None:
            answer = await world.call("POST", SILENCES, token, **once)
        else:
            async with dying.running(port):
                answer = await world.call("POST", SILENCES, token, **once)
            assert dying.heard == 1
        entries = (await world.call("GET", AUDIT, token, params={"outcome": "asked"})).json()["items"]
        entries += (await world.call("GET", AUDIT, token, params={"outcome": "done"})).json()["items"]
        entries += (await world.call("GET", AUDIT, token, params={"outcome": "failed"})).json()["items"]
        entries += (await world.call("GET", AUDIT, token, params={"outcome": "refused"})).json()["items"]
        [entry] = [one for one in entries if one["key"] == "k1"]
        return answer.status_code, entry["outcome"], entry["status"]

    assert await asked(None) == (503, "failed", 503)
    assert await asked(Dying()) == (504, "asked", 504)
    assert await asked(None) == (503, "asked", 504), "the first time may have done it"
    assert await asked(Dying(SAID % b"403 Forbidden")) == (403, "asked", 504)
    assert await asked(Dying(SAID % b"201 Created")) == (201, "done", 201)


@pytest.mark.rule("AC-172", "AC-126")
@SHARED
async def test_a_page_says_that_it_may_be_done_and_sends_it_again_under_its_key(world: World) -> None:
    await world.sign_in("acme", "operator")
    form = {"subject": "device/t17", "length_s": "3600", "reason": "Rewiring", "command_id": "c1"}
    port = world.settings.health_port
    async with Dying().running(port):
        answer = await world.post("/orgs/acme/silence", **form)
    assert (answer.status_code, sent(answer)) == (504, form)
    assert "it may be done or not" in answer.text
    assert "Nothing was lost" not in answer.text
    page = await world.http.get("/orgs/acme/audit")
    assert page.status_code == 403
    await world.sign_in("acme", "admin")
    page = await world.http.get("/orgs/acme/audit?thing=silences")
    assert "No answer heard" in page.text.split('<tbody id="rows">')[1]
