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


@pytest.mark.rule("AC-23", "AC-36")
async def test_a_fault_of_ours_is_a_page_like_any_other() -> None:
    settings = SimpleNamespace(cookie_name="session", public_url=None, http_host="127.0.0.1", secure=False)
    console = cast(Console, SimpleNamespace(settings=settings, sessions=Failing(), now=lambda: None))
    pages = Headed(pages_app(console, dict), cast(ConsoleSettings, settings))
    transport = httpx2.ASGITransport(pages, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as browser:
        answer = await browser.get("/sign-in")
    assert (answer.status_code, "This is our fault" in answer.text) == (500, True)
    assert {name: answer.headers[name] for name in HEADERS} == dict(HEADERS)
    assert answer.headers["cache-control"] == "no-store"
