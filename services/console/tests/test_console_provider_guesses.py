"""Codes that somebody makes up: the provider counts each as ours, so that few are passed on."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import httpx2
import pytest

from fettle_chassis.signing import SigningKey
from fettle_console.adapters.provider import CALLBACK, CodeRefused
from fettle_console.adapters.seal import Seal
from fettle_console.console import Console
from fettle_console.domain.flow import Flow
from fettle_console.domain.request_limit import ARRIVALS_AT_ONCE, SIGN_INS_AT_ONCE, SIGN_INS_PER_S, RequestLimit
from fettle_console.entrypoints.pages.app import pages_app

NOW = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)


class Strict:
    """A provider that takes no code, and counts how many it was shown."""

    host = "login.example.com"
    shown = 0

    async def claims(self, flow: Flow, code: str) -> Any:
        self.shown += 1
        raise CodeRefused("it does not take the code")


@pytest.mark.rule("AC-116", "AC-110")
async def test_whoever_makes_up_codes_has_to_wait() -> None:
    provider, answers = await made_up(SIGN_INS_AT_ONCE + 5, ARRIVALS_AT_ONCE)
    assert [answer.status_code for answer in answers] == [403] * SIGN_INS_AT_ONCE + [429] * 5
    assert provider.shown == SIGN_INS_AT_ONCE
    assert answers[-1].headers["retry-after"]


@pytest.mark.rule("AC-154")
async def test_who_comes_back_from_the_provider_is_limited_by_address_as_who_has_a_token() -> None:
    provider, answers = await made_up(5, 3)
    assert [answer.status_code for answer in answers] == [403] * 3 + [429] * 2
    assert provider.shown == 3
    assert "from your address within a short time" in answers[-1].text


async def made_up(count: int, at_once: int) -> tuple[Strict, list[httpx2.Response]]:
    """So many answers of a provider, each with a code that it will not take, where `at_once` may come back."""
    flows, provider = Seal(SigningKey.parse_all("k1:" + "A" * 43 + "="), "sign-in"), Strict()
    settings = SimpleNamespace(
        cookie_name="session", secure=True, demo_org=None, oidc_issuer="https://login.example.com"
    )
    console = SimpleNamespace(
        settings=settings,
        flows=flows,
        provider=provider,
        sign_in_limit=RequestLimit(SIGN_INS_PER_S, SIGN_INS_AT_ONCE),
        arrival_limit=RequestLimit(0.1, at_once),
        now=lambda: NOW,
    )
    kept = flows.sign(Flow("state", "nonce", "verifier", "", int(NOW.timestamp())).text())
    transport = httpx2.ASGITransport(pages_app(cast(Console, console), dict))
    async with httpx2.AsyncClient(transport=transport, base_url="https://console.test") as browser:
        answers = []
        for number in range(count):
            back = {"state": "state", "code": f"made-up-{number}"}
            answers.append(await browser.get(CALLBACK, params=back, headers={"cookie": f"session_flow={kept}"}))
    return provider, answers
