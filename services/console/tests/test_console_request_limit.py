"""How fast one token, session or address may ask."""

import asyncio

import pytest
from console_world import console_world
from hypothesis import given
from hypothesis import strategies as st

from fettle_console.domain.addresses import holder_of
from fettle_console.domain.request_limit import ARRIVALS_AT_ONCE, RequestLimit


@pytest.mark.rule("AC-72")
def test_a_burst_goes_through_and_then_one_request_per_turn() -> None:
    limit = RequestLimit(per_s=2, burst=3)
    assert [limit.wait_s("a", 10.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert limit.wait_s("a", 10.25) == 0.25
    assert limit.wait_s("a", 10.5) == 0
    assert limit.wait_s("b", 10.5) == 0
    assert [limit.wait_s("a", 100.0) for _ in range(4)] == [0, 0, 0, 0.5], "no more than a burst is saved up"


@pytest.mark.rule("AC-72")
@given(st.lists(st.floats(0, 3), max_size=60))
def test_never_more_than_burst_and_pace_allow_and_never_fewer_for_who_waits(pauses: list[float]) -> None:
    limit, now = RequestLimit(per_s=5, burst=4), 0.0
    for taken, pause in enumerate(pauses, start=1):
        now += pause
        wait = limit.wait_s("a", now)
        if wait:
            now += wait + 1e-6
            assert limit.wait_s("a", now) == 0
        assert taken <= 4 + now * 5 + 1e-3


@pytest.mark.rule("AC-72")
def test_only_those_who_asked_last_are_remembered() -> None:
    limit = RequestLimit(per_s=0.001, burst=1, tokens=2)
    assert [limit.wait_s(token, 0.0) for token in ("a", "b", "a", "c")] == [0, 0, 1_000, 0]
    assert limit.wait_s("a", 0.0) == 1_000
    assert limit.wait_s("b", 0.0) == 0


@pytest.mark.rule("AC-116")
@given(st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=60))
def test_looking_counts_nothing_and_says_what_asking_would(steps: list[tuple[float, bool]]) -> None:
    limit, looked_at, now = RequestLimit(per_s=2, burst=3), RequestLimit(per_s=2, burst=3), 0.0
    for pause, asks in steps:
        now += pause
        seen = [looked_at.closed_s("a", now) for _ in range(3)]
        assert seen == [seen[0]] * 3
        if asks:
            assert limit.wait_s("a", now) == looked_at.wait_s("a", now) == seen[0]


@pytest.mark.rule("AC-116")
def test_an_address_is_that_of_one_holder() -> None:
    same = {holder_of(f"2001:db8:1:2::{last:x}") for last in (1, 2, 0xFFFF)}
    assert same == {"2001:db8:1:2::/64"}
    assert holder_of("2001:db8:1:3::1") not in same
    assert holder_of("::ffff:192.0.2.1") == holder_of("192.0.2.1") == "192.0.2.1"
    assert (holder_of(None), holder_of("testclient")) == ("", "testclient")


@pytest.mark.rule("AC-116")
async def test_made_up_tokens_are_limited_by_address_and_those_in_use_are_not_held_up(
    environment: dict[str, str],
) -> None:
    async with console_world(environment, with_kafka=False, REQUESTS_PER_S="0.01", REQUESTS_BURST="30") as world:
        path, token, other = "/api/v1/orgs/acme/tickets", await world.token("acme"), await world.token("acme", "viewer")
        assert (await world.call("GET", path, token)).status_code == 200
        made_up = [await world.call("GET", path, f"ftl_{number}") for number in range(31)]
        assert [answer.status_code for answer in made_up] == [401] * 30 + [429]
        assert int(made_up[-1].headers["retry-after"]) > 1
        elsewhere = await world.call("GET", path, "ftl_x", headers={"x-forwarded-for": "192.0.2.7"})
        assert elsewhere.status_code == 401
        assert (await world.call("GET", path, token)).status_code == 200
        assert (await world.call("GET", path, other)).status_code == 429, "not known to be one that counts"


@pytest.mark.rule("AC-116")
async def test_the_sign_in_page_takes_twenty_wrong_tokens_and_then_one_now_and_then(
    environment: dict[str, str],
) -> None:
    async with console_world(environment, with_kafka=False) as world:
        token = await world.token("acme", "viewer")
        for _ in range(25):
            assert (await world.post("/sign-in", token=token)).status_code == 303, "tokens that count are not limited"
        wrong = [await world.post("/sign-in", token=f"ftl_{number}") for number in range(21)]
        assert [answer.status_code for answer in wrong[:20]] == [401] * 20
        assert (wrong[20].status_code, wrong[20].headers["retry-after"]) == (429, "6")
        assert "That was too fast" in wrong[20].text
        other = await world.token("acme", "operator")
        assert (await world.post("/sign-in", token=other)).status_code == 429, "not known to be one that counts"
        assert (await world.post("/sign-in", token=token)).status_code == 303
        away = {"origin": world.url, "x-forwarded-for": "192.0.2.7"}
        assert (await world.http.post("/sign-in", data={"token": other}, headers=away)).status_code == 303


@pytest.mark.rule("AC-154")
async def test_people_who_sign_in_are_limited_by_address_and_fifty_at_once_are_not(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ARRIVALS_AT_ONCE >= 20 * 50
    monkeypatch.setattr("fettle_console.app.ARRIVALS_AT_ONCE", 6)
    monkeypatch.setattr("fettle_console.app.ARRIVALS_PER_S", 0.01)
    async with console_world(environment, with_kafka=False, DEMO_ORG="acme") as world:
        token, ingest = await world.token("acme", "viewer"), await world.token("acme", "ingest")
        for fields in ({"token": token}, {"token": ingest}):
            assert (await world.post("/sign-in", **fields)).status_code in (303, 403)
        assert (await world.post("/sign-in", token="ftl_made_up")).status_code == 401, "counts elsewhere"
        for way, fields in (("", {"token": token}), ("/demo", {})) * 2:
            assert (await world.post(f"/sign-in{way}", **fields)).status_code == 303
        for way, fields in (("", {"token": token}), ("/demo", {})):
            late = await world.post(f"/sign-in{way}", **fields)
            wait_s = int(late.headers["retry-after"])
            assert (late.status_code, 90 < wait_s <= 100) == (429, True)
            assert f"signed in from your address within a short time. Try again in {wait_s} s." in late.text
        asked = await world.call("GET", "/api/v1/orgs/acme/audit?thing=sign-in", await world.token("acme"))
        assert len(asked.json()["items"]) == 6, "what is too much leaves no line"
        away = {"origin": world.url, "x-forwarded-for": "192.0.2.7"}
        assert (await world.http.post("/sign-in/demo", headers=away)).status_code == 303
        assert (await world.call("GET", "/api/v1/orgs/acme/tickets", token)).status_code == 200


@pytest.mark.rule("AC-116")
async def test_a_session_may_look_at_pages_as_fast_as_a_token_may_ask(environment: dict[str, str]) -> None:
    async with console_world(environment, with_kafka=False, REQUESTS_PER_S="0.01", REQUESTS_BURST="10") as world:
        await world.sign_in("acme", "viewer")
        first = dict(world.http.cookies)
        answers = [await world.http.get("/sign-in") for _ in range(11)]
        assert [answer.status_code for answer in answers] == [303] * 10 + [429]
        world.http.cookies.clear()
        await world.sign_in("acme", "viewer")
        assert (await world.http.get("/orgs/acme/tickets")).status_code == 200
        world.http.cookies.clear()
        world.http.cookies.update(first)
        assert (await world.http.get("/orgs/acme/tickets")).status_code == 429


@pytest.mark.rule("AC-72", "AC-8")
async def test_what_comes_too_fast_is_told_when_to_come_again(environment: dict[str, str]) -> None:
    async with console_world(environment, REQUESTS_PER_S="1", REQUESTS_BURST="10") as world:
        path, token, other = "/api/v1/orgs/acme/tickets", await world.token("acme"), await world.token("acme", "viewer")
        answers = await asyncio.gather(*(world.call("GET", path, token) for _ in range(40)))
        assert {answer.status_code for answer in answers} == {200, 429}
        assert sum(answer.status_code == 200 for answer in answers) >= 10
        late = next(answer for answer in answers if answer.status_code == 429)
        assert (late.json()["code"], late.headers["content-type"]) == ("too_many", "application/problem+json")
        assert late.headers["retry-after"] == "1"
        assert (await world.call("GET", path, other)).status_code == 200
        await asyncio.sleep(int(late.headers["retry-after"]))
        assert (await world.call("GET", path, token)).status_code == 200
