"""How fast one token may ask."""

import asyncio

import pytest
from console_world import console_world
from hypothesis import given
from hypothesis import strategies as st

from fettle_console.domain.request_limit import RequestLimit


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
