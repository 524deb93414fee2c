"""An org's event stream: only its own, in order, resumable, and alive after the broker was away."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from console_world import World, console_world

from fettle_console.adapters import live
from fettle_console.adapters.live import Happened
from fettle_console.domain.event_ring import LiveEvent
from fettle_console.entrypoints.pages.live_stream import latest
from fettle_console.entrypoints.streams import while_allowed

PATH = "/api/v1/orgs/acme/events"
SHARED = pytest.mark.asyncio(loop_scope="session")


async def bearer(world: World) -> dict[str, str]:
    return {"authorization": f"Bearer {await world.token('acme', 'viewer')}"}


@pytest.mark.rule("AC-2", "AC-15")
@SHARED
async def test_a_stream_shows_what_happens_in_its_org_and_in_no_other(world: World) -> None:
    headers = await bearer(world)
    world.tickets.open("acme", "Lift")
    world.tickets.open("zoo", "Secret")
    async with world.events(PATH, **headers) as stream:
        await world.ticket_event(world.tickets.entry("zoo", 1, "comment-added", {"type": "user"}, body="secret"))
        await world.transition("zoo")
        sent = world.tickets.entry("acme", 1, "comment-added", {"type": "user", "name": "Ann"}, body="hello")
        await world.ticket_event(sent)
        event = await stream.next()
        assert (event.name, event.data) == ("fettle.ticket.comment-added.v1", sent)
        await world.transition("acme")
        event = await stream.next()
        assert (event.name, event.data["to"]) == ("fettle.health.transition.v1", "firing")


@pytest.mark.rule("AC-15")
@SHARED
async def test_a_stream_resumes_after_the_last_event_that_was_seen(world: World) -> None:
    headers = await bearer(world)
    world.tickets.open("acme", "Lift")
    async with world.events(PATH, **headers) as stream:
        await world.ticket_event(world.tickets.entry("acme", 1, "comment-added", {"type": "user"}, body="1"))
        seen = (await stream.next()).id
    for body in ("2", "3"):
        await world.ticket_event(world.tickets.entry("acme", 1, "comment-added", {"type": "user"}, body=body))
    async with world.events(PATH, **headers, **{"last-event-id": seen}) as stream:
        assert [(await stream.next()).data["entry"]["body"] for _ in range(2)] == ["2", "3"]


@pytest.mark.rule("AC-15")
@pytest.mark.parametrize("id", ["0123456789ab-3", "nonsense"])
@SHARED
async def test_a_stream_that_cannot_resume_says_reset_and_goes_on(world: World, id: str) -> None:
    headers = await bearer(world)
    world.tickets.open("acme", "Lift")
    async with world.events(PATH, **headers, **{"last-event-id": id}) as stream:
        assert (await stream.next()).name == "reset"
        await world.ticket_event(world.tickets.entry("acme", 1, "comment-added", {"type": "user"}, body="new"))
        assert (await stream.next()).data["entry"]["body"] == "new"


@pytest.mark.rule("AC-16")
@SHARED
async def test_a_redelivered_older_event_is_not_news(world: World) -> None:
    headers = await bearer(world)
    world.tickets.open("acme", "Lift")
    first, second, third = (
        world.tickets.entry("acme", 1, "comment-added", {"type": "user"}, body=body) for body in ("1", "2", "3")
    )
    async with world.events(PATH, **headers) as stream:
        for event in (first, second, first, second, third):
            await world.ticket_event(event)
        assert [(await stream.next()).data["entry"]["body"] for _ in range(3)] == ["1", "2", "3"]


@pytest.mark.rule("AC-16")
@SHARED
async def test_a_record_that_is_no_event_stops_nothing(world: World) -> None:
    headers = await bearer(world)
    world.tickets.open("acme", "Lift")
    async with world.events(PATH, **headers) as stream:
        await world.producer.send_and_wait(world.settings.topic("ticket.events"), b"rubbish", key=b"acme/x")
        await world.producer.send_and_wait(world.settings.topic("health.transitions"), None, key=b"acme")
        await world.ticket_event(world.tickets.entry("acme", 1, "comment-added", {"type": "user"}, body="good"))
        assert (await stream.next()).data["entry"]["body"] == "good"


async def made(world: World) -> tuple[str, str]:
    """A token that only this test uses: its path, and the token."""
    admin = await world.token("acme", "admin")
    answer = await world.call("POST", "/api/v1/orgs/acme/tokens", admin, json={"role": "viewer", "name": "gone soon"})
    return f"/api/v1/orgs/acme/tokens/{answer.json()['id']}", answer.json()["token"]


async def ended(stream: Any) -> None:
    async with asyncio.timeout(60):
        with pytest.raises(StopAsyncIteration):
            await stream.until("never", lambda _: True)


@pytest.mark.rule("AC-1")
@SHARED
@pytest.mark.parametrize("busy", [False, True])
async def test_a_stream_ends_when_its_token_is_revoked(
    world: World, monkeypatch: pytest.MonkeyPatch, *, busy: bool
) -> None:
    monkeypatch.setattr(live, "BEAT_S", 0.5)
    headers = await bearer(world)
    path, token = await made(world)
    world.tickets.open("acme", "Lift")

    async def work() -> None:
        while True:
            await world.ticket_event(world.tickets.entry("acme", 1, "comment-added", {"type": "user"}, body="on"))
            await asyncio.sleep(0.1)

    async with world.events(PATH, **headers) as other:
        async with world.events(PATH, authorization=f"Bearer {token}") as stream:
            working = asyncio.create_task(work()) if busy else None
            assert (await world.call("DELETE", path, await world.token("acme", "admin"))).status_code == 204
            try:
                await ended(stream)
            finally:
                if working is not None:
                    working.cancel()
                    await asyncio.wait([working])
        await world.transition("acme")
        assert await other.next("fettle.health.transition.v1")


@pytest.mark.rule("AC-1")
@SHARED
async def test_a_pages_stream_ends_with_its_session(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "BEAT_S", 0.5)
    path, token = await made(world)
    assert (await world.post("/sign-in", token=token)).status_code == 303
    async with world.events("/orgs/acme/live") as stream:
        assert await stream.next("beat")
        assert (await world.call("DELETE", path, await world.token("acme", "admin"))).status_code == 204
        await ended(stream)


@pytest.mark.rule("AC-34")
@SHARED
async def test_a_page_hears_what_happens_before_its_stream_begins(world: World) -> None:
    """It is lost to a page whose scripts come late, if the stream begins with what happens from then on."""
    await world.sign_in("acme")
    world.tickets.open("acme", "Lift")
    headers = await bearer(world)
    page = (await world.http.get("/orgs/acme/tickets")).text
    async with world.events(PATH, **headers) as elsewhere:
        await world.ticket_event(world.tickets.entry("acme", 1, "comment-added", {"type": "user"}, body="early"))
        await elsewhere.next()
    [address] = re.findall(r'data-stream="([^"]+)"', page)
    async with world.events(address) as stream:
        heard = await stream.next()
        assert (heard.name, heard.data["number"]) == ("ticket", 1)
        await world.transition("acme")
        assert (await stream.next()).name == "health"
    async with world.events(address, **{"last-event-id": heard.id}) as again:
        assert (await again.next()).name == "health"


@pytest.mark.rule("AC-1")
async def test_a_stream_outlives_a_database_that_is_away_and_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "BEAT_S", 0.0)
    answers: list[bool | OSError] = [True, ConnectionResetError(), True, False, True]

    async def numbers() -> AsyncIterator[int]:
        for number in range(9):
            yield number

    async def allowed() -> bool:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    assert [number async for number in while_allowed(numbers(), allowed)] == [0, 1, 2]


STRUCTURED = [("content-type", b"application/cloudevents+json")]
DEEP = b"[" * 100_000 + b"]" * 100_000


def binary(ce_type: bytes) -> list[tuple[str, bytes]]:
    attributes = {"id": b"1", "source": b"x", "type": ce_type, "time": b"2026-11-24T00:00:00Z", "specversion": b"1.0"}
    return [(f"ce_{name}", value) for name, value in attributes.items()]


def structured(**more: bytes) -> bytes:
    parts = {"specversion": b'"1.0"', "id": b'"1"', "source": b'"x"', "type": b'"t"', "data": b"{}", **more}
    parts = {"time": b'"2026-11-24T00:00:00Z"', **parts}
    return b"{" + b",".join(b'"%s":%s' % (name.encode(), part) for name, part in parts.items()) + b"}"


def transition(more: bytes) -> bytes:
    said = b'"org":"acme","subject":{"type":"device","id":"x"},"from":null,"to":"firing","at":"2026-11-24T00:00:00Z"'
    return b"{" + said + more + b"}"


HEALTH = b"fettle.health.transition.v1"
HOSTILE = [
    (binary(HEALTH), transition(b',"x":' + DEEP)),
    (binary(HEALTH), transition(b',"x":"\\ud800"')),
    (binary(HEALTH), transition(b',"x":"\xff"')),
    (binary(HEALTH), transition(b',"flap_count":1' + b"0" * 9_000)),
    (binary(HEALTH), b'"org"'),
    (binary(HEALTH), transition(b"").replace(b"2026-11-24T00:00:00Z", b"0001-01-01T00:00:00+14:00")),
    (binary(b"\xff"), b"{}"),
    ([*binary(HEALTH), ("ce_id", b"2")], transition(b"")),
    (STRUCTURED, b"[" * 100_000),
    (STRUCTURED, structured(data=DEEP)),
    (STRUCTURED, structured(data=b'{"a":"\\ud800"}')),
    (STRUCTURED, structured(type=b'"\\ud800"')),
    (STRUCTURED, structured(time=b'"9999-12-31T23:59:59-14:00"')),
    (STRUCTURED, structured(data=b"NaN")),
    (STRUCTURED, structured(causationdepth=b"9" * 9_000)),
]


@pytest.mark.rule("AC-73")
@SHARED
async def test_hostile_records_end_no_stream(world: World) -> None:
    headers = await bearer(world)
    world.tickets.open("acme", "Lift")
    good = world.tickets.entry("acme", 1, "comment-added", {"type": "user"}, body="good")
    async with world.events(PATH, **headers) as stream:
        for topic in ("ticket.events", "health.transitions"):
            for ce_headers, value in HOSTILE:
                name = world.settings.topic(topic)
                await world.producer.send_and_wait(name, value, key=b"acme/\xff", headers=ce_headers)
                await world.producer.send_and_wait(name, value, key=b"acme", headers=ce_headers)
        await world.ticket_event(good)
        assert (await stream.next()).data["entry"]["body"] == "good"
        await world.transition("acme")
        assert (await stream.next()).name == "fettle.health.transition.v1"
    assert (await world.call("GET", "/readyz")).status_code == 200


async def test_streams_end_when_the_console_stops(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, not with their next beat."""
    monkeypatch.setattr(live, "BEAT_S", 60.0)
    async with console_world(environment) as world:
        headers = await bearer(world)
        async with world.events(PATH, **headers) as stream:
            before = asyncio.get_running_loop().time()
            await world.stop()
            with pytest.raises(StopAsyncIteration):
                await stream.next()
            assert asyncio.get_running_loop().time() - before < 30


@pytest.mark.rule("AC-156")
@SHARED
async def test_of_a_ticket_that_changes_often_every_event_is_told_and_its_last_state_is_shown(world: World) -> None:
    headers = await bearer(world)
    await world.sign_in("acme")
    world.tickets.open("acme", "Lift")
    texts = [str(number) for number in range(60)]
    async with world.events(PATH, **headers) as every, world.events("/orgs/acme/live") as page:
        entries = [world.tickets.entry("acme", 1, "comment-added", {"type": "user"}, body=text) for text in texts]
        for entry in entries:
            await world.ticket_event(entry)
        assert [(await every.next()).data["entry"]["body"] for _ in texts] == texts
        last = entries[-1]["ticket"]["version"]
        assert (await page.until("ticket", lambda data: data["version"] == last))["number"] == 1


@pytest.mark.rule("AC-156")
def test_of_what_happened_within_a_moment_only_each_tickets_last_change_is_told() -> None:
    def changed(id: str, ticket: int | None) -> Happened:
        return Happened(id, LiveEvent("acme", "any", "{}", ticket))

    happened = [changed("1", 7), changed("2", 8), changed("3", None), changed("4", 7), changed("5", None)]
    assert [each.id for each in latest(happened)] == ["2", "4", "5"]
