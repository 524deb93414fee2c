"""Where signing in leads, what becomes of what is asked, and whose session a cookie is."""

import asyncio

import pytest
from console_world import World

from fettle_console.domain.origins import local_path

SHARED = pytest.mark.asyncio(loop_scope="session")

ELSEWHERE = [
    "https://evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "/\t/evil.example",
    "\t//evil.example",
    "/\n/evil.example",
    " //evil.example",
    "javascript:alert(1)",
    "evil.example",
    "/orgs\r\nset-cookie: a=b",
    "/\x00/evil.example",
]


@pytest.mark.rule("AC-20")
@pytest.mark.parametrize("next", ELSEWHERE)
def test_what_a_browser_would_take_for_another_site_is_no_path_of_ours(next: str) -> None:
    assert local_path(next) == ""
    assert (
        local_path("/orgs/acme/tickets?q=a b&x=%2F%2Fevil.example#é")
        == "/orgs/acme/tickets?q=a b&x=%2F%2Fevil.example#é"
    )


@pytest.mark.rule("AC-20", "AC-110")
@pytest.mark.asyncio(loop_scope="session")
async def test_signing_in_leads_nowhere_else(world: World) -> None:
    token = await world.token("acme", "viewer")
    for wanted in ELSEWHERE:
        world.http.cookies.clear()
        answer = await world.post("/sign-in", token=token, next=wanted)
        assert (answer.status_code, answer.headers["location"]) == (303, "/orgs/acme/tickets"), wanted
        again = await world.http.get("/sign-in", params={"next": wanted})
        assert again.headers["location"] == "/orgs/acme/tickets", wanted


@pytest.mark.rule("AC-20")
@SHARED
async def test_nothing_that_is_asked_becomes_a_header_of_the_answer(world: World) -> None:
    token = await world.token("acme", "viewer")
    for asked in (
        "/orgs/acme%0d%0ax-forged:%201/tickets",
        "/sign-in?next=/a%0d%0ax-forged:%201",
        "/%0d%0ax-forged:%201",
    ):
        assert "x-forged" not in (await world.http.get(asked)).headers, asked
    answer = await world.post("/sign-in", token=token, next="/orgs/acme/tickets?q=é\u2028%0d%0ax-forged: 1")
    assert "x-forged" not in answer.headers
    signed_in = await world.http.get("/orgs/acme/tickets%0d%0ax-forged:%201")
    assert (signed_in.status_code, "x-forged" in signed_in.headers) == (404, False)


@pytest.mark.rule("AC-20", "AC-1")
@SHARED
async def test_a_session_ends_with_the_life_of_its_token(world: World) -> None:
    token = await world.token("acme", "viewer", expires_in_s=2)
    async with asyncio.timeout(60):
        answer = await world.post("/sign-in", token=token)
        if answer.status_code == 303:
            assert "max-age=" in answer.headers["set-cookie"].lower()
            [cookie] = world.http.cookies.values()
            while True:
                world.http.cookies.clear()
                world.http.cookies.set(world.settings.cookie_name, cookie)
                if (await world.http.get("/orgs/acme/tickets")).status_code == 303:
                    break
                await asyncio.sleep(0.1)
        assert (await world.post("/sign-in", token=token)).status_code == 401
        assert (await world.call("GET", "/api/v1/orgs/acme/tickets", token)).status_code == 401


@pytest.mark.rule("AC-117")
@SHARED
async def test_by_http_nothing_is_said_of_https(world: World) -> None:
    assert "strict-transport-security" not in (await world.http.get("/sign-in")).headers


@pytest.mark.rule("AC-113")
@SHARED
async def test_a_planted_cookie_becomes_nobodys_session(world: World) -> None:
    name, token = world.settings.cookie_name, await world.token("acme", "viewer")
    for planted in ("known-to-somebody-else", "known.AAAA", "a.b.c", "é"):
        world.http.cookies.clear()
        cookie = {b"cookie": f"{name}={planted}".encode("latin-1")}
        answer = await world.http.post(
            "/sign-in", data={"token": token}, headers={**cookie, b"origin": world.url.encode()}
        )
        assert answer.status_code == 303
        assert planted not in answer.headers["set-cookie"]
        world.http.cookies.clear()
        assert (await world.http.get("/orgs/acme/tickets", headers=cookie)).status_code == 303
