"""Signing in with an OpenID provider: out, back, and what of its answers counts."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from console_world import BOOTSTRAP, World
from tests.provider import ANN, CLIENT, Provider, by_a_stranger, unsigned, with_shared_secret

pytestmark = pytest.mark.asyncio(loop_scope="session")

FLOW = "_flow"


async def found(world: World, *orgs: str) -> None:
    for org in orgs:
        await world.call("POST", "/api/v1/orgs", BOOTSTRAP, json={"org": org, "name": org.title()})


async def out(world: World, next: str = "") -> str:
    """Where the provider sends the browser back to."""
    leaving = await world.http.get("/sign-in/provider", params={"next": next})
    assert leaving.status_code == 303, leaving.text
    answer = await world.http.get(leaving.headers["location"])
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


async def come_in(world: World, next: str = "") -> httpx2.Response:
    return await world.http.get(await out(world, next))


def session(world: World) -> str:
    return world.http.cookies.get(world.settings.cookie_name, domain="127.0.0.1") or ""


async def page(world: World, path: str) -> int:
    return (await world.http.get(path)).status_code


@pytest.mark.rule("AC-110")
async def test_who_signs_in_at_the_provider_comes_back_to_the_wanted_page(people: World, provider: Provider) -> None:
    await found(people, "acme")
    assert f"Sign in with {urlsplit(provider.url).netloc}" in (await people.http.get("/sign-in")).text
    answer = await come_in(people, "/orgs/acme/tickets?q=lift")
    assert (answer.status_code, answer.headers["location"]) == (303, "/orgs/acme/tickets?q=lift")
    set_cookie = [line.lower() for line in answer.headers.get_list("set-cookie")]
    assert all("httponly" in line and "samesite=lax" in line for line in set_cookie)
    shown = await people.http.get("/orgs/acme/tickets")
    assert shown.status_code == 200
    assert "Ann" in shown.text
    assert "operator in acme" in shown.text


@pytest.mark.rule("AC-110", "AC-20")
@pytest.mark.parametrize("next", ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example"])
async def test_the_way_back_leads_to_no_other_site(people: World, provider: Provider, next: str) -> None:
    await found(people, "acme")
    assert (await come_in(people, next)).headers["location"] == "/orgs/acme/tickets"


@pytest.mark.rule("AC-110")
async def test_an_answer_counts_once_and_only_where_the_sign_in_was_begun(people: World, provider: Provider) -> None:
    await found(people, "acme")
    back = await out(people)
    kept = dict(people.http.cookies)
    people.http.cookies.clear()
    assert (await people.http.get(back)).status_code == 400, "another browser"

    other_state = back.replace("state=", "state=x")
    people.http.cookies.update(kept)
    assert (await people.http.get(other_state)).status_code == 400

    [name] = [name for name in kept if name.endswith(FLOW)]
    text, _, mac = kept[name].rpartition(".")
    for forged in (text, f"{text}.", f"{text[:-4]}AAAA.{mac}", f"{text}.{'A' * len(mac)}"):
        people.http.cookies.clear()
        people.http.cookies.set(name, forged)
        assert (await people.http.get(back)).status_code == 400, forged

    people.http.cookies.clear()
    people.http.cookies.update(kept)
    assert (await people.http.get(back)).status_code == 303
    people.http.cookies.clear()
    people.http.cookies.update(kept)
    assert (await people.http.get(back)).status_code == 403, "the code was taken before"
    assert not session(people)


@pytest.mark.rule("AC-110")
async def test_the_code_is_of_no_use_without_the_verifier(people: World, provider: Provider) -> None:
    await found(people, "acme")
    back = await out(people)
    stolen = parse_qs(urlsplit(back).query)["code"][0]
    own = await out(people)
    mine = parse_qs(urlsplit(own).query)["code"][0]
    answer = await people.http.get(own.replace(mine, stolen))
    assert (answer.status_code, session(people)) == (403, "")


LIES: dict[str, Any] = {
    "another audience": {"aud": "another-client"},
    "another audience with us as the party": {"aud": "another-client", "azp": CLIENT},
    "another party": {"aud": [CLIENT, "other"], "azp": "other"},
    "another issuer": {"iss": "https://evil.example"},
    "ended": {"exp": 1_700_000_000},
    "not yet": {"nbf": 4_000_000_000},
    "another sign-in": {"nonce": "of another sign-in"},
    "no nonce": {"nonce": None},
    "no subject": {"sub": None},
    "another access token": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
}


@pytest.mark.rule("AC-111")
@pytest.mark.parametrize("lie", LIES)
async def test_claims_that_are_not_of_this_sign_in_let_nobody_in(people: World, provider: Provider, lie: str) -> None:
    await found(people, "acme")
    changed = LIES[lie]
    provider.lie = lambda claims: {name: value for name, value in {**claims, **changed}.items() if value is not None}
    answer = await come_in(people)
    assert (answer.status_code, session(people)) == (403, "")
    assert "could not be verified" in answer.text


@pytest.mark.rule("AC-111")
@pytest.mark.parametrize("signed", [with_shared_secret, unsigned, by_a_stranger])
async def test_a_token_that_the_provider_did_not_sign_lets_nobody_in(
    people: World, provider: Provider, signed: Any
) -> None:
    await found(people, "acme")
    provider.signed_by = signed
    answer = await come_in(people)
    assert (answer.status_code, session(people)) == (403, "")


@pytest.mark.rule("AC-111")
async def test_an_answer_of_another_provider_lets_nobody_in(people: World, provider: Provider) -> None:
    await found(people, "acme")
    back = await out(people)
    answer = await people.http.get(back.split("&iss=")[0] + "&iss=https://evil.example")
    assert (answer.status_code, session(people)) == (403, "")
    assert "/token" not in provider.asked


@pytest.mark.rule("AC-111")
async def test_a_new_key_of_the_provider_is_found(people: World, provider: Provider) -> None:
    await found(people, "acme")
    assert (await come_in(people)).status_code == 303
    people.http.cookies.clear()
    provider.kid = "second"
    assert (await come_in(people)).status_code == 303
    people.http.cookies.clear()
    read = provider.asked.count("/keys")
    assert (await come_in(people)).status_code == 303
    assert provider.asked.count("/keys") == read


@pytest.mark.rule("AC-110")
async def test_who_is_refused_at_the_provider_reads_so(people: World, provider: Provider) -> None:
    await found(people, "acme")
    state = parse_qs(urlsplit(await out(people)).query)["state"][0]
    answer = await people.http.get(f"/sign-in/provider/back?error=access_denied&state={state}&error_description=<b>x")
    assert (answer.status_code, session(people)) == (403, "")
    assert "did not let you in" in answer.text
    assert "<b>x" not in answer.text
    assert "aria-invalid" not in answer.text, "it is not the token that was wrong"


@pytest.mark.rule("AC-113")
async def test_signing_out_leads_by_the_provider_and_ends_the_session(people: World, provider: Provider) -> None:
    await found(people, "acme")
    await come_in(people)
    kept = dict(people.http.cookies)
    answer = await people.post("/sign-out")
    assert f"{provider.url}/exit?client_id={CLIENT}" in answer.text
    assert "id_token_hint=" in answer.text
    people.http.cookies.update(kept)
    assert await page(people, "/orgs/acme/tickets") == 303


@pytest.mark.rule("AC-113")
async def test_signing_in_gives_a_new_session_and_ends_the_one_before(people: World, provider: Provider) -> None:
    await found(people, "acme")
    await people.sign_in("acme", "viewer")
    before = session(people)
    await come_in(people)
    after = session(people)
    assert after
    assert after != before
    people.http.cookies.clear()
    people.http.cookies.set(people.settings.cookie_name, before)
    assert await page(people, "/orgs/acme/tickets") == 303
    people.http.cookies.clear()
    planted = "a-secret-that-somebody-else-knows"
    people.http.cookies.set(people.settings.cookie_name, planted, domain="127.0.0.1", path="/")
    await come_in(people)
    assert session(people) != planted
    assert await page(people, "/orgs/acme/tickets") == 200


@pytest.mark.rule("AC-112")
async def test_roles_are_those_of_the_claims_at_each_sign_in(people: World, provider: Provider) -> None:
    await found(people, "acme", "globex")
    provider.person = {**ANN, "groups": ["acme:viewer", "globex:admin", "nowhere:admin", "staff"]}
    await come_in(people)
    acme = (await people.http.get("/orgs/acme/tickets")).text
    assert "viewer in acme" in acme
    assert 'href="/orgs/globex/tickets">Go to globex</a>' in acme
    assert "Go to acme" not in acme
    assert "admin in globex" in (await people.http.get("/orgs/globex/tickets")).text
    assert await page(people, "/orgs/nowhere/tickets") == 404
    provider.person = {**ANN, "groups": ["globex:viewer"]}
    await come_in(people)
    assert await page(people, "/orgs/acme/tickets") == 404
    assert "viewer in globex" in (await people.http.get("/orgs/globex/tickets")).text


@pytest.mark.rule("AC-112")
async def test_who_is_in_no_org_is_told_so(people: World, provider: Provider) -> None:
    await found(people, "acme")
    provider.person = {**ANN, "groups": []}
    answer = await come_in(people)
    assert (answer.status_code, session(people)) == (403, "")
    assert "You are ann@acme.test, and in no org here" in answer.text
    provider.person = {**ANN, "email_verified": False}
    answer = await come_in(people)
    assert (answer.status_code, session(people)) == (403, "")
    assert "has not verified your e-mail address" in answer.text
