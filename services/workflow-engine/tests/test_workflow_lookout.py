"""What is due is heard of in time, by one look for all of it, and by what others announce."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from channel_world import ChannelWorld
from engine_world import World, event, world_of
from sqlalchemy import text
from web_server import answer, web_server

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.ticket_events import EntryType
from fettle_workflow_engine.adapters import call_rows, due_rows
from fettle_workflow_engine.adapters.due_rows import Kind
from fettle_workflow_engine.domain.calls import Again, OutsideCall
from fettle_workflow_engine.domain.run import Failure
from fettle_workflow_engine.entrypoints.lookout import Lookout
from fettle_workflow_engine.scheduling import AHEAD

NEVER_S = 3_600.0
"""Who looks so seldom hears in time of what is announced, and of nothing else."""
EARLIER = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
ALMOST_ELEVEN = datetime(2026, 11, 23, 10, 59, 59, tzinfo=UTC)
FLOW = """
workflow: flow
enabled: true
nodes:
  opened: {trigger: ticket.opened}
  rest: {after: [opened], action: wait, with: {for: 1s}}
  started: {trigger: ticket.started}
  asked: {after: [started], action: http.request, with: {url: "https://example.com/"}}
"""
IMPATIENT = FLOW.replace(": flow", ": impatient").replace("enabled: true", "enabled: true\ntimeout_s: 1")
HOURLY = "workflow: hourly\nenabled: true\nnodes:\n  due: {trigger: schedule, every: 1h}\n"


@pytest.fixture
async def world(environment: dict[str, str]) -> AsyncIterator[World]:
    async with world_of(environment) as found:
        yield found


class Clock:
    """Goes on by itself, from wherever it is set to."""

    def __init__(self, at: datetime = EARLIER) -> None:
        self.set(at)

    def set(self, at: datetime) -> None:
        self._ahead = at - datetime.now(UTC)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead


@asynccontextmanager
async def looking(world: World, clock: Clock) -> AsyncIterator[Lookout]:
    lookout = Lookout(world.database, clock, NEVER_S)
    running = asyncio.create_task(lookout.run())
    try:
        yield lookout
    finally:
        running.cancel()
        await asyncio.wait([running])
        if not running.cancelled():
            running.result()


async def a_wait_begins(world: World) -> None:
    await world.save(FLOW)
    await world.happen(event())


async def a_transaction_is_slow(world: World) -> None:
    """It takes longer than the wait that it puts down: no look has seen that when it is due."""
    await world.save(FLOW.replace("for: 1s", "for: 3s"))
    async with unit_of_work(world.database) as work:
        await world.engine.take_events(work, [event()])
        await asyncio.sleep(4)


async def a_run_has_little_time(world: World) -> None:
    await world.save(IMPATIENT)
    await world.happen(event(EntryType.STARTED))
    async with unit_of_work(world.database) as work:
        await work.connection.execute(text("DELETE FROM call"))


async def a_schedule_is_saved(world: World) -> None:
    await world.save(HOURLY)


async def a_call_is_asked_for(world: World) -> None:
    await world.save(FLOW)
    await world.happen(event(EntryType.STARTED))


async def a_call_is_made(world: World) -> None:
    await a_call_is_asked_for(world)
    async with unit_of_work(world.database) as work:
        await call_rows.take(
            work.connection, world.now, by="engine-1", lease=timedelta(hours=9), limit=1, of_one_org=1, busy={}
        )


async def a_call_is_to_be_made_again(world: World) -> None:
    async with unit_of_work(world.database) as work:
        [row] = await work.connection.execute(text("SELECT id, org, kind, request, attempts FROM call"))
        again = Again(1.0, Failure("away", "Nobody there."))
        await call_rows.put_off(work.connection, [(OutsideCall(*row), again)], world.now)


async def nothing(_: World) -> None:
    pass


Happens = Callable[[World], Awaitable[None]]


@pytest.mark.rule("WF-144", "WF-152")
@pytest.mark.parametrize(
    ("kind", "before", "happens", "in_s"),
    [
        (Kind.RUNS, nothing, a_wait_begins, 1),
        (Kind.RUNS, nothing, a_transaction_is_slow, 4),
        (Kind.RUNS, nothing, a_run_has_little_time, 1),
        (Kind.SCHEDULES, nothing, a_schedule_is_saved, 1),
        (Kind.CALLS, nothing, a_call_is_asked_for, 0),
        (Kind.CALLS, a_call_is_made, a_call_is_to_be_made_again, 1),
    ],
)
async def test_what_is_due_before_the_next_look_is_announced(
    world: World, kind: Kind, before: Happens, happens: Happens, in_s: int
) -> None:
    """By whoever writes it, to every engine, and it is not heard of too early."""
    world.now = EARLIER
    await before(world)
    clock = Clock()
    async with looking(world, clock) as here, looking(world, clock) as there:
        assert await listening(world, 2)
        waiting = [asyncio.create_task(one.due(kind)) for one in (here, there)]
        await asyncio.sleep(0.5)
        assert not any(task.done() for task in waiting)
        world.now = ALMOST_ELEVEN
        clock.set(world.now)
        await happens(world)
        async with asyncio.timeout(60):
            await asyncio.gather(*waiting)
        assert clock() >= world.now + timedelta(seconds=in_s)


async def listening(world: World, count: int) -> bool:
    """Once so many connections listen to what is announced. The server shows the first 1,023 bytes of a statement."""
    async with asyncio.timeout(60), world.database.reading() as connection:
        while True:
            found = await connection.scalar(
                text("""
                    SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND left(query, 1000) = :look
                """),
                {"look": due_rows._NEXT[:1_000]},
            )
            if found == count:
                return True
            await asyncio.sleep(0.02)


@pytest.mark.rule("WF-143")
async def test_who_has_done_what_was_due_is_not_called_again(world: World) -> None:
    """And one that is due later is heard of when it is due, without another look; some want to know before."""
    await world.save(HOURLY)
    async with unit_of_work(world.database) as work:
        await work.connection.execute(
            text("UPDATE schedule SET next_at = :at"), {"at": world.now + AHEAD + timedelta(seconds=1)}
        )
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with looking(world, Clock(world.now)) as lookout:
        async with asyncio.timeout(60):
            await lookout.due(Kind.SCHEDULES, AHEAD)
        assert loop.time() - begun >= 0.9
        due = asyncio.create_task(lookout.due(Kind.SCHEDULES))
        other = asyncio.create_task(lookout.due(Kind.RUNS))
        await asyncio.sleep(0.5)
        assert not due.done()
        due.cancel()
        await asyncio.wait([due])
        assert not other.done()
        other.cancel()


@pytest.mark.rule("WF-144")
async def test_a_lookout_whose_connection_is_lost_hears_again(world: World) -> None:
    async with looking(world, Clock(world.now)) as lookout:
        waiting = asyncio.create_task(lookout.due(Kind.CALLS))
        assert await listening(world, 1)
        async with world.database.reading() as connection:
            lost = text("""
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND left(query, 1000) = :look
            """)
            await connection.execute(lost, {"look": due_rows._NEXT[:1_000]})
        async with asyncio.timeout(60):
            await waiting  # what was asked for while nobody listened may be there
            waiting = asyncio.create_task(lookout.due(Kind.CALLS))
            assert await listening(world, 1)
            await a_call_is_asked_for(world)
            await waiting


@pytest.mark.rule("WF-143")
async def test_a_channel_that_holds_back_is_looked_at(world: World) -> None:
    """While it has no digest under way; then when that is to be sent."""
    sending = ChannelWorld(world)
    async with web_server(lambda _: answer(200, b"ok")) as server:
        await sending.slack(server.url("/in"), cap=1)
        for number in range(2):
            await sending.tell(number)
        session = await world.database.session(**due_rows.SESSION)
        try:
            held = (await due_rows.soonest(session))[Kind.DIGESTS]
            assert held is not None
            assert held < world.now
            async with unit_of_work(world.database) as work:
                await work.connection.execute(
                    text("INSERT INTO digest SELECT :id, org, name, :at, :at, 0 FROM channel"),
                    {"id": UUID(int=1), "at": world.now + timedelta(minutes=5)},
                )
            assert (await due_rows.soonest(session))[Kind.DIGESTS] == world.now + timedelta(minutes=5)
        finally:
            session.terminate()
