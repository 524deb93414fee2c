"""Schedules on a real database: which rows there are, what firing them starts, and that each moment does once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from engine_world import World, world_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event as database_event
from sqlalchemy import text
from ticket_event import AT

from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work
from fettle_contracts.times import rfc3339
from fettle_workflow_engine.domain.rhythms import Every, moments
from fettle_workflow_engine.entrypoints.lookout import Lookout
from fettle_workflow_engine.entrypoints.schedules import Schedules
from fettle_workflow_engine.scheduling import Scheduler

ROUND = """\
workflow: round
enabled: true
nodes:
  quarter: {trigger: schedule, every: 15m}
  noted: {after: [quarter], action: ticket.comment, with: {ticket: 7, text: {template: "{{ event.scheduled_at }}"}}}
"""
PLAIN = "workflow: {name}\nenabled: true\nnodes:\n  due: {{trigger: schedule, {when}}}\n"


@pytest.fixture
async def world(environment: dict[str, str]) -> AsyncIterator[World]:
    async with world_of(environment) as found:
        yield found


async def rows(world: World, org: str = "%") -> dict[tuple[str, str], datetime]:
    async with world.database.reading() as connection:
        found = await connection.execute(
            text("SELECT workflow, trigger, next_at FROM schedule WHERE org LIKE :org"), {"org": org}
        )
        return {(row.workflow, row.trigger): row.next_at for row in found}


async def switch(world: World, enabled: bool) -> None:
    async with unit_of_work(world.database) as work:
        await world.library.switch(work.connection, "acme", enabled, "ann")


async def crash(world: World) -> int:
    """Fires what is due in a transaction that is never committed; returns how many there were."""
    async with world.database.engine.connect() as connection:
        return await world.scheduler.fire_due(UnitOfWork(connection, AsyncExitStack()), 10)


def at(clock: str) -> datetime:
    """AT is 10:15:30 of 23 November."""
    return datetime.fromisoformat(f"2026-11-23T{clock}").replace(tzinfo=UTC)


@pytest.mark.rule("WF-56")
async def test_a_due_moment_starts_one_run(world: World) -> None:
    await world.save(ROUND)
    assert await rows(world) == {("round", "quarter"): at("10:30")}
    assert await world.ring(minutes=14) == 0
    assert await world.ring(seconds=31) == 1
    assert await world.ring() == 0
    (run,) = await world.runs()
    assert (run["trigger"], run["event_id"], run["depth"]) == ("schedule", "quarter@2026-11-23T10:30:00.000Z", 1)
    assert run["event"] == {
        "trigger": "quarter",
        "scheduled_at": "2026-11-23T10:30:00.000Z",
        "missed": 0,
        "missed_at": [],
    }
    assert len(await world.commands()) == 1
    assert await rows(world) == {("round", "quarter"): at("10:45")}


@pytest.mark.rule("WF-57")
async def test_a_downtime_is_told_of_or_passed_over(world: World) -> None:
    await world.save(ROUND)
    await world.save(ROUND.replace("workflow: round", "workflow: skips").replace("15m", "15m, missed: skip"))
    world.restart()
    assert await world.ring(minutes=61) == 2
    (run,) = await world.runs()
    assert run["workflow"] == "round"
    assert run["event"]["scheduled_at"] == "2026-11-23T11:15:00.000Z"
    assert run["event"]["missed"] == 3
    assert run["event"]["missed_at"] == [f"2026-11-23T{clock}:00.000Z" for clock in ("10:30", "10:45", "11:00")]
    assert set((await rows(world)).values()) == {at("11:30")}


@pytest.mark.rule("WF-58")
async def test_what_a_save_does_to_the_next_moment(world: World) -> None:
    await world.save(ROUND)
    world.now = at("10:40")  # nobody was there at 10:30
    await world.save(ROUND.replace("scheduled_at", "missed"))
    assert await rows(world) == {("round", "quarter"): at("10:30")}
    await world.save(ROUND.replace("15m", "15m, missed: skip"))
    assert await rows(world) == {("round", "quarter"): at("10:30")}
    await world.save(ROUND.replace("15m", "20m"))
    assert await rows(world) == {("round", "quarter"): at("11:00")}
    await world.save(ROUND.replace("every: 15m", "cron: '50 * * * *'"))
    assert await rows(world) == {("round", "quarter"): at("10:50")}
    await world.save(ROUND.replace("every: 15m", "cron: '50 * * * *', zone: Asia/Kolkata"))
    assert await rows(world) == {("round", "quarter"): at("11:20")}
    await world.save(ROUND.replace("quarter", "often"))
    assert await rows(world) == {("round", "often"): at("10:45")}
    await world.save(ROUND.replace("enabled: true", "enabled: false"))
    assert await rows(world) == {}
    world.now = at("12:01")
    await world.save(ROUND)
    assert await rows(world) == {("round", "quarter"): at("12:15")}
    await world.delete("round")
    assert await rows(world) == {}


@pytest.mark.rule("WF-58", "WF-63")
async def test_in_an_org_that_is_off_due_moments_start_nothing(world: World) -> None:
    await world.save(ROUND)
    await world.save(ROUND.replace("round", "resting").replace("enabled: true", "enabled: false"))
    await world.save(ROUND, org="globex")
    await switch(world, False)
    await world.save(ROUND.replace("round", "later"))
    assert await world.ring(hours=2) == 3
    assert await world.runs() == []
    assert len(await world.runs(org="globex")) == 1
    world.now += timedelta(hours=1)  # nobody was there at 12:30, 12:45, 13:00, 13:15
    await switch(world, True)
    later = {("later", "quarter"): at("13:30"), ("round", "quarter"): at("13:30")}
    assert await rows(world, "acme") == later
    assert await world.ring() == 1
    await switch(world, True)
    assert await rows(world, "acme") == later
    assert await world.ring(minutes=20) == 3
    assert [run["event"]["missed"] for run in await world.runs()] == [0, 0]


@pytest.mark.rule("WF-155")
async def test_an_org_whose_schedules_were_taken_out_while_it_was_off_has_them_again(world: World) -> None:
    """As engines did before rows stayed."""
    await world.save(ROUND)
    await switch(world, False)
    async with world.database.engine.begin() as connection:
        await connection.execute(text("DELETE FROM schedule"))
    await switch(world, True)
    assert await rows(world) == {("round", "quarter"): at("10:30")}


@pytest.mark.rule("WF-56")
async def test_a_clock_that_is_put_back_repeats_nothing(world: World) -> None:
    await world.save(ROUND)
    assert await world.ring(hours=1) == 1
    assert await world.ring(hours=-1) == 0
    await world.delete("round")
    await world.save(ROUND)
    assert await world.ring(minutes=15) == 1
    assert await world.ring(minutes=45) == 1
    moments = [run["event"]["scheduled_at"] for run in await world.runs()]
    assert sorted(moments) == ["2026-11-23T10:30:00.000Z", "2026-11-23T11:15:00.000Z"]


@pytest.mark.rule("WF-56")
async def test_a_condition_that_does_not_hold_lets_the_moment_pass(world: World) -> None:
    await world.save(ROUND.replace("every: 15m", "every: 15m, where: 'event.missed > 0'"))
    assert await world.ring(minutes=15) == 1
    assert await world.runs() == []
    assert await world.ring(minutes=30) == 1
    assert [run["event"]["missed"] for run in await world.runs()] == [1]


@pytest.mark.rule("WF-56", "WF-77")
async def test_a_rerun_goes_by_the_schedule_that_was_due(world: World) -> None:
    await world.save(ROUND.replace("  noted:", "  hourly: {trigger: schedule, every: 1h}\n  noted:"))
    assert await world.ring(minutes=15) == 1
    (first,) = await world.runs()
    async with unit_of_work(world.database) as work:
        await world.interventions.rerun(work, "acme", UUID(first["id"]), None, "ann")
    for run in await world.runs():
        assert {node["node"]: node["state"] for node in run["nodes"][:2]} == {"quarter": "done", "hourly": "skipped"}
    assert len(await world.runs()) == 2


@pytest.mark.rule("WF-56")
async def test_two_engines_share_what_is_due(world: World) -> None:
    for index in range(30):
        await world.save(PLAIN.format(name=f"w{index}", when="every: 1h"))
    world.now = at("11:00")
    async with unit_of_work(world.database) as one, unit_of_work(world.database) as two:
        assert await world.scheduler.fire_due(one, 20) == 20
        assert await world.scheduler.fire_due(two, 20) == 10
    assert await world.ring() == 0
    assert {run["workflow"] for run in await world.runs()} == {f"w{index}" for index in range(30)}


@pytest.mark.rule("WF-56")
async def test_what_is_rolled_back_is_due_again(world: World) -> None:
    await world.save(ROUND)
    world.now = at("10:30")
    assert await crash(world) == 1
    assert await world.runs() == []
    assert await world.ring() == 1
    assert len(await world.runs()) == 1


@pytest.mark.rule("WF-56")
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.one_of(
            st.floats(-90, 90).map(lambda minutes: ("jump", minutes)),
            st.sampled_from([("crash", 0.0), ("restart", 0.0), ("together", 0.0), ("save", 0.0)]),
        ),
        max_size=25,
    )
)
async def test_restarts_replicas_and_jumps_never_lose_or_double_a_moment(
    world: World, steps: list[tuple[str, float]]
) -> None:
    for table in ("run", "schedule", "workflow", "workflow_version", "outbox"):
        async with unit_of_work(world.database) as work:
            await work.connection.execute(text(f"TRUNCATE {table} CASCADE"))
    world.now = AT
    world.restart()
    await world.save(PLAIN.format(name="w", when="every: 15m"))
    for step, minutes in steps:
        world.now += timedelta(minutes=minutes)
        match step:
            case "restart":
                world.restart()
            case "save":
                await world.save(PLAIN.format(name="w", when="every: 15m"))
            case "crash":
                await crash(world)
            case "together":
                await asyncio.gather(*(world.ring() for _ in range(3)))
            case "jump":
                await world.ring()
    (next_at,) = (await rows(world)).values()
    told = [
        moment for run in await world.runs() for moment in (*run["event"]["missed_at"], run["event"]["scheduled_at"])
    ]
    expected = []
    for moment in moments(Every(900), AT):
        if moment >= next_at:
            break
        expected.append(rfc3339(moment))
    assert sorted(told) == expected


def _asked(world: World) -> list[str]:
    """The statements that the database is asked from now on."""
    asked: list[str] = []
    database_event.listen(
        world.database.engine.sync_engine, "before_cursor_execute", lambda *told: asked.append(told[2])
    )
    return asked


@pytest.mark.rule("WF-59")
@pytest.mark.parametrize(("due_in_s", "most"), [(3600, 0), (15, 4)])
async def test_ten_thousand_that_are_not_due_cost_next_to_nothing(world: World, due_in_s: int, most: int) -> None:
    async with unit_of_work(world.database) as work:
        await work.connection.execute(
            text("""
                INSERT INTO schedule SELECT 'acme', 'w' || n, 'due', 3600, NULL, 'UTC', 'skip', CAST(:at AS timestamptz)
                FROM generate_series(1, 10000) AS n
            """),
            {"at": AT + timedelta(seconds=due_in_s)},
        )
    asked = _asked(world)
    lookout = Lookout(world.database, lambda: world.now)
    running = [
        asyncio.create_task(part.run()) for part in (lookout, Schedules(world.database, world.scheduler, lookout))
    ]

    def looks() -> list[str]:
        return [statement for statement in asked if "FROM schedule" in statement]

    async with asyncio.timeout(60):
        while most and not looks():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
    await asyncio.sleep(3.5)
    for task in running:
        task.cancel()
    await asyncio.wait(running)
    assert bool(most) <= len(looks()) <= most, asked


@pytest.mark.rule("WF-140")
async def test_documents_are_read_before_they_are_due(world: World) -> None:
    """A few at a time, those of one moment too, and no others; a clock that is put back begins again."""
    for name in ("a", "b", "c", "d", "e"):
        await world.save(PLAIN.format(name=name, when="every: 1h"))
    await world.save(PLAIN.format(name="later", when='cron: "1 11 * * *"'))
    for now, slices in ((at("10:59:45"), 3), (at("10:59:41"), 4)):
        world.restart()
        for put_back in (timedelta(0), timedelta(minutes=1)):
            world.now = now - put_back
            async with world.database.reading() as connection:
                for _ in range(slices):
                    await world.scheduler.read_ahead(connection, 2)
        asked = _asked(world)
        world.now = at("11:00")
        async with world.database.engine.connect() as connection:
            unit = UnitOfWork(connection, AsyncExitStack())
            assert await world.scheduler.fire_due(unit, 10) == 5
        assert [statement for statement in asked if "workflow_version" in statement] == []
    asked = _asked(world)
    assert await world.ring(minutes=1, seconds=30) == 6
    assert len([statement for statement in asked if "workflow_version" in statement]) == 1, "of the one that was later"


@pytest.mark.slow
@pytest.mark.rule("WF-56")
async def test_a_thousand_at_one_moment_start_at_once(world: World) -> None:
    """By two engines, each with full batches; how long it took is printed, as it depends on the machine."""
    triggers = "".join(f"  t{index}: {{trigger: schedule, every: 1m}}\n" for index in range(100))
    for index in range(10):
        await world.save(f"workflow: w{index}\nenabled: true\nnodes:\n{triggers}")
    world.now = due = at("10:16")
    ahead = due - timedelta(seconds=1) - datetime.now(UTC)

    def clock() -> datetime:
        return datetime.now(UTC) + ahead

    lookouts = [Lookout(world.database, clock) for _ in range(2)]
    parts = [Schedules(world.database, Scheduler(world.engine, clock), lookout) for lookout in lookouts]
    running = [asyncio.create_task(part.run()) for part in (*lookouts, *parts)]
    async with asyncio.timeout(60):
        while True:
            if set((await rows(world)).values()) == {due + timedelta(minutes=1)}:
                break
            await asyncio.sleep(0.02)
    print(f"all started {(clock() - due).total_seconds():.2f} s behind their moment")
    for task in running:
        task.cancel()
    await asyncio.wait(running)
    async with world.database.reading() as connection:
        ids = (await connection.execute(text("SELECT event_id, workflow FROM run"))).all()
    assert len(set(ids)) == len(ids) == 1_000
