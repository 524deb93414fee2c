"""Signing in and out, and whose writes count."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest
from console_world import World, console_world

SHARED = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
async def demo(environment: dict[str, str]) -> AsyncIterator[World]:
    async with console_world(environment, DEMO_ORG="demo") as started:
        yield started


@pytest.mark.rule("AC-20")
@SHARED
async def test_who_is_not_signed_in_is_led_to_the_sign_in_page_and_back(world: World) -> None:
    answer = await world.http.get("/orgs/acme/tickets?q=lift")
    assert answer.status_code == 303
    wanted = parse_qs(urlsplit(answer.headers["location"]).query)["next"]
    assert wanted == ["/orgs/acme/tickets?q=lift"]
    signed_in = await world.post("/sign-in", token=await world.token("acme", "viewer"), next=wanted[0])
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/orgs/acme/tickets?q=lift")
    cookie = signed_in.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert (await world.http.get("/orgs/acme/tickets?q=lift")).status_code == 200
    assert (await world.http.get("/")).headers["location"] == "/orgs/acme/tickets"


@pytest.mark.rule("AC-20", "AC-117")
async def test_under_https_the_cookie_travels_encrypted_and_no_neighbour_sets_it(environment: dict[str, str]) -> None:
    async with console_world(environment, PUBLIC_URL="https://fettle.example.com") as world:
        answer = await world.http.post(
            "/sign-in",
            data={"token": await world.token("acme", "viewer")},
            headers={"origin": "https://fettle.example.com", "host": "fettle.example.com"},
        )
        cookie = answer.headers["set-cookie"].lower()
        assert cookie.startswith("__host-fettle_session_")
        assert "secure" in cookie
        assert "path=/;" in f"{cookie};"
        assert "domain" not in cookie
        assert answer.headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.rule("AC-20")
@SHARED
async def test_a_token_that_does_not_count_signs_nobody_in(world: World) -> None:
    refused = await world.post("/sign-in", token="ftl_made-up")
    assert refused.status_code == 401
    assert "set-cookie" not in refused.headers
    assert "unknown, has ended, or was revoked" in refused.text
    assert 'aria-invalid="true" aria-describedby="error"' in refused.text
    ingest = await world.post("/sign-in", token=await world.token("acme", "ingest"))
    assert ingest.status_code == 403
    assert "set-cookie" not in ingest.headers


@pytest.mark.rule("AC-20")
@SHARED
async def test_revoking_a_token_ends_its_sessions_and_signing_out_ends_one(world: World) -> None:
    admin = await world.token("acme")
    await world.sign_in("acme", "viewer")
    assert (await world.http.get("/orgs/acme/tickets")).status_code == 200
    listed = (await world.call("GET", "/api/v1/orgs/acme/tokens", admin)).json()["items"]
    [viewer] = [token["id"] for token in listed if token["role"] == "viewer"]
    await world.call("DELETE", f"/api/v1/orgs/acme/tokens/{viewer}", admin)
    assert (await world.http.get("/orgs/acme/tickets")).status_code == 303

    await world.sign_in("acme", "admin")
    secret = dict(world.http.cookies)
    assert (await world.post("/sign-out")).headers["location"] == "/sign-in"
    world.http.cookies.update(secret)
    assert (await world.http.get("/orgs/acme/tickets")).status_code == 303


@pytest.mark.rule("AC-20")
async def test_the_demo_is_open_where_the_installation_says_so_and_nowhere_else(demo: World) -> None:
    early = await demo.post("/sign-in/demo")
    assert early.status_code == 503
    await demo.token("demo")
    assert "Continue as demo admin" in (await demo.http.get("/sign-in")).text
    assert (await demo.post("/sign-in/demo")).headers["location"] == "/orgs/demo/tickets"
    page = await demo.http.get("/orgs/demo/tickets")
    assert "Demo admin" in page.text


@pytest.mark.rule("AC-20")
@SHARED
async def test_without_a_demo_org_there_is_no_such_door(world: World) -> None:
    assert "demo" not in (await world.http.get("/sign-in")).text
    assert (await world.post("/sign-in/demo")).status_code == 404


@pytest.mark.rule("AC-110")
@SHARED
async def test_without_a_provider_there_is_no_such_door(world: World) -> None:
    assert "/sign-in/provider" not in (await world.http.get("/sign-in")).text
    for path in ("/sign-in/provider", "/sign-in/provider/back?state=x&code=y"):
        assert (await world.http.get(path)).status_code == 404


@pytest.mark.rule("AC-22")
@SHARED
async def test_a_write_from_another_site_changes_nothing(world: World) -> None:
    world.tickets.open("acme", "Lift")
    await world.sign_in("acme", "operator")
    form = {"command_id": "1", "action": "resolve"}
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}, {}):
        answer = await world.http.post("/orgs/acme/tickets/1/update", data=form, headers=headers)
        assert answer.status_code == 403, headers
    forged = await world.http.post(
        "/sign-in", data={"token": await world.token("acme")}, headers={"origin": "https://evil.example"}
    )
    assert (forged.status_code, "set-cookie" in forged.headers) == (403, False)
    assert world.tickets.tickets["acme", 1]["state"] == "open"


@pytest.mark.rule("AC-22")
@SHARED
async def test_a_session_does_not_open_the_api(world: World) -> None:
    await world.sign_in("acme", "admin")
    answer = await world.http.post("/api/v1/orgs/acme/tickets/1/start", json={}, headers={"origin": world.url})
    assert answer.status_code == 401
