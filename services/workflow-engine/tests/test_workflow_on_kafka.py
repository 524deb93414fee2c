"""The whole engine on real Kafka: triggers in, commands out, results in, and kills at any moment."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import httpx2
import pytest
from engine_outside import Outside, engine_process, outside_of
from engine_world import World, event, record, world_of
from sqlalchemy import text

from fettle_chassis.kafka import build_consumer
from fettle_chassis.tokens import Caller, Role, issue
from fettle_contracts.ticket_events import EntryType
from fettle_contracts.topics import EVENTS
from fettle_workflow_engine.app import build_app
from fettle_workflow_engine.documents import DEMO_WORKFLOW, demo_document
from fettle_workflow_engine.domain.advance import run_id_for

THREE_STEPS = """
workflow: three-steps
enabled: true
nodes:
  opened: {trigger: ticket.opened}
  begun: {after: [opened], action: ticket.start, with: {ticket: {ref: event.ticket.number}}}
  noted: {after: [begun], action: ticket.comment, with: {ticket: {ref: event.ticket.number}, text: {template: "{{ begun.outcome }}"}}}
  ended: {after: [noted], action: ticket.resolve, with: {ticket: {ref: event.ticket.number}}}
"""  # noqa: E501
STEPS = ("begun", "noted", "ended")


@pytest.fixture
async def world(environment: dict[str, str]) -> AsyncIterator[World]:
    """The engine's database from outside; the world's own engine takes no part."""
    async with world_of(environment) as found:
        yield found


@pytest.fixture
async def outside(world: World) -> AsyncIterator[Outside]:
    async with outside_of(world.settings) as found:
        yield found


async def ended(world: World, count: int, within_s: float = 60) -> list[dict[str, Any]]:
    """The runs, once so many have ended."""
    async with asyncio.timeout(within_s):
        while True:
            runs = await world.runs()
            if sum(run["ended_at"] is not None for run in runs) >= count:
                return runs
            await asyncio.sleep(0.1)


async def asleep(world: World, number: int, within_s: float = 60) -> None:
    """Waits until the run of that ticket waits for it."""
    async with asyncio.timeout(within_s):
        while True:
            nodes = [run["nodes"][-1] for run in await world.runs() if run["event"]["ticket"]["number"] == number]
            if nodes and nodes[0]["watches"] and nodes[0]["state"] == "waiting":
                return
            await asyncio.sleep(0.05)


def commands_of(number: int, steps: tuple[str, ...] = STEPS) -> set[str]:
    run_id = run_id_for("acme", "three-steps", "fettle/ticket-service", event(number=number).id)
    return {str(uuid5(run_id, step)) for step in steps}


@pytest.mark.rule("WF-9", "WF-12", "WF-16")
async def test_a_ticket_event_is_answered_over_kafka_and_shown_by_http(world: World, outside: Outside) -> None:
    token = issue(world.settings.signing_keys, Caller("acme", Role.ADMIN, "ann"), datetime.now(UTC), ttl_s=600)
    client = httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{world.settings.workflows_port}/api/v1/orgs/acme",
        headers={"authorization": f"Bearer {token}", "content-type": "application/yaml"},
        timeout=60.0,
    )
    async with build_app(world.settings).running(), client:
        assert (await client.post("/workflows", content=demo_document())).status_code == 201
        await outside.publish([42])
        await outside.publish([43], EntryType.RESOLVED)
        await outside.commanded(1)
        await ended(world, 1)
        (run,) = (await client.get(f"/workflows/{DEMO_WORKFLOW}/runs")).json()["items"]
        shown = (await client.get(f"/runs/{run['id']}")).json()
    (command,) = outside.commands.values()
    assert json.loads(command.data)["comment"] == (
        "**Thermostat 42** at *oslo/hq/3* does not report.\n"
        "First check its power and its network, then whether the integration *hue-1* is up."
    )
    assert [(node["node"], node["state"]) for node in shown["nodes"]] == [("opened", "done"), ("hint", "done")]
    assert shown["nodes"][1]["output"]["ticket"]["url"].endswith("/orgs/acme/tickets/1")


@pytest.mark.rule("WF-9")
async def test_redelivered_events_start_nothing_twice(world: World, outside: Outside) -> None:
    await world.save(THREE_STEPS)
    async with build_app(world.settings).running():
        await outside.publish(range(1, 6), times=3)
        await ended(world, 5)
        await outside.publish(range(1, 6), times=2)
        await outside.publish([6])
        runs = await ended(world, 6)
    assert [run["state"] for run in runs] == ["done"] * 6
    assert {id for _, id in outside.commands} == {id for number in range(1, 7) for id in commands_of(number)}


@pytest.mark.rule("WF-24")
async def test_what_is_no_event_is_set_aside_and_holds_up_nothing(world: World, outside: Outside) -> None:
    await world.save(THREE_STEPS)
    async with build_app(world.settings).running():
        for topic in ("ticket.opened", "ticket.command-results"):
            await outside.put(topic, b"acme/x", b"nonsense")
        await outside.publish([1])
        await ended(world, 1)
        for topic in ("ticket.opened", "ticket.command-results"):
            consumer = build_consumer(world.settings, world.settings.topic(f"{topic}.dlq"), client_id="looking")
            await consumer.start()
            async with asyncio.timeout(60):
                letter = await anext(consumer)
            await consumer.stop()
            assert (letter.key, letter.value) == (b"acme/x", b"nonsense")
            assert dict(letter.headers)["dlq-reason"] == b"unreadable"


@pytest.mark.rule("WF-13")
async def test_a_run_that_gets_no_result_holds_up_no_other(world: World, outside: Outside) -> None:
    await world.save(THREE_STEPS.replace("enabled: true", "enabled: true\ntimeout_s: 10"))
    outside.ignores = lambda asked: asked["ticket"]["number"] == 1
    async with build_app(world.settings).running():
        await outside.publish(range(1, 6))
        runs = {run["event"]["ticket"]["number"]: run for run in await ended(world, 5)}
    assert {number: run["state"] for number, run in runs.items()} == {1: "failed", **dict.fromkeys(range(2, 6), "done")}
    assert runs[1]["error"]["code"] == "timeout"
    assert all(run["ended_at"] < runs[1]["ended_at"] for number, run in runs.items() if number > 1)


PATIENT = """
workflow: patient
enabled: true
nodes:
  opened: {trigger: ticket.opened}
  rest: {after: [opened], action: wait, with: {for: 1h, until_ticket: {ticket: {ref: event.ticket}, change: resolved}}}
  pause: {after: [rest], action: wait, with: {for: 1s}}
  noted: {after: [pause], action: ticket.comment, with: {ticket: {ref: event.ticket.id}, text: Over.}}
"""


@pytest.mark.rule("WF-70", "WF-71")
async def test_a_wait_ends_by_a_change_of_its_ticket_and_by_the_clock(world: World, outside: Outside) -> None:
    """The change of one ticket comes before its run starts, the other's while its run sleeps."""
    await world.save(PATIENT)
    early = record(EntryType.RESOLVED, number=1, state="resolved", version=2)
    late = record(EntryType.RESOLVED, number=2, state="resolved", version=2)
    async with build_app(world.settings).running():
        await outside.put(EVENTS, early.key, early.value, early.headers)
        await outside.publish([1, 2])
        await outside.put(EVENTS, b"acme/x", b"nonsense")
        await asleep(world, 2)
        await outside.put(EVENTS, late.key, late.value, late.headers)
        runs = await ended(world, 2)
    assert [run["state"] for run in runs] == ["done", "done"]
    for run in runs:
        assert [node["output"] for node in run["nodes"][1:3]] == [{"ended_by": "resolved"}, {"ended_by": "elapsed"}]


@pytest.mark.slow
@pytest.mark.rule("WF-9", "WF-12")
async def test_a_killed_engine_loses_and_doubles_nothing(
    environment: dict[str, str], world: World, outside: Outside
) -> None:
    await storm(environment, world, outside, tickets=120, kills=4)


@pytest.mark.campaign
@pytest.mark.timeout(1800)
@pytest.mark.rule("WF-9", "WF-12")
async def test_an_engine_killed_a_hundred_times_loses_and_doubles_nothing(
    environment: dict[str, str], world: World, outside: Outside
) -> None:
    await storm(environment, world, outside, tickets=3_000, kills=100)


async def storm(environment: Mapping[str, str], world: World, outside: Outside, *, tickets: int, kills: int) -> None:
    """Tickets open, each event told twice, while the engine is killed between any two steps of any run."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    outside.refuses = lambda asked: "wrong_state" if asked["ticket"]["number"] % 10 == 0 else None
    await world.save(THREE_STEPS.replace("enabled: true", f"enabled: true\nbudget_per_hour: {tickets}"))
    async with engine_process(environment) as engine:
        numbers = iter(range(1, tickets + 1))
        for kill in range(kills):
            for number in [next(numbers) for _ in range(tickets // kills)]:
                await outside.publish([number], times=2)
                await asyncio.sleep(chance.uniform(0, 0.005))
            await outside.flush()
            await outside.commanded(len(outside.commands) + chance.randrange(1, 20))
            await engine.kill()
            await engine.start()
            if chance.random() < 0.5 or kill == kills - 1:
                await engine.ready()
        runs = await ended_states(world, tickets)
        assert await engine.stop() == 0
    assert runs == Counter(done=tickets - tickets // 10, failed=tickets // 10)
    expected = {
        id for number in range(1, tickets + 1) for id in commands_of(number, STEPS if number % 10 else ("begun",))
    }
    assert {id for _, id in outside.commands} == expected
    assert {UUID(id).version for id in outside.seen} == {5}


async def ended_states(world: World, count: int) -> Counter[str]:
    async with asyncio.timeout(120):
        while True:
            async with world.database.reading() as connection:
                rows = await connection.execute(text("SELECT state, count(*) AS runs FROM run GROUP BY state"))
                states = Counter({row.state: row.runs for row in rows})
            if states.total() - states["running"] >= count:
                return states
            await asyncio.sleep(0.2)
