"""An org's event stream: only its own, in order, resumable, and alive after the broker was away."""

import asyncio

import pytest
from console_world import World, console_world

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


async def test_streams_end_when_the_console_stops(environment: dict[str, str]) -> None:
    async with console_world(environment) as world:
        headers = await bearer(world)
        async with world.events(PATH, **headers) as stream:
            before = asyncio.get_running_loop().time()
            await world.stop()
            with pytest.raises(StopAsyncIteration):
                await stream.next()
            assert asyncio.get_running_loop().time() - before < 4
