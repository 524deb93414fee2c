"""The way to the provider, and a provider that is away or does not answer as the one that the installation names."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from console_world import console_world
from tests.provider import CLIENT, Provider, running_provider

from fettle_console.adapters.provider import Provider as OurProvider
from fettle_console.adapters.provider_documents import ProviderAway
from fettle_console.domain.flow import Flow
from fettle_console.settings import ConsoleSettings

FLOW = Flow("state", "nonce", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "", 0)
"""With the verifier of RFC 7636, appendix B."""


def settings(issuer: str) -> ConsoleSettings:
    return ConsoleSettings.load(
        {
            "FETTLE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
            "FETTLE_SIGNING_KEYS": "k:" + "QUFB" * 11,
            "FETTLE_PUBLIC_URL": "https://fettle.test/",
            "FETTLE_OIDC_ISSUER": issuer,
            "FETTLE_OIDC_CLIENT_ID": CLIENT,
        }
    )


async def entrance(provider: Provider) -> str:
    """Where our side would send a browser to. Raises ProviderAway."""
    ours = OurProvider(provider.url, settings(provider.url))
    await ours.start()
    try:
        return await ours.entrance(FLOW)
    finally:
        await ours.stop()


@pytest.mark.rule("AC-110")
async def test_the_way_out_says_what_the_standard_asks_for() -> None:
    async with running_provider() as provider:
        asked = parse_qs(urlsplit(await entrance(provider)).query)
    assert asked == {
        "response_type": ["code"],
        "client_id": [CLIENT],
        "redirect_uri": ["https://fettle.test/sign-in/provider/back"],
        "scope": ["openid profile email"],
        "state": ["state"],
        "nonce": ["nonce"],
        "code_challenge": ["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"],
        "code_challenge_method": ["S256"],
    }


@pytest.mark.rule("AC-111")
@pytest.mark.parametrize(
    "lie",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"token_endpoint": "http://evil.example/token"},
        {"jwks_uri": None},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
)
async def test_a_document_of_another_provider_or_in_the_clear_is_not_believed(lie: dict[str, Any]) -> None:
    async with running_provider() as provider:
        provider.about = lie
        with pytest.raises(ProviderAway):
            await entrance(provider)
        provider.about = {}
        assert (await entrance(provider)).startswith(f"{provider.url}/authorize?")


@pytest.mark.rule("AC-110")
async def test_while_the_provider_is_away_the_page_says_so_and_tokens_still_work(environment: dict[str, str]) -> None:
    public = f"http://127.0.0.1:{environment['FETTLE_HTTP_PORT']}"
    nobody = {"OIDC_ISSUER": "http://127.0.0.1:9", "OIDC_CLIENT_ID": CLIENT, "PUBLIC_URL": public}
    async with console_world(environment, with_kafka=False, **nobody) as world:
        answer = await world.http.get("/sign-in/provider?next=/orgs/acme/health")
        assert answer.status_code == 503
        assert "127.0.0.1:9 does not answer as it should" in answer.text
        assert 'value="/orgs/acme/health"' in answer.text
        await world.sign_in("acme", "viewer")
        assert (await world.http.get("/orgs/acme/tickets")).status_code == 200
        assert (await world.post("/sign-out")).headers["location"] == "/sign-in"
