"""What the page says when the fault is ours."""

from types import SimpleNamespace
from typing import Any, cast

import httpx2
import pytest

from fettle_console.console import Console
from fettle_console.entrypoints.pages.app import pages_app
from fettle_console.entrypoints.shield import HEADERS, Headed
from fettle_console.settings import ConsoleSettings


class Failing:
    """Sessions that cannot be looked up, for no reason that passes."""

    async def get(self, *said: Any) -> None:
        raise RuntimeError("a bug")


class Nobodys:
    """Sessions of nobody; remembers for which org the last one was asked for."""

    org: str | None = None

    async def get(self, cookie: str | None, now: Any, org: str | None = None) -> None:
        self.org = org


async def page(sessions: Failing | Nobodys, path: str) -> httpx2.Response:
    settings = SimpleNamespace(cookie_name="session", public_url=None, http_host="127.0.0.1", secure=False)
    console = cast(Console, SimpleNamespace(settings=settings, sessions=sessions, now=lambda: None))
    pages = Headed(pages_app(console, dict), cast(ConsoleSettings, settings))
    transport = httpx2.ASGITransport(pages, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as browser:
        return await browser.get(path)


@pytest.mark.rule("AC-23", "AC-36")
async def test_a_fault_of_ours_is_a_page_like_any_other() -> None:
    answer = await page(Failing(), "/sign-in")
    assert (answer.status_code, "This is our fault" in answer.text) == (500, True)
    assert {name: answer.headers[name] for name in HEADERS} == dict(HEADERS)
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.rule("AC-36")
async def test_no_database_is_asked_for_an_org_that_it_cannot_hold() -> None:
    for path, org in (("/orgs/ac%00me/tickets", "acme"), ("/orgs/%00/tickets", None), ("/orgs/acme/tickets", "acme")):
        sessions = Nobodys()
        assert ((await page(sessions, path)).status_code, sessions.org) == (303, org)
