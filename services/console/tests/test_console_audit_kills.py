"""The console as a process that is killed while people work: every change that the service made is on record, once."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping
from itertools import count

import asyncpg
import httpx2
import pytest
from console_fakes import Tickets, ticket_service
from console_world import BOOTSTRAP

from fettle_console.settings import ConsoleSettings

WORKERS, BETWEEN = 6, 30


class Killable:
    """A console of its own process, started anew whenever it was killed."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FETTLE_")}
        self._environment = {**kept, **environment}
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, http: httpx2.AsyncClient) -> None:
        quiet = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "fettle_console", env=self._environment, stdin=quiet, stdout=quiet, stderr=quiet
        )
        while True:
            with contextlib.suppress(httpx2.HTTPError):
                if (await http.get("/livez")).status_code == 200:
                    return
            assert self._process.returncode is None, "the console has ended by itself"
            await asyncio.sleep(0.05)

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


@pytest.fixture
async def killed(environment: dict[str, str]) -> AsyncIterator[tuple[ConsoleSettings, Tickets, Killable]]:
    variables = {
        **environment,
        "FETTLE_BOOTSTRAP_TOKEN": BOOTSTRAP,
        "FETTLE_REQUESTS_PER_S": "100000",
        "FETTLE_REQUESTS_BURST": "100000",
    }
    settings, tickets, console = ConsoleSettings.load(variables), Tickets(), Killable(variables)
    async with ticket_service(settings, tickets).running():
        yield settings, tickets, console
        await console.kill()


@pytest.mark.rule("AC-129", "AC-130")
@pytest.mark.parametrize("kills", [1, pytest.param(50, marks=[pytest.mark.campaign, pytest.mark.timeout(1800)])])
async def test_what_was_done_is_on_record_once_whenever_the_console_is_killed(
    killed: tuple[ConsoleSettings, Tickets, Killable], kills: int
) -> None:
    settings, tickets, console = killed
    tickets.open("acme", "Lift")
    numbers, answered, over = count(1), asyncio.Semaphore(0), asyncio.Event()

    url = f"http://127.0.0.1:{settings.http_port}"
    async with httpx2.AsyncClient(base_url=url, timeout=30.0, trust_env=False) as http:
        await console.start(http)
        installer = {"authorization": f"Bearer {BOOTSTRAP}"}
        (await http.post("/api/v1/orgs", json={"org": "acme"}, headers=installer)).raise_for_status()
        minted = await http.post("/api/v1/orgs/acme/tokens", json={"role": "admin"}, headers=installer)
        bearer = {"authorization": f"Bearer {minted.json()['token']}"}

        async def comment(key: str) -> None:
            """Until it is answered, as a client does that has patience."""
            headers, said = {**bearer, "idempotency-key": key}, {"comment": key}
            while True:
                with contextlib.suppress(httpx2.HTTPError):
                    answer = await http.post("/api/v1/orgs/acme/tickets/1/comments", json=said, headers=headers)
                    if answer.status_code < 500:
                        assert answer.status_code == 200, answer.text
                        return
                await asyncio.sleep(0.02)

        async def work() -> None:
            while not over.is_set():
                await comment(f"say-{next(numbers)}")
                answered.release()

        working = [asyncio.create_task(work()) for _ in range(WORKERS)]
        for _ in range(kills):
            for _ in range(BETWEEN):
                await answered.acquire()
            await console.kill()
            on_record = await keys(settings)
            assert said(tickets) <= set(on_record), "something was done that is not on record"
            await console.start(http)
        over.set()
        await asyncio.gather(*working)

    on_record = await keys(settings)
    assert sorted(on_record) == sorted(said(tickets))
    assert set(on_record.values()) == {200}
    assert len(on_record) >= kills * BETWEEN


def said(tickets: Tickets) -> set[str]:
    """The keys of what the service has done; each is its comment's text. It must have done nothing twice."""
    done = [entry["body"] for entry in tickets.timelines["acme", 1] if entry["type"] == "comment-added"]
    assert len(done) == len(set(done))
    return set(done)


async def keys(settings: ConsoleSettings) -> dict[str, int | None]:
    """The keys on record with what was answered last."""
    connection = await asyncpg.connect(settings.database_dsn("console"))
    rows = await connection.fetch("SELECT key, status FROM audit WHERE path = '/tickets/1/comments'")
    await connection.close()
    found = {row["key"]: row["status"] for row in rows}
    assert len(found) == len(rows), "something is on record twice"
    return found
