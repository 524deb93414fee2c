"""What raises a bug in the engine is set aside alone, and holds up nobody else, over restarts too."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from channel_world import ChannelWorld, Receiver
from engine_world import APPLIED, World, event, states, world_of
from made_calls import Callee
from sqlalchemy import text
from web_server import web_server

from fettle_chassis import metrics
from fettle_chassis.service import Part
from fettle_chassis.unit_of_work import unit_of_work
from fettle_workflow_engine import handler
from fettle_workflow_engine.adapters import definitions
from fettle_workflow_engine.domain.advance import advance
from fettle_workflow_engine.domain.calls import Outcome, OutsideCall
from fettle_workflow_engine.domain.run import Result, Run
from fettle_workflow_engine.domain.validate import load
from fettle_workflow_engine.domain.waits import Sighting
from fettle_workflow_engine.entrypoints.lookout import Lookout
from fettle_workflow_engine.entrypoints.outside import OutsideCalls
from fettle_workflow_engine.entrypoints.schedules import Schedules
from fettle_workflow_engine.entrypoints.timers import Timers
from fettle_workflow_engine.interventions import NotPossible

RESTS = """
workflow: rests
enabled: true
nodes:
  opened: {trigger: ticket.opened}
  rest: {after: [opened], action: wait, with: {for: 1h}}
  asked: {after: [rest], action: http.request, with: {url: "https://example.com/"}}
"""
HOURLY = "workflow: {name}\nenabled: true\nnodes:\n  due: {{trigger: schedule, every: 1h}}\n"
WAITS = """
workflow: {name}
enabled: true
nodes:
  opened: {{trigger: ticket.opened}}
  rest: {{after: [opened], {node}}}
"""
WAITING = {
    "time": "action: wait, with: {for: 1h}",
    "answer": "action: ticket.comment, with: {ticket: {ref: event.ticket.id}, text: Hello}",
    "change": "action: wait, with: {for: 1d, until_ticket: {ticket: {ref: event.ticket.id}, change: resolved}}",
}
FAULT = {"code": "internal", "message": "A fault of Fettle itself: TypeError."}


@pytest.fixture
async def world(environment: dict[str, str]) -> AsyncIterator[World]:
    async with world_of(environment) as found:
        yield found


@asynccontextmanager
async def running(world: World, part: Callable[[Lookout], Part]) -> AsyncIterator[None]:
    """A start of the part and of the lookout that wakes it; what ends it by itself is raised."""
    lookout = Lookout(world.database, lambda: world.now, 0.05)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one.run()) for one in (lookout, part(lookout))]
        yield
        for task in tasks:
            task.cancel()


async def until(world: World, found: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    async with asyncio.timeout(60):
        while True:
            if found(runs := await world.runs()):
                return runs
            await asyncio.sleep(0.05)


async def plant(world: World, statement: str, **values: object) -> None:
    async with unit_of_work(world.database) as work:
        await work.connection.execute(text(statement), values)


def break_runs(patched: pytest.MonkeyPatch, at_fault: Callable[[Run], bool]) -> None:
    """Has each step of these runs raise a bug."""

    def broken(definition: Any, run: Run, *given: Any, **named: Any) -> Any:
        if at_fault(run):
            raise TypeError("a planted bug")
        return advance(definition, run, *given, **named)

    patched.setattr(handler, "advance", broken)


async def switch(world: World, *, enabled: bool) -> None:
    async with unit_of_work(world.database) as work:
        await world.library.switch(work.connection, "acme", enabled, "ann")


async def retry(world: World, run: dict[str, Any]) -> None:
    async with unit_of_work(world.database) as work:
        await world.interventions.retry(work, "acme", UUID(run["id"]), "ann")


def failed(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [run for run in runs if run["state"] == "failed"]


@pytest.mark.rule("WF-149")
async def test_a_run_that_raises_a_bug_ends_alone(world: World) -> None:
    """Its row cannot be read by this code, whenever and by whomever it is taken up."""
    await world.save(RESTS)
    await world.happen(*(event(number=number) for number in range(1, 8)))
    bad = (await world.runs())[3]["id"]
    await plant(world, """UPDATE step SET ticket = run_id, watches = '{"unheard": 1}'
                          WHERE run_id = CAST(:id AS uuid) AND node = 'rest'""", id=bad)  # fmt: skip
    world.now += timedelta(hours=1)
    for _ in range(2):
        world.restart()
        async with running(world, lambda lookout: Timers(world.database, world.engine, lookout)):
            runs = await until(world, lambda runs: all(states(run)["rest"] != "waiting" for run in runs))
    assert [(run["id"], run["error"]) for run in failed(runs)] == [(bad, FAULT)]
    assert [states(run)["asked"] for run in runs if run["id"] != bad] == ["waiting"] * 6


@pytest.mark.rule("WF-149")
async def test_a_run_that_was_set_aside_can_be_retried_once_the_bug_is_mended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.save(RESTS)
    await world.happen(event(number=1), event(number=2))
    world.now += timedelta(hours=1)
    with monkeypatch.context() as patched:
        break_runs(patched, lambda run: run.cause.event["ticket"]["number"] == 2)
        async with running(world, lambda lookout: Timers(world.database, world.engine, lookout)):
            runs = await until(world, lambda runs: all(states(run)["rest"] != "waiting" for run in runs))
    [bad] = failed(runs)
    await retry(world, bad)
    assert await world.later(hours=1) == 1
    assert [states(run)["asked"] for run in await world.runs()] == ["waiting"] * 2


@pytest.mark.rule("WF-149", "WF-154")
async def test_runs_that_a_bug_of_all_has_failed_go_on_once_it_is_mended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.save(RESTS)
    await world.happen(*(event(number=number) for number in range(1, 8)))
    world.now += timedelta(hours=1)
    with monkeypatch.context() as patched:
        break_runs(patched, lambda run: True)
        async with running(world, lambda lookout: Timers(world.database, world.engine, lookout)):
            runs = await until(world, lambda runs: len(failed(runs)) == 7)
    for run in runs:
        await retry(world, run)
    assert await world.later(hours=1) == 7
    assert [states(run)["asked"] for run in await world.runs()] == ["waiting"] * 7


@pytest.mark.rule("WF-149")
@pytest.mark.parametrize("raised", ["when a call is made", "when its run goes on"])
async def test_a_call_that_raises_a_bug_fails_its_run_alone(
    world: World, raised: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.save(RESTS)
    await world.happen(*(event(number=number) for number in range(1, 6)))
    world.now += timedelta(hours=1)
    assert await world.later() == 5
    bad = (await world.runs())[2]["id"]
    callee = Callee()

    class Caller:
        async def perform(self, call: OutsideCall) -> Outcome:
            if raised == "when a call is made" and call.request["run"] == bad:
                raise TypeError("a planted bug")
            return await callee.perform(call)

    break_runs(monkeypatch, lambda run: raised == "when its run goes on" and str(run.id) == bad)
    for _ in range(2):
        async with running(
            world,
            lambda lookout: OutsideCalls(
                world.database, world.engine, Caller(), lambda: "engine-0", lambda: world.now, lookout
            ),
        ):
            runs = await until(world, lambda runs: all(run["state"] != "running" for run in runs))
    [one] = failed(runs)
    assert one["id"] == bad
    assert one["error"]["code"] == "internal"
    assert "TypeError" in one["error"]["message"]


@pytest.mark.rule("WF-149")
@pytest.mark.parametrize("planted", ["cron = 'x x'", "zone = 'No/Where'"])
async def test_a_schedule_whose_moments_cannot_be_told_is_taken_out_alone(world: World, planted: str) -> None:
    for name in ("one", "two", "bad", "four"):
        await world.save(HOURLY.format(name=name))
    every = ", every_s = NULL" if "cron" in planted else ""
    await plant(world, f"UPDATE schedule SET {planted}{every} WHERE workflow = 'bad'")
    world.now += timedelta(hours=1)
    for hour in (1, 2):
        world.restart()
        async with running(world, lambda lookout: Schedules(world.database, world.scheduler, lookout)):
            await until(world, lambda runs, hour=hour: len(runs) == 3 * hour)  # type: ignore[misc]
        world.now += timedelta(hours=1)
    problem = (await world.workflow("bad")).condition_problem
    assert problem is not None
    assert "off until the workflow is saved again" in problem["message"]


@pytest.mark.rule("WF-149")
async def test_a_moment_that_raises_a_bug_is_on_record_and_the_schedule_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "bad", "three"):
        await world.save(HOURLY.format(name=name))
    world.now += timedelta(hours=1)
    with monkeypatch.context() as patched:
        break_runs(patched, lambda run: run.workflow == "bad")
        async with running(world, lambda lookout: Schedules(world.database, world.scheduler, lookout)):
            runs = await until(world, lambda runs: len(runs) == 3)
    assert [(run["workflow"], run["error"]) for run in failed(runs)] == [("bad", FAULT)]
    assert await world.ring(hours=1) == 3
    assert len(failed(await world.runs())) == 1


@pytest.mark.rule("WF-149")
async def test_a_digest_that_raises_a_bug_holds_up_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sending, receiver = ChannelWorld(world), Receiver()
    async with web_server(receiver) as server:
        for name in ("bad", "ops"):
            await sending.slack(server.url(), cap=1, name=name)
            for number in (1, 2):
                await sending.tell(number + 10 * (name == "bad"), name)
        sending.later(hours=1, seconds=1)
        send = sending.senders.send

        async def broken(channel: Any, message: Any) -> Outcome:
            if channel.name == "bad":
                raise TypeError("a planted bug")
            return await send(channel, message)

        with monkeypatch.context() as patched:
            patched.setattr(sending.senders, "send", broken)
            assert await sending.digests.look() == 2
        assert await sending.count("digest", "sent_at IS NULL AND error::text LIKE '%TypeError%'") == 1
        assert await sending.count("digest", "sent_at IS NOT NULL") == 1
        sending.later(hours=1)
        assert await sending.digests.look() == 1
    assert await sending.count("digest", "sent_at IS NULL") == 0


@pytest.mark.rule("WF-149")
async def test_a_channel_that_cannot_be_read_holds_up_no_other(world: World) -> None:
    sending, receiver = ChannelWorld(world), Receiver()
    async with web_server(receiver) as server:
        for name in ("bad", "ops"):
            await sending.slack(server.url(), cap=1, name=name)
            for number in (1, 2):
                await sending.tell(number + 10 * (name == "bad"), name)
        await plant(world, "UPDATE channel SET kind = 'pigeon' WHERE name = 'bad'")
        sending.later(hours=1, seconds=1)
        assert [await sending.digests.look() for _ in range(2)] == [1, 0]


def break_documents(patched: pytest.MonkeyPatch, world: World) -> None:
    """An engine that has read nothing, and for which documents of workflows called `bad…` raise a bug."""

    def broken(document: str, languages: Any) -> Any:
        if "workflow: bad" in document:
            raise TypeError("a planted bug")
        return load(document, languages)

    patched.setattr(definitions, "load", broken)
    world.restart()


@pytest.mark.rule("WF-153")
async def test_a_document_that_raises_a_bug_when_it_is_read_is_set_aside_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("bad", "good"):
        await world.save(RESTS.replace("workflow: rests", f"workflow: {name}"))
        await world.save(HOURLY.format(name=f"{name}-hourly"))
    await world.save(RESTS.replace("workflow: rests", "workflow: good"), org="globex")
    break_documents(monkeypatch, world)
    before = metrics.BUGS.labels("workflow")._value.get()
    for number in (1, 2):
        await world.happen(event(number=number), event(number=number, org="globex"))
    assert await world.ring(hours=1) == 2
    assert [(run["workflow"], run["error"]) for run in failed(await world.runs())] == [("bad-hourly", FAULT)]
    assert sorted(run["workflow"] for run in await world.runs()) == ["bad-hourly", "good", "good", "good-hourly"]
    assert len(await world.runs(org="globex")) == 2
    assert metrics.BUGS.labels("workflow")._value.get() == before + 2
    for name in ("bad", "bad-hourly"):
        problem = (await world.workflow(name)).condition_problem
        assert problem is not None
        assert problem["message"] == FAULT["message"]
    assert (await world.workflow("good")).condition_problem is None


@pytest.mark.rule("WF-153")
async def test_runs_whose_version_raises_a_bug_when_it_is_read_go_on_by_a_retry_once_it_is_mended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever they wait for: the time, an answer, a change of a ticket."""
    for name in ("bad", "good"):
        for what, node in WAITING.items():
            await world.save(WAITS.format(name=f"{name}-{what}", node=node))
    await world.happen(event())
    commands = {command.id for command in await world.commands()}
    with monkeypatch.context() as patched:
        break_documents(patched, world)
        await world.answer(*(Result(UUID(id), APPLIED) for id in commands))
        ticket = UUID(event().data["ticket"]["id"])
        await world.see(Sighting("acme", ticket, 2, "resolved", "resolved"))
        assert await world.later(hours=1) == 2
        bad = failed(await world.runs())
        assert sorted(run["workflow"] for run in bad) == ["bad-answer", "bad-change", "bad-time"]
        assert [run["error"] for run in bad] == [FAULT] * 3
        with pytest.raises(NotPossible, match="TypeError"):
            await retry(world, bad[0])
    world.restart()
    for run in bad:
        await retry(world, run)
    assert failed(await world.runs()) == []
    assert {command.id for command in await world.commands()} < commands


@pytest.mark.rule("WF-153")
async def test_a_run_over_its_timeout_ends_by_it_though_its_version_cannot_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.save(WAITS.format(name="bad", node=WAITING["answer"]) + "timeout_s: 7200\n")
    await world.happen(event())
    break_documents(monkeypatch, world)
    assert await world.later(hours=2) == 1
    assert [run["error"]["code"] for run in await world.runs()] == ["timeout"]


@pytest.mark.rule("WF-155")
@pytest.mark.parametrize("saved", ["before", "meanwhile"])
async def test_a_schedule_whose_document_cannot_be_read_outlasts_that_its_org_is_off(
    world: World, saved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the document can be read again, nobody has to save it anew."""
    if saved == "before":
        await world.save(HOURLY.format(name="bad"))
    await switch(world, enabled=False)
    if saved == "meanwhile":
        await world.save(HOURLY.format(name="bad"))
    with monkeypatch.context() as patched:
        break_documents(patched, world)
        world.now += timedelta(hours=1)
        await switch(world, enabled=True)
        assert await world.ring() == 0
    world.restart()
    assert await world.ring(hours=1) == 1
    assert [(run["state"], run["event"]["missed"]) for run in await world.runs()] == [("done", 0)]


@pytest.mark.rule("WF-155")
async def test_a_schedule_whose_next_moment_cannot_be_told_keeps_no_org_off(world: World) -> None:
    for name in ("bad", "good"):
        await world.save(HOURLY.format(name=name))
    await switch(world, enabled=False)
    await plant(world, "UPDATE schedule SET zone = 'No/Where' WHERE workflow = 'bad'")
    await plant(world, "UPDATE workflow_version SET document = 'workflow: [' WHERE name = 'bad'")
    world.restart()
    await switch(world, enabled=True)
    async with running(world, lambda lookout: Schedules(world.database, world.scheduler, lookout)):
        world.now += timedelta(hours=1)
        runs = await until(world, bool)
    assert [run["workflow"] for run in runs] == ["good"]
