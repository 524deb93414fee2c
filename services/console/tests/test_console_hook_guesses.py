"""Requests that no hook takes are limited, whichever hooks they name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from fettle_chassis.problems import answer_problems
from fettle_console.domain.request_limit import RequestLimit
from fettle_console.entrypoints import front

BURST = 3


class OneOrg:
    """Knows acme only."""

    async def get(self, org: str) -> str | None:
        return org if org == "acme" else None


class OneHook:
    """An engine that takes what comes to the hook `good`."""

    @asynccontextmanager
    async def call(self, *said: Any, **more: Any) -> AsyncIterator[httpx2.Response]:
        yield httpx2.Response(202 if "/good/" in said[3] else 401, stream=httpx2.ByteStream(b"{}"))


@asynccontextmanager
async def front_alone(burst: int = BURST) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    answer_problems(app)
    app.include_router(front.router)
    app.state.console = SimpleNamespace(
        request_limit=RequestLimit(0.001, burst),
        guess_limit=RequestLimit(0.001, BURST),
        orgs=OneOrg(),
        services=OneHook(),
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://console.test") as client:
        yield client


async def knock(client: httpx2.AsyncClient, org: str, name: str) -> int:
    return (await client.post(f"/api/v1/orgs/{org}/workflows/{name}/hook", content=b"{}")).status_code


@pytest.mark.rule("AC-116")
@pytest.mark.parametrize("org", ["acme", "nobody"])
async def test_whoever_tries_one_hook_after_the_other_is_told_to_wait(org: str) -> None:
    async with front_alone() as client:
        statuses = [await knock(client, org, f"try-{number}") for number in range(BURST + 2)]
        assert statuses == [401] * BURST + [429] * 2
        assert await knock(client, "acme", "good") == 429


@pytest.mark.rule("AC-116")
async def test_what_hooks_take_is_no_guess() -> None:
    async with front_alone(burst=100) as client:
        assert [await knock(client, "acme", "good") for _ in range(4 * BURST)] == [202] * (4 * BURST)
