"""Calls to what is outside, on a real database: made at least once, retried, fairly, and never after they matter."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
from engine_world import World, event, states, world_of
from made_calls import KIND, Callee, calling
from sqlalchemy import text
from ticket_event import AT

from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work
from fettle_workflow_engine.adapters import call_rows
from fettle_workflow_engine.domain.advance import run_id_for
from fettle_workflow_engine.domain.calls import Again, Done, Failed, OutsideCall, Retry
from fettle_workflow_engine.domain.run import Failure, Result
from fettle_workflow_engine.entrypoints.outside import AT_ONCE, LEASE, OF_ONE_ORG

CALLS = """
workflow: calls
enabled: true
nodes:
  opened: {trigger: ticket.opened}
  asked: {after: [opened], action: http.request, with: {url: {ref: event.ticket.kind}}}
  noted: {after: [asked], action: ticket.comment, with: {ticket: 1, text: {template: "{{ asked.status }}"}}}
"""
AWAY = Failure("away", "Nobody there.")


@pytest.fixture
async def world(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with world_of(environment) as found:
        yield found


@pytest.fixture
def callee() -> Callee:
    return Callee()


async def until(found: Callable[[dict[str, Any]], bool], world: World, **which: Any) -> dict[str, Any]:
    """The newest run, once it is as it should be."""
    async with asyncio.timeout(60):
        while True:
            run = (await world.runs(**which))[0]
            if found(run):
                return run
            await asyncio.sleep(0.02)


async def calls_left(world: World) -> int:
    async with world.database.reading() as connection:
        return int(await connection.scalar(text("SELECT count(*) FROM call")) or 0)


async def put_off(world: World, attempts: int) -> None:
    """Once it is on record that the attempts so far have failed: only then does the next one have its time."""
    waits = text("SELECT count(*) FROM call WHERE leased_by IS NULL AND attempts = :attempts")
    async with asyncio.timeout(60):
        while True:
            async with world.database.reading() as connection:
                if await connection.scalar(waits, {"attempts": attempts}):
                    return
            await asyncio.sleep(0.02)


async def none_left(world: World) -> None:
    async with asyncio.timeout(60):
        while True:
            if not await calls_left(world):
                return
            await asyncio.sleep(0.02)


def asked(state: str, error: str | None = None) -> Callable[[dict[str, Any]], bool]:
    def found(run: dict[str, Any]) -> bool:
        node = run["nodes"][1]
        return bool(node["state"] == state and (error is None or (node["error"] or {}).get("code") == error))

    return found


@pytest.mark.rule("WF-73")
async def test_a_call_is_made_once_and_its_run_goes_on(world: World, callee: Callee) -> None:
    await world.save(CALLS)
    async with calling(world, callee, every_s=20):
        await world.happen(event(kind="a"))
        run = await until(asked("done"), world)
    (call,) = callee.attempts["a"]
    run_id = run_id_for("acme", "calls", "fettle/ticket-service", event().id)
    assert (call.id, call.org, call.kind, call.attempt) == (uuid5(run_id, "asked"), "acme", KIND, 1)
    assert call.request["run"] == str(run_id)
    assert (run["nodes"][1]["output"], run["nodes"][1]["attempts"]) == ({"status": 200}, 1)
    assert len(await world.commands()) == 1
    assert await calls_left(world) == 0


@pytest.mark.rule("WF-73")
async def test_whoever_makes_calls_hears_of_new_ones_and_does_not_wait_for_the_next_look(
    world: World, callee: Callee
) -> None:
    await world.save(CALLS)
    async with calling(world, callee, every_s=3_600):
        for number, kind in enumerate("abc", start=1):
            world.now += timedelta(seconds=1)
            await world.happen(event(kind=kind, number=number))
            await until(asked("done"), world)
            await asyncio.sleep(0.3)  # until nothing is to be done, so that only the next one's asking wakes it
    assert {url: len(attempts) for url, attempts in callee.attempts.items()} == {"a": 1, "b": 1, "c": 1}


@pytest.mark.rule("WF-73")
async def test_a_call_that_fails_shows_why_and_is_made_again_under_its_id(world: World, callee: Callee) -> None:
    callee.answers = lambda call: Retry(AWAY) if call.attempt < 9 else Done({"status": 201})
    await world.save(CALLS)
    async with calling(world, callee):
        await world.happen(event(kind="a"))
        for attempt in range(1, 9):
            await callee.called("a", attempt)
            await put_off(world, attempt)
            [run] = await world.runs()
            assert asked("waiting", "away")(run)
            assert run["nodes"][1]["attempts"] == attempt
            world.now += timedelta(seconds=0.7)
            await asyncio.sleep(0.1)
            assert len(callee.attempts["a"]) == attempt
            world.now += timedelta(minutes=10)
        run = await until(asked("done"), world)
    assert (run["nodes"][1]["error"], run["nodes"][1]["attempts"]) == (None, 9)
    assert len({call.id for call in callee.attempts["a"]}) == 1
    assert [call.attempt for call in callee.attempts["a"]] == list(range(1, 10))


async def switched(world: World, on: bool) -> None:
    async with unit_of_work(world.database) as work:
        await world.library.switch(work.connection, "acme", on, "ann")


async def retried(world: World, run: Mapping[str, Any]) -> None:
    async with unit_of_work(world.database) as work:
        await world.interventions.retry(work, "acme", UUID(run["id"]), "ann")


@pytest.mark.rule("WF-156")
async def test_while_the_org_is_off_no_call_is_made_again(world: World, callee: Callee) -> None:
    callee.answers = lambda _: Retry(AWAY) if len(callee.attempts["a"]) == 1 else Done({"status": 200})
    heeded = "nodes:\n  never: {after: [asked.error], action: fail, with: {message: No}}"
    await world.save(CALLS.replace("nodes:", heeded))
    async with calling(world, callee):
        await world.happen(event(kind="a"))
        await put_off(world, 1)
        await switched(world, False)
        world.now += timedelta(minutes=10)
        run = await until(lambda run: run["state"] == "failed", world)
        assert (run["error"]["code"], run["error"]["unsure"]) == ("switched_off", True)
        assert (run["nodes"][1]["attempts"], len(callee.attempts["a"])) == (1, 1)
        assert await calls_left(world) == 0
        await switched(world, True)
        await retried(world, run)
        await callee.called("a", 2)
        await until(asked("done"), world)
    assert len({call.id for call in callee.attempts["a"]}) == 1, "it may have been done the first time"


@pytest.mark.rule("WF-156")
async def test_a_call_that_was_asked_for_before_the_switch_is_not_made(world: World, callee: Callee) -> None:
    await world.save(CALLS)
    await world.save(CALLS, org="globex")
    await world.happen(event(kind="a"), event(kind="b", org="globex"))
    await switched(world, False)
    async with calling(world, callee):
        await callee.called("b")
        run = await until(asked("failed"), world)
        assert (run["error"]["code"], run["nodes"][1]["attempts"]) == ("switched_off", 0)
        assert "a" not in callee.attempts
        assert "unsure" not in run["error"]
        await switched(world, True)
        await retried(world, run)
        await until(asked("done"), world)
    (call,) = callee.attempts["a"]
    assert call.id == uuid5(UUID(run["id"]), "asked")


@pytest.mark.rule("WF-73")
async def test_after_nine_attempts_a_call_has_failed(world: World, callee: Callee) -> None:
    callee.answers = lambda _: Retry(AWAY, 0.0)
    await world.save(CALLS)
    async with calling(world, callee):
        await world.happen(event(kind="a"))
        run = await until(asked("failed"), world)
    assert run["error"] == {"code": "away", "message": "asked: Nobody there.", "unsure": True}
    assert (run["nodes"][1]["attempts"], len(callee.attempts["a"])) == (9, 9)
    assert states(run)["noted"] == "skipped"
    assert await calls_left(world) == 0


@pytest.mark.rule("WF-73")
async def test_what_is_of_no_use_is_not_tried_again(world: World, callee: Callee) -> None:
    callee.answers = lambda _: Failed(Failure("not_allowed", "No."))
    await world.save(CALLS)
    async with calling(world, callee):
        await world.happen(event(kind="a"))
        run = await until(asked("failed"), world)
    assert (run["state"], run["nodes"][1]["attempts"]) == ("failed", 1)


@pytest.mark.rule("WF-74")
async def test_one_org_s_slow_calls_hold_up_nobody(world: World, callee: Callee) -> None:
    callee.hangs.add("slow")
    await world.save(CALLS)
    await world.save(CALLS, org="other")
    many = [event(kind="slow", number=number) for number in range(1, 3 * AT_ONCE)]
    async with calling(world, callee):
        await world.happen(*many)
        await callee.called("slow", OF_ONE_ORG)
        await world.happen(event(kind="quick", org="other"))
        await until(asked("done"), world, org="other")
        await asyncio.sleep(0.2)
        assert len(callee.attempts["slow"]) == callee.at_once == OF_ONE_ORG
        await callee.free()
        await none_left(world)
    assert len(callee.attempts["slow"]) == len(many)
    assert callee.most_at_once <= AT_ONCE


@pytest.mark.rule("WF-74")
async def test_many_orgs_share_what_there_is(world: World, callee: Callee) -> None:
    orgs = [f"org-{index:02}" for index in range(12)]
    for org in orgs:
        await world.save(CALLS, org=org)
        await world.happen(*(event(kind=org, org=org, number=number) for number in range(1, 21)))
    async with unit_of_work(world.database) as work:
        busy = {"org-00": OF_ONE_ORG, "org-01": OF_ONE_ORG - 1}
        taken = await take(work, busy=busy)
    per_org = {org: sum(call.org == org for call in taken) for org in orgs}
    assert (len(taken), per_org["org-00"], per_org["org-01"]) == (AT_ONCE, 0, 1)
    share = (AT_ONCE - 1) // 10
    assert {per_org[org] for org in orgs[2:]} <= {share, share + 1}


async def take(
    work: UnitOfWork, busy: Mapping[str, int] | None = None, by: str = "engine-0", now: datetime = AT
) -> list[OutsideCall]:
    return await call_rows.take(
        work.connection, now, by=by, lease=LEASE, limit=AT_ONCE, of_one_org=OF_ONE_ORG, busy=busy or {}
    )


@pytest.mark.rule("WF-73")
async def test_no_two_take_the_same_call(world: World, callee: Callee) -> None:
    callee.hangs |= {"a", "b"}
    await world.save(CALLS)
    async with calling(world, callee, "engine-0"), calling(world, callee, "engine-1"):
        await world.happen(event(kind="a", number=1), event(kind="b", number=2))
        await callee.called("a")
        await callee.called("b")
        await asyncio.sleep(0.3)
        await callee.free()
        await none_left(world)
    assert {url: len(attempts) for url, attempts in callee.attempts.items()} == {"a": 1, "b": 1}


@pytest.mark.rule("WF-73")
async def test_a_call_whose_process_died_is_made_again(world: World, callee: Callee) -> None:
    """By others once its lease is over, by the next process of its name at once; whose outcome is first counts."""
    await world.save(CALLS)
    await world.happen(event(kind="a"))
    async with unit_of_work(world.database) as work:
        (dead,) = await take(work)
    async with calling(world, callee, "engine-1"):
        await asyncio.sleep(0.3)
        assert not callee.attempts["a"]
        world.now += LEASE
        run = await until(asked("done"), world)
    assert (callee.attempts["a"][0].id, callee.attempts["a"][0].attempt) == (dead.id, 2)
    assert run["nodes"][1]["attempts"] == 2
    async with unit_of_work(world.database) as work:
        await world.engine.take_outcomes(work, [(dead, Result(dead.id, {"status": "late"}))])
    assert (await world.runs())[0] == run

    await world.happen(event(kind="b", number=2))
    async with unit_of_work(world.database) as work:
        await take(work, now=world.now)
    async with calling(world, callee, "engine-0"):
        await callee.called("b")


@pytest.mark.rule("WF-73")
async def test_a_call_of_which_everybody_dies_is_not_made_for_ever(world: World, callee: Callee) -> None:
    await world.save(CALLS)
    await world.happen(event(kind="a"))
    for attempt in range(9):
        async with unit_of_work(world.database) as work:
            await take(work, now=world.now + attempt * LEASE)
    world.now += 9 * LEASE
    async with calling(world, callee):
        run = await until(asked("failed"), world)
    assert not callee.attempts
    assert (run["nodes"][1]["error"]["code"], run["nodes"][1]["error"]["unsure"]) == ("interrupted", True)


@pytest.mark.rule("WF-73")
async def test_an_outcome_that_comes_late_does_not_put_off_a_newer_attempt(world: World) -> None:
    await world.save(CALLS)
    await world.happen(event(kind="a"))
    async with unit_of_work(world.database) as work:
        (first,) = await take(work)
    async with unit_of_work(world.database) as work:
        (second,) = await take(work, now=world.now + LEASE, by="engine-1")
    async with unit_of_work(world.database) as work:
        await world.engine.take_outcomes(work, [(first, Again(1.0, AWAY))])
    assert (await world.runs())[0]["nodes"][1]["error"] is None
    async with unit_of_work(world.database) as work:
        assert await take(work, now=world.now + LEASE + timedelta(seconds=2)) == []
        await world.engine.take_outcomes(work, [(second, Again(1.0, AWAY))])
    assert (await world.runs())[0]["nodes"][1]["error"] == {"code": "away", "message": "Nobody there."}


@pytest.mark.rule("WF-13")
async def test_a_call_of_a_run_that_is_over_is_not_made(world: World, callee: Callee) -> None:
    await world.save(CALLS)
    await world.happen(event(kind="a"))
    assert await world.later(days=2) == 1
    assert await calls_left(world) == 0
    async with calling(world, callee):
        await asyncio.sleep(0.2)
    assert not callee.attempts


@pytest.mark.rule("WF-142")
async def test_a_run_and_its_nodes_are_shown_as_of_one_moment(world: World) -> None:
    await world.save(CALLS)
    await world.happen(event(kind="a"))
    over = asyncio.Event()

    async def go_on() -> None:
        number = 0
        while not over.is_set():
            number += 1
            async with unit_of_work(world.database) as work:
                word = {"word": json.dumps({"code": str(number)})}
                await work.connection.execute(text("UPDATE run SET error = CAST(:word AS json)"), word)
                await work.connection.execute(text("UPDATE step SET error = CAST(:word AS json)"), word)

    going_on = asyncio.create_task(go_on())
    seen = set()
    for _ in range(300):
        [run] = await world.runs()
        if run["error"] is not None:
            seen.add(run["error"]["code"])
            assert {node["error"]["code"] for node in run["nodes"]} == {run["error"]["code"]}
    over.set()
    await going_on
    assert len(seen) > 1
