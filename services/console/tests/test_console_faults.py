"""The console while its broker is stopped, killed and held: no answer lies, no stream dies."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable
from itertools import count

import pytest
from console_log import in_the_log
from console_world import World

from fettle_devstack.servers import Servers

HEARTBEATS = "/api/v1/orgs/acme/heartbeats"
EVENTS = "/api/v1/orgs/acme/events"


def lines(*ids: str) -> bytes:
    return b"\n".join(json.dumps({"type": "device", "id": id}).encode() for id in ids)


async def stopped(servers: Servers, while_away: Awaitable[None]) -> None:
    await asyncio.to_thread(servers.kafka.stop)
    await while_away
    await asyncio.to_thread(servers.kafka.start)


async def held(servers: Servers, while_away: Awaitable[None]) -> None:
    await asyncio.to_thread(servers.kafka.pause)
    await while_away
    await asyncio.to_thread(servers.kafka.resume)


@pytest.mark.rule("AC-12")
@pytest.mark.slow
@pytest.mark.parametrize("away", [stopped, held])
async def test_what_was_answered_503_never_appears(
    fragile: World, own_servers: Servers, away: Callable[[Servers, Awaitable[None]], Awaitable[None]]
) -> None:
    token = await fragile.token("acme", "ingest")

    async def post(*ids: str) -> int:
        return (await fragile.call("POST", HEARTBEATS, token, content=lines(*ids))).status_code

    async def in_vain() -> None:
        answer = await fragile.call("POST", HEARTBEATS, token, content=lines("lost-1", "lost-2"))
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert await asyncio.gather(*(post(f"lost-{number}") for number in range(3, 20))) == [503] * 17

    assert await post("before") == 202
    await away(own_servers, in_vain())
    while await post("after") != 202:
        pass
    keys = {key for _, key, _ in await in_the_log(fragile)}
    assert keys == {b"acme/device/before", b"acme/device/after"}


@pytest.mark.rule("AC-12")
@pytest.mark.slow
async def test_no_answer_lies_while_the_broker_goes_and_comes_under_load(fragile: World, own_servers: Servers) -> None:
    token = await fragile.token("acme", "ingest")
    answers: dict[int, set[str]] = defaultdict(set)
    numbers, over, answered = count(), asyncio.Event(), asyncio.Event()

    async def keep_posting() -> None:
        while not over.is_set():
            mine = [f"d{next(numbers)}" for _ in range(3)]
            answer = await fragile.call("POST", HEARTBEATS, token, content=lines(*mine))
            answers[answer.status_code].update(mine)
            answered.set()

    async def until(status: int, more: int) -> None:
        """Until `more` further heartbeats have got this answer."""
        enough = len(answers[status]) + more
        while len(answers[status]) < enough:
            answered.clear()
            await answered.wait()

    posting = [asyncio.create_task(keep_posting()) for _ in range(8)]
    for away in (held, stopped, held):
        await until(202, 300)
        await away(own_servers, until(503, 24))
    await until(202, 30)
    over.set()
    await asyncio.gather(*posting)

    assert set(answers) <= {202, 503, 504}
    found = {key.decode().removeprefix("acme/device/") for _, key, _ in await in_the_log(fragile)}
    assert answers[202] <= found
    assert not answers[503] & found
    assert found <= answers[202] | answers[504]


@pytest.mark.rule("AC-17")
@pytest.mark.slow
async def test_a_stream_outlives_the_broker_and_misses_nothing(fragile: World, own_servers: Servers) -> None:
    headers = {"authorization": f"Bearer {await fragile.token('acme', 'viewer')}"}
    fragile.tickets.open("acme", "Lift")
    async with fragile.events(EVENTS, **headers) as stream:
        for outage in ("first", "second"):
            await fragile.ticket_event(fragile.tickets.entry("acme", 1, "comment-added", {"type": "user"}, body=outage))
            assert (await stream.next()).data["entry"]["body"] == outage
            if outage == "first":
                await asyncio.to_thread(own_servers.kafka.kill)
                await asyncio.to_thread(own_servers.kafka.start)


@pytest.mark.rule("AC-34")
@pytest.mark.slow
async def test_pages_are_told_when_the_tail_is_not_live(fragile: World, own_servers: Servers) -> None:
    await fragile.token("acme", "viewer")
    await fragile.sign_in("acme")
    async with fragile.events("/orgs/acme/live") as stream:
        await stream.until("beat", lambda beat: beat["live"])
        await asyncio.to_thread(own_servers.kafka.pause)
        last = await stream.until("beat", lambda beat: not beat["live"])
        await asyncio.to_thread(own_servers.kafka.resume)
        again = await stream.until("beat", lambda beat: beat["live"])
        assert again["as_of"] > last["as_of"]
