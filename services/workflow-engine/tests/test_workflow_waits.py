"""Waits on a real database: what time and changes of tickets do to runs that sleep."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from engine_world import APPLIED, World, body, event, record, record_of, states, world_of
from sqlalchemy import text
from ticket_event import AT

from fettle_chassis.failures import BadRecord
from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.cloudevents import CloudEvent
from fettle_contracts.ticket_events import EntryType
from fettle_workflow_engine.adapters.forgetting import Forgetting
from fettle_workflow_engine.domain.run import Result
from fettle_workflow_engine.domain.waits import Sighting
from fettle_workflow_engine.entrypoints.kafka_tickets import decode_sighting

UNTIL_RESOLVED = """
workflow: patient
enabled: true
nodes:
  opened: {trigger: ticket.opened}
  noted: {after: [opened], action: ticket.comment, with: {ticket: {ref: event.ticket.id}, text: Seen.}}
  rest: {after: [noted], action: wait, with: {for: 3d, until_ticket: {ticket: {ref: event.ticket.id}, change: resolved}}}
  told: {after: [rest], action: ticket.comment, with: {ticket: 1, text: {template: "{{ rest.ended_by }}"}}}
"""  # noqa: E501
FOR_A_DAY = """
workflow: slow
enabled: true
nodes:
  opened: {trigger: ticket.opened}
  rest: {after: [opened], action: wait, with: {for: 1d}}
  told: {after: [rest], action: ticket.start, with: {ticket: {ref: event.ticket.id}}}
"""


@pytest.fixture
async def world(environment: dict[str, str]) -> AsyncIterator[World]:
    async with world_of(environment) as found:
        yield found


def seen(change: str, version: int, *, number: int = 42, org: str = "acme", state: str = "open") -> Sighting:
    return Sighting(org, UUID(event(number=number).data["ticket"]["id"]), version, state, change)


async def answer_comment(world: World, version: int, number: int = 42) -> None:
    """Answers the one command there is, by a ticket at that version."""
    (command,) = await world.commands()
    ticket = {"id": event(number=number).data["ticket"]["id"], "number": number, "state": "open", "version": version}
    await world.answer(Result(UUID(command.id), {**APPLIED, "ticket": ticket}))


async def said(world: World) -> list[str]:
    """What the last nodes tell."""
    return [body(command)["comment"] for command in await world.commands()]


@pytest.mark.rule("WF-70")
async def test_a_run_sleeps_until_its_time(world: World) -> None:
    await world.save(FOR_A_DAY)
    await world.happen(event())
    assert await world.commands() == []
    world.restart()
    assert await world.later(hours=23, minutes=59, seconds=59) == 0
    assert await world.later(seconds=1) == 1
    assert len(await world.commands()) == 1
    assert await world.later(seconds=0) == 0
    (run,) = await world.runs()
    rest = run["nodes"][1]
    assert (rest["output"], rest["wake_at"]) == ({"ended_by": "elapsed"}, "2026-11-24T10:15:30.250Z")


@pytest.mark.rule("WF-79")
async def test_a_wait_may_be_longer_than_the_timeout(world: World) -> None:
    await world.save(FOR_A_DAY.replace("1d", "10d"))
    await world.happen(event())
    assert await world.later(days=9) == 0
    assert await world.later(days=5) == 1
    (run,) = await world.runs()
    assert (run["state"], states(run)["told"]) == ("running", "waiting")
    assert await world.later(seconds=1) == 1
    (run,) = await world.runs()
    assert (run["state"], run["error"]["code"]) == ("failed", "timeout")


@pytest.mark.rule("WF-70")
async def test_a_run_that_came_up_for_something_else_is_not_woken_before_its_time(world: World) -> None:
    """As when another engine took it between the look and the lock, and let it fall asleep anew."""
    await world.save(FOR_A_DAY)
    await world.happen(event())
    async with world.database.engine.begin() as connection:
        await connection.execute(text("UPDATE run SET timeout_at = :now"), {"now": world.now})
    assert await world.later(seconds=1) == 1
    (run,) = await world.runs()
    assert (run["error"]["code"], states(run)["rest"]) == ("timeout", "failed")


@pytest.mark.rule("WF-70")
async def test_a_change_of_its_ticket_wakes_a_run(world: World) -> None:
    await world.save(UNTIL_RESOLVED)
    await world.save(UNTIL_RESOLVED, org="other")
    await world.happen(event())
    await answer_comment(world, 2)
    world.restart()
    await world.see(
        seen("comment-added", 2),
        seen("links-edited", 3),
        seen("resolved", 2, number=43, state="resolved"),
        seen("resolved", 9, org="other", state="resolved"),
    )
    assert states((await world.runs())[0])["rest"] == "waiting"
    await world.see(seen("resolved", 4, state="resolved"))
    assert await said(world) == ["resolved"]
    await world.see(seen("resolved", 4, state="resolved"), seen("reopened", 5))
    assert await world.later(days=3) == 1
    assert (await world.runs())[0]["error"]["code"] == "timeout"


@pytest.mark.rule("WF-70", "WF-18")
async def test_another_orgs_ticket_wakes_nobody_though_it_had_the_same_id(world: World) -> None:
    for org in ("acme", "other"):
        await world.save(UNTIL_RESOLVED, org=org)
        await world.happen(event(org=org))
        await answer_comment(world, 2)
    await world.see(seen("resolved", 3, org="other", state="resolved"))
    waiting = {org: states((await world.runs(org=org))[0])["rest"] for org in ("acme", "other")}
    assert waiting == {"acme": "waiting", "other": "done"}


@pytest.mark.rule("WF-70")
async def test_a_wait_for_a_ticket_ends_by_its_limit_too(world: World) -> None:
    await world.save(UNTIL_RESOLVED)
    await world.happen(event())
    await answer_comment(world, 2)
    assert await world.later(days=3) == 1
    assert await said(world) == ["elapsed"]
    await world.see(seen("resolved", 3, state="resolved"))
    assert await said(world) == []


@pytest.mark.rule("WF-71")
async def test_a_change_that_came_between_is_not_missed(world: World) -> None:
    """The ticket is resolved between the event and the wait, and the engine hears of it before the run sleeps."""
    await world.save(UNTIL_RESOLVED)
    await world.happen(event(number=1), event(number=2), event(number=3))
    await world.see(
        seen("comment-added", 2, number=1),
        seen("resolved", 3, number=1, state="resolved"),
        seen("reopened", 4, number=1),
        seen("resolved", 2, number=2, state="resolved"),
        seen("comment-added", 3, number=2, state="resolved"),
    )
    commands = {body(command)["ticket"]["id"]: command for command in await world.commands()}
    for number, version in ((1, 2), (2, 3), (3, 2)):
        ticket = {"id": event(number=number).data["ticket"]["id"], "number": number, "version": version}
        command = commands[ticket["id"]]
        await world.answer(Result(UUID(command.id), {**APPLIED, "ticket": ticket}))
    asleep = {run["event"]["ticket"]["number"]: states(run)["rest"] for run in await world.runs()}
    assert asleep == {1: "done", 2: "done", 3: "waiting"}
    assert await said(world) == ["resolved", "resolved"]


@pytest.mark.rule("WF-71")
async def test_falling_asleep_and_the_change_at_once(world: World) -> None:
    """Whichever of the two transactions is first, the run is woken."""
    for number, sleeper_first in ((1, True), (2, False)):
        if number == 1:
            await world.save(UNTIL_RESOLVED)
        await world.happen(event(number=number))
        (command,) = await world.commands()
        ticket = {"id": event(number=number).data["ticket"]["id"], "number": number, "version": 2}
        asleep = Result(UUID(command.id), {**APPLIED, "ticket": ticket})
        change = seen("resolved", 3, number=number, state="resolved")
        async with unit_of_work(world.database) as first:
            if sleeper_first:
                await world.engine.take_results(first, [asleep])
                second = asyncio.create_task(world.see(change))
            else:
                await world.engine.take_tickets(first, [change])
                second = asyncio.create_task(world.answer(asleep))
            await waits_for_a_row(world)
            assert not second.done()
        await second
        assert await said(world) == ["resolved"]


async def waits_for_a_row(world: World) -> None:
    """Returns once some transaction of this database waits for another."""
    async with asyncio.timeout(60), world.database.reading() as connection:
        while True:
            waiting = await connection.scalar(
                text("""
                    SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
                    WHERE datname = current_database() AND NOT granted
                """)
            )
            if waiting:
                return
            await asyncio.sleep(0.01)


@pytest.mark.rule("WF-71")
async def test_one_wait_after_the_other_each_counts_from_what_is_known(world: World) -> None:
    await world.save("""
workflow: twice
enabled: true
nodes:
  opened: {trigger: ticket.opened}
  first: {after: [opened], action: wait, with: {for: 1d, until_ticket: {ticket: {ref: event.ticket}, change: any}}}
  second: {after: [first], action: wait, with: {for: 1d, until_ticket: {ticket: {ref: event.ticket}, change: resolved}}}
""")
    await world.happen(event(number=1), event(number=2))
    await world.see(seen("comment-added", 2, number=1))
    assert {run["event"]["ticket"]["number"]: states(run) for run in await world.runs()} == {
        1: {"opened": "done", "first": "done", "second": "waiting"},
        2: {"opened": "done", "first": "waiting"},
    }
    await world.see(seen("resolved", 2, number=2, state="resolved"))
    done = next(run for run in await world.runs() if run["event"]["ticket"]["number"] == 2)
    assert [node["output"] for node in done["nodes"][1:]] == [{"ended_by": "resolved"}] * 2
    assert done["state"] == "done"


@pytest.mark.rule("WF-71")
async def test_a_wait_for_a_ticket_that_the_run_has_not_seen_counts_from_when_it_falls_asleep(world: World) -> None:
    elsewhere = event(number=7).data["ticket"]["id"]
    await world.save(UNTIL_RESOLVED.replace("{ref: event.ticket.id}, change: resolved", f"{elsewhere}, change: any"))
    await world.see(seen("comment-added", 5, number=7))
    await world.happen(event())
    await answer_comment(world, 2)
    await world.see(seen("comment-added", 5, number=7))
    assert states((await world.runs())[0])["rest"] == "waiting"
    await world.see(seen("links-edited", 6, number=7))
    assert await said(world) == ["links-edited"]


@pytest.mark.rule("WF-71")
async def test_a_repeat_of_what_is_past_changes_nothing(world: World) -> None:
    await world.save(UNTIL_RESOLVED)
    await world.see(seen("comment-added", 2), seen("resolved", 3, state="resolved"))
    await world.see(seen("comment-added", 2))
    async with world.database.reading() as connection:
        rows = await connection.execute(text("SELECT version, state, changes FROM ticket_seen"))
        assert [tuple(row) for row in rows] == [(3, "resolved", {"comment-added": 2, "resolved": 3})]


@pytest.mark.rule("WF-71")
async def test_only_orgs_whose_workflows_wait_for_tickets_have_theirs_remembered(world: World) -> None:
    await world.save(FOR_A_DAY)
    await world.save(UNTIL_RESOLVED, org="other")
    await world.see(seen("resolved", 2), seen("resolved", 2, org="other", state="resolved"), seen("x", 1, org="none"))
    async with world.database.reading() as connection:
        rows = await connection.execute(text("SELECT org, version, state, changes FROM ticket_seen"))
        assert [tuple(row) for row in rows] == [("other", 2, "resolved", {"resolved": 2})]
    await world.see(seen("opened", 1, org="other"), seen("started", 4, org="other"), seen("reopened", 3, org="other"))
    forgetting = Forgetting(world.database, lambda: world.now)
    async with world.database.reading() as connection:
        assert await connection.scalar(text("SELECT changes FROM ticket_seen")) == {
            "opened": 1,
            "resolved": 2,
            "reopened": 3,
            "started": 4,
        }
        world.now += timedelta(days=31)
        await forgetting.forget()
        assert await connection.scalar(text("SELECT count(*) FROM ticket_seen")) == 1
        world.now += timedelta(days=1)
        await forgetting.forget()
        assert await connection.scalar(text("SELECT count(*) FROM ticket_seen")) == 0


@pytest.mark.rule("WF-13")
async def test_a_sleeper_whose_version_is_not_understood_any_more_ends_and_holds_up_nobody(world: World) -> None:
    await world.save(FOR_A_DAY)
    await world.save(FOR_A_DAY.replace("workflow: slow", "workflow: other"))
    await world.happen(event())
    async with world.database.engine.begin() as connection:
        await connection.execute(text("UPDATE workflow_version SET document = 'workflow: [' WHERE name = 'slow'"))
    world.restart()
    assert await world.later(days=1) == 2
    ended = {run["workflow"]: (run["state"], run["error"] and run["error"]["code"]) for run in await world.runs()}
    assert ended == {"slow": ("failed", "not_understood"), "other": ("running", None)}
    assert await world.later(seconds=1) == 0


def test_what_happens_to_a_ticket_is_read_as_far_as_a_wait_needs_it() -> None:
    ticket = event(EntryType.RESOLVED, number=7, state="resolved", version=3).data["ticket"]
    made = record(EntryType.RESOLVED, number=7, state="resolved", version=3)
    assert decode_sighting(made) == Sighting("acme", UUID(ticket["id"]), 3, "resolved", "resolved")
    unknown = CloudEvent(id="1", source="s", type="fettle.ticket.sung-to.v1", time=AT, data=b"{}", key="acme/x")
    assert decode_sighting(record_of(unknown, "ticket.events")) is None
    for data in (b"{}", b"[]", b"", b"\xff", (made.value or b"").replace(b'"version":3', b'"version":"x"')):
        wrong = CloudEvent(id="1", source="s", type=EntryType.RESOLVED.ce_type, time=AT, data=data, key="acme/x")
        with pytest.raises(BadRecord) as fault:
            decode_sighting(record_of(wrong, "ticket.events"))
        assert fault.value.code == "unreadable"
    with pytest.raises(BadRecord):
        decode_sighting(replace(made, headers=()))
