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
from fettle_console.domain.request_limit import SIGN_INS_AT_ONCE, SIGN_INS_PER_S, RequestLimit
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
    flows, provider = Seal(SigningKey.parse_all("k1:" + "A" * 43 + "="), "sign-in"), Strict()
    settings = SimpleNamespace(
        cookie_name="session", secure=True, demo_org=None, oidc_issuer="https://login.example.com"
    )
    console = SimpleNamespace(
        settings=settings,
        flows=flows,
        provider=provider,
        sign_in_limit=RequestLimit(SIGN_INS_PER_S, SIGN_INS_AT_ONCE),
        now=lambda: NOW,
    )
    kept = flows.sign(Flow("state", "nonce", "verifier", "", int(NOW.timestamp())).text())
    transport = httpx2.ASGITransport(pages_app(cast(Console, console), dict))
    async with httpx2.AsyncClient(transport=transport, base_url="https://console.test") as browser:
        statuses = []
        for number in range(SIGN_INS_AT_ONCE + 5):
            back = {"state": "state", "code": f"made-up-{number}"}
            answer = await browser.get(CALLBACK, params=back, headers={"cookie": f"session_flow={kept}"})
            statuses.append(answer.status_code)
    assert statuses == [403] * SIGN_INS_AT_ONCE + [429] * 5
    assert provider.shown == SIGN_INS_AT_ONCE
    assert answer.headers["retry-after"]
