"""The engine on a real database: what an event, a result and time do to runs."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
from engine_world import APPLIED, World, body, event, record, record_of, states, world_of
from sqlalchemy import text
from ticket_event import AT

from fettle_chassis.failures import BadRecord
from fettle_chassis.signing import Verified, Verifier
from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.cloudevents import CloudEvent
from fettle_contracts.message import Unreadable
from fettle_contracts.results import COMMAND_RESULT
from fettle_contracts.ticket_events import EntryType
from fettle_workflow_engine.adapters.forgetting import Forgetting
from fettle_workflow_engine.domain.advance import run_id_for
from fettle_workflow_engine.domain.faults import DocumentRefused
from fettle_workflow_engine.domain.run import Failure, Result
from fettle_workflow_engine.entrypoints.kafka_results import ResultDecoder
from fettle_workflow_engine.entrypoints.kafka_triggers import decode_trigger

NOTE = """
workflow: note
title: Note what opens
enabled: true
nodes:
  opened: {trigger: ticket.opened, where: 'event.ticket.kind == "device_offline"'}
  noted:
    after: [opened]
    action: ticket.comment
    with: {ticket: {ref: event.ticket.id}, text: {template: "See {{ event.ticket.subject.name or 'it' }}."}}
  begun: {after: [noted], action: ticket.start, with: {ticket: {ref: noted.ticket}}}
"""

FOLLOW = """
workflow: follow
enabled: true
nodes:
  opened: {trigger: ticket.opened}
  more: {after: [opened], action: ticket.comment, with: {ticket: 1, text: more}}
"""


@pytest.fixture
async def world(environment: dict[str, str]) -> AsyncIterator[World]:
    async with world_of(environment) as found:
        yield found


@pytest.mark.rule("WF-9", "WF-12", "WF-16")
async def test_an_event_becomes_a_run_and_signed_commands(world: World) -> None:
    await world.save(NOTE)
    await world.happen(event(depth=2))
    (command,) = await world.commands()
    run_id = run_id_for("acme", "note", "fettle/ticket-service", str(event().id))
    assert (command.id, command.source) == (str(uuid5(run_id, "noted")), "fettle/workflow-engine/note")
    assert (command.type, command.key) == ("fettle.ticket.command.comment.v1", "acme")
    assert (command.causation_id, command.causation_depth) == (event().id, 3)
    assert isinstance(Verifier(world.settings.signing_keys).verify_event(command, AT), Verified)
    assert body(command) == {
        "org": "acme",
        "actor": {"type": "workflow", "id": "note", "name": "Note what opens", "run": str(run_id)},
        "evidence": {"node": "noted", "trigger": "ticket.opened", "version": 1},
        "ticket": {"id": str(event().data["ticket"]["id"])},
        "comment": "See Thermostat 42.",
    }

    world.now += timedelta(seconds=3)
    await world.answer(Result(UUID(command.id), APPLIED))
    (second,) = await world.commands()
    assert second.type == "fettle.ticket.command.start.v1"
    assert body(second)["ticket"] == {"id": str(UUID(int=9))}
    await world.answer(Result(UUID(second.id), APPLIED))
    assert await world.commands() == []

    (run,) = await world.runs()
    assert (run["id"], run["state"], run["version"], run["depth"]) == (str(run_id), "done", 1, 3)
    assert run["event"] == event().data
    assert states(run) == {"opened": "done", "noted": "done", "begun": "done"}
    assert run["nodes"][1] == {
        "node": "noted",
        "state": "done",
        "input": {"ticket": str(event().data["ticket"]["id"]), "text": "See Thermostat 42."},
        "output": APPLIED,
        "error": None,
        "command_id": command.id,
        "attempts": 1,
        "started_at": "2026-11-23T10:15:30.250Z",
        "ended_at": "2026-11-23T10:15:33.250Z",
        "wake_at": None,
        "watches": None,
    }


@pytest.mark.rule("WF-9")
async def test_only_enabled_matching_workflows_of_the_org_start(world: World) -> None:
    await world.save(NOTE)
    await world.save(FOLLOW)
    await world.save(FOLLOW.replace("follow", "off").replace("enabled: true", "enabled: false"))
    await world.save(FOLLOW.replace("follow", "elsewhere"), org="other")
    await world.happen(
        event(number=1),
        event(number=2, kind="user_report"),
        event(EntryType.RESOLVED, number=3),
        event(number=4, org="nobody"),
    )
    started = sorted((run["workflow"], run["event"]["ticket"]["number"]) for run in await world.runs())
    assert started == [("follow", 1), ("follow", 2), ("note", 1)]
    assert await world.runs(org="other") == []
    assert await world.runs(org="nobody") == []


async def test_a_workflow_starts_once_by_several_triggers(world: World) -> None:
    await world.save("""
workflow: twice
enabled: true
nodes:
  any: {trigger: ticket.opened}
  some: {trigger: ticket.opened, where: 'event.ticket.number == 7'}
  other: {trigger: ticket.opened, where: 'event.ticket.number == 8'}
  late: {trigger: ticket.resolved}
  noted: {after: [some], action: ticket.comment, with: {ticket: 7, text: seven}}
""")
    await world.happen(event(number=7), event(number=8))
    eight, seven = sorted(await world.runs(), key=lambda run: -run["event"]["ticket"]["number"])
    assert states(seven) == {"any": "done", "some": "done", "other": "skipped", "late": "skipped", "noted": "waiting"}
    assert states(eight) == {"any": "done", "some": "skipped", "other": "done", "late": "skipped", "noted": "skipped"}
    assert len(await world.commands()) == 1


@pytest.mark.rule("WF-11")
async def test_a_rejected_command_fails_its_node(world: World) -> None:
    await world.save(NOTE)
    await world.happen(event())
    await world.answer_all(Failure("ticket_not_found", "No such ticket."))
    (run,) = await world.runs()
    assert run["state"] == "failed"
    assert run["error"] == {"code": "ticket_not_found", "message": "noted: No such ticket."}
    assert states(run) == {"opened": "done", "noted": "failed", "begun": "skipped"}


@pytest.mark.rule("WF-12")
async def test_results_that_nobody_waits_for_change_nothing(world: World) -> None:
    await world.save(NOTE)
    await world.happen(event())
    (command,) = await world.commands()
    first = Result(UUID(command.id), APPLIED)
    await world.answer(Result(UUID(int=5), APPLIED), first, first)
    assert len(await world.commands()) == 1
    before = await world.runs()
    world.now += timedelta(seconds=1)
    await world.answer(first, Result(UUID(int=5), APPLIED))
    assert await world.runs() == before
    assert await world.commands() == []


@pytest.mark.rule("WF-17")
async def test_a_run_goes_on_with_the_version_it_began_with(world: World) -> None:
    await world.save(NOTE)
    await world.happen(event(number=1), event(number=2))
    assert await world.answer_all() == 2
    assert (await world.save(NOTE.replace("ticket.start", "ticket.resolve"))).version == 2
    await world.happen(event(number=3))
    assert await world.delete("note")
    world.restart()
    starts = await world.commands()
    assert [command.type.split(".")[3] for command in starts] == ["start", "start", "comment"]
    await world.answer(*(Result(UUID(command.id), APPLIED) for command in starts))
    assert sorted((run["state"], run["version"]) for run in await world.runs()) == [
        ("done", 1),
        ("done", 1),
        ("running", 2),
    ]
    assert [command.type.split(".")[3] for command in await world.commands()] == ["resolve"]
    await world.happen(event(number=4))
    assert len(await world.runs()) == 3


@pytest.mark.rule("WF-8")
async def test_versions_count_changes_and_never_start_over(world: World) -> None:
    assert (await world.save(NOTE)).version == 1
    assert (await world.save("# first\n" + NOTE)).version == 1
    off = NOTE.replace("enabled: true", "enabled: false\ndescription: Later.")
    saved = await world.save(off)
    assert (saved.version, saved.enabled, saved.description, saved.document) == (1, False, "Later.", off)
    assert (await world.save(NOTE.replace("See", "Look at"))).version == 2
    assert (await world.save(NOTE)).version == 3
    assert await world.delete("note")
    assert not await world.delete("note")
    assert (await world.save(NOTE)).version == 4


@pytest.mark.rule("WF-7")
async def test_two_saves_at_once_cannot_make_a_loop_together(world: World) -> None:
    back = NOTE.replace("workflow: note", "workflow: back").replace("ticket.opened", "ticket.comment-added")
    back = back[: back.index("  noted:")] + (
        "  more: {after: [opened], action: ticket.open,"
        " with: {title: a, kind: b, subject: {ref: event.ticket.subject}}}\n"
    )
    async with unit_of_work(world.database) as work:
        await world.library.save(work.connection, "acme", NOTE, "ann")
        second = asyncio.create_task(world.save(back))
        await waits_for_a_lock(world)
        assert not second.done()
    with pytest.raises(DocumentRefused):
        await second


async def waits_for_a_lock(world: World) -> None:
    """Returns once somebody waits for an advisory lock of this database."""
    async with asyncio.timeout(60), world.database.reading() as connection:
        while True:
            waiting = await connection.scalar(
                text("""
                    SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
                    WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted
                """)
            )
            if waiting:
                return
            await asyncio.sleep(0.01)


@pytest.mark.rule("WF-13")
async def test_a_stuck_run_ends_by_its_timeout_and_holds_up_nobody(world: World) -> None:
    await world.save(NOTE.replace("enabled: true", "enabled: true\ntimeout_s: 60"))
    await world.save(FOLLOW)
    await world.happen(event(number=1))
    stuck = await world.commands()
    assert len(stuck) == 2
    await world.happen(event(number=2))
    assert await world.answer_all() == 2
    assert await world.answer_all() == 1
    assert await world.later(seconds=59) == 0
    assert await world.later(seconds=1) == 1
    by_state = {(run["workflow"], run["event"]["ticket"]["number"]): run for run in await world.runs()}
    assert {key: run["state"] for key, run in by_state.items()} == {
        ("note", 1): "failed",
        ("note", 2): "done",
        ("follow", 1): "running",
        ("follow", 2): "done",
    }
    ended = by_state["note", 1]
    assert ended["error"] == {"code": "timeout", "message": "The run took longer than its 60 s."}
    assert states(ended) == {"opened": "done", "noted": "failed", "begun": "skipped"}
    await world.answer(*(Result(UUID(command.id), APPLIED) for command in stuck))
    assert {run["state"] for run in await world.runs(workflow="note")} == {"failed", "done"}
    assert {run["state"] for run in await world.runs(workflow="follow")} == {"done"}


@pytest.mark.rule("WF-14")
async def test_a_chain_of_runs_ends_after_eight(world: World) -> None:
    await world.save(FOLLOW)
    await world.happen(event(number=1, depth=7), event(number=2, depth=8))
    assert [command.causation_depth for command in await world.commands()] == [8]
    refused = next(run for run in await world.runs() if run["event"]["ticket"]["number"] == 2)
    assert (refused["state"], refused["error"]["code"], refused["nodes"]) == ("refused", "too_deep", [])
    assert refused["ended_at"] is not None


@pytest.mark.rule("WF-6")
async def test_an_undecided_condition_starts_nothing_and_is_shown(world: World) -> None:
    await world.save(NOTE.replace("event.ticket.kind ==", "event.entry.evidence.cause =="))
    await world.save(FOLLOW)
    await world.happen(event())
    assert [run["workflow"] for run in await world.runs()] == ["follow"]
    assert (await world.workflow("note")).condition_problem == {
        "at": "2026-11-23T10:15:30.250Z",
        "trigger": "opened",
        "event_id": event().id,
        "message": "'cause' is not there",
    }
    await world.save(NOTE)
    assert (await world.workflow("note")).condition_problem is None


async def test_what_an_event_leaves_out_is_null(world: World) -> None:
    bare = event(subject={"type": "device", "id": "t1"})
    assert bare.data["ticket"]["subject"] == {"type": "device", "id": "t1", "name": None}
    await world.save(NOTE.replace('event.ticket.kind == "device_offline"', "event.ticket.subject.name == null"))
    await world.happen(bare)
    assert [body(command)["comment"] for command in await world.commands()] == ["See it."]


@pytest.mark.rule("WF-13")
async def test_a_version_that_is_not_understood_any_more_stops_nobody(world: World) -> None:
    await world.save(NOTE)
    await world.save(FOLLOW)
    await world.happen(event(number=1))
    async with world.database.engine.begin() as connection:
        await connection.execute(text("UPDATE workflow_version SET document = 'workflow: [' WHERE name = 'note'"))
    world.restart()
    await world.happen(event(number=2))
    assert await world.answer_all() == 3
    assert await world.later(days=3) == 1
    ended = {(run["workflow"], run["event"]["ticket"]["number"]): run["state"] for run in await world.runs()}
    assert ended == {("note", 1): "failed", ("follow", 1): "done", ("follow", 2): "done"}


@pytest.mark.rule("WF-22")
async def test_what_is_old_is_forgotten(world: World) -> None:
    await world.save(NOTE.replace("enabled: true", "enabled: true\ntimeout_s: 2592000"))
    await world.save(FOLLOW)
    await world.happen(event())
    await world.answer(*(Result(UUID(one.id), APPLIED) for one in await world.commands() if "follow" in one.source))
    forgetting = Forgetting(world.database, lambda: world.now)
    world.now += timedelta(days=14)
    await forgetting.forget()
    assert len(await world.runs()) == 2
    world.now += timedelta(seconds=1)
    await forgetting.forget()
    assert [run["workflow"] for run in await world.runs()] == ["note"]
    async with world.database.reading() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM step")) == 2
        assert await connection.scalar(text("SELECT count(*) FROM workflow_minute")) == 0


@pytest.mark.rule("WF-9")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"type": "fettle.ticket.links-edited.v1"}, "type_unknown"),
        ({"data": b"{}"}, "unreadable"),
        ({"data": b"nonsense"}, "unreadable"),
        ({"key": "other/x"}, "key_invalid"),
    ],
)
def test_what_is_no_trigger_is_said_to_be_none(change: Mapping[str, str], code: str) -> None:
    good = {"id": "1", "source": "fettle/ticket-service", "type": EntryType.OPENED.ce_type, "time": AT}
    original = record()
    given = {**good, "data": original.value, "key": (original.key or b"").decode(), **change}
    with pytest.raises((BadRecord, Unreadable)) as fault:
        decode_trigger(record_of(CloudEvent(**given), "ticket.opened"))  # type: ignore[arg-type]
    assert getattr(fault.value, "code", None) == code


def decoded(command_id: object, **fields: Any) -> Result | None:
    data = json.dumps({"org": "acme", "command_id": str(command_id), "verb": "open", **fields}).encode()
    result = CloudEvent(id="1", source="fettle/ticket-service", type=COMMAND_RESULT, time=AT, data=data, key="acme")
    return ResultDecoder("http://console")(record_of(result, "ticket.command-results"))


@pytest.mark.rule("WF-126")
@pytest.mark.parametrize("source", ["desk", "fettle/workflow-engine-of-mine", "fettle/ticket-service/api", ""])
def test_a_result_of_anothers_command_is_no_runs_whatever_its_id(source: str) -> None:
    assert decoded(uuid5(UUID(int=1), "a"), command_source=source, outcome="applied") is None


@pytest.mark.rule("WF-126")
def test_a_command_that_only_claims_to_be_a_runs_has_no_result_for_it() -> None:
    reserved = {"code": "source_reserved", "message": "No."}
    source = "fettle/workflow-engine/note"
    assert decoded(uuid5(UUID(int=1), "a"), command_source=source, outcome="rejected", reason=reserved) is None


def test_results_are_read_with_the_address_of_their_ticket() -> None:
    ours = uuid5(UUID(int=1), "a")
    ticket = {"id": str(UUID(int=9)), "number": 9, "state": "open", "version": 1}
    url = "http://console/orgs/acme/tickets/9"
    assert decoded(ours, outcome="applied", ticket=ticket) == Result(
        ours, {"outcome": "applied", "ticket": {**ticket, "url": url}}
    )
    reason = {"code": "wrong_state", "message": "No."}
    assert decoded(ours, outcome="rejected", reason=reason) == Result(ours, Failure("wrong_state", "No."))
    assert decoded("a-key-of-their-own", outcome="applied", ticket=ticket) is None
    assert decoded(ours, command_source="fettle/workflow-engine/note", outcome="applied") is not None
    with pytest.raises(Unreadable):
        decoded(ours, outcome="lost")
