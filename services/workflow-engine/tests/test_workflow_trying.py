"""Test runs by HTTP: of saved workflows and drafts, on events that are given, recorded or made up."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from engine_api import NOTE, Api, api_of, refusal
from engine_world import event
from sqlalchemy import text

from fettle_chassis.tokens import Role
from fettle_contracts.ticket_events import EntryType

CALL = """\
workflow: note
nodes:
  pressed: {trigger: manual, where: 'has(event.data.ticket)'}
  noted: {after: [pressed], action: ticket.comment,
          with: {ticket: {ref: event.data.ticket}, text: {template: "{{ event.actor.name }} asks."}}}
"""
TABLES = ("run", "step", "outbox", "call", "workflow", "workflow_version", "workflow_minute")


@pytest.fixture
async def api(environment: dict[str, str]) -> AsyncIterator[Api]:
    async with api_of(environment) as found:
        yield found


async def tried(api: Api, body: Any = None, name: str = "note") -> dict[str, Any]:
    answer = await api.call("POST", f"/workflows/{name}/test-runs", body or {}, role=Role.OPERATOR)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def counts(api: Api) -> dict[str, int]:
    async with api.world.database.reading() as connection:
        return {
            table: (await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one() for table in TABLES
        }


@pytest.mark.rule("WF-110", "WF-111")
async def test_a_saved_workflow_is_tried_and_nothing_is_kept(api: Api) -> None:
    await api.world.save(NOTE)
    before = await counts(api)
    found = await tried(api)
    assert (found["workflow"], found["version"], found["trigger"], found["state"]) == (
        "note",
        1,
        "ticket.opened",
        "done",
    )
    assert found["nodes"][1]["effect"]["command"]["comment"] == "Seen."
    assert found == await tried(api), "the same again"
    assert await counts(api) == before


@pytest.mark.rule("WF-110")
async def test_a_recorded_run_lends_its_event(api: Api) -> None:
    await api.world.save(NOTE)
    await api.world.happen(event(number=7))
    (run,) = await api.world.runs()
    found = await tried(api, {"run": run["id"]})
    assert (found["event"], found["event_id"]) == (run["event"], run["event_id"])
    (command,) = await api.world.commands()
    assert found["nodes"][1]["effect"]["command"]["ticket"] == {"id": run["event"]["ticket"]["id"]}
    assert found["nodes"][1]["effect"]["id"] != command.id, "no run's command"
    draft = await tried(api, {"run": run["id"], "document": CALL})
    assert (draft["state"], draft["triggers"][0]["why_not"]["code"]) == ("not_started", "other_kind")
    for wrong in (str(run["id"])[:-1] + "0", "x"):
        refusal(await api.call("POST", "/workflows/note/test-runs", {"run": wrong}), 404, "not_found")
    refusal(
        await api.call("POST", "/workflows/note/test-runs", {"run": run["id"], "document": NOTE}, org="globex"),
        404,
        "not_found",
    )


@pytest.mark.rule("WF-114")
async def test_a_draft_is_tried_as_it_is_not_saved(api: Api) -> None:
    await api.world.save(NOTE)
    found = await tried(api, {"document": CALL, "event": {"data": {"ticket": 9}, "actor": {"name": "Bo"}}})
    assert (found["version"], found["trigger"], found["state"]) == (None, "manual", "done")
    assert found["nodes"][1]["input"] == {"ticket": 9, "text": "Bo asks."}
    assert (await tried(api, {"document": CALL}))["triggers"][0]["why_not"]["code"] == "condition_false"
    failed = await tried(
        api,
        {"document": CALL, "event": {"data": {"ticket": 9}, "actor": {"name": "Bo"}},
         "outcomes": {"noted": {"error": {"code": "not_found", "message": "No such ticket."}}}},
    )  # fmt: skip
    assert (failed["state"], failed["error"]["message"]) == ("failed", "noted: No such ticket.")
    assert (await tried(api, {"document": CALL.replace("note", "new")}, "new"))["workflow"] == "new"


@pytest.mark.rule("WF-114", "WF-19")
async def test_what_cannot_be_tried_says_why(api: Api) -> None:
    await api.world.save(NOTE)
    for name, body, status, code, said in (
        ("none", {}, 404, "not_found", "no such workflow"),
        ("none", {"document": NOTE}, 422, "invalid", "'note'"),
        ("note", {"document": NOTE.replace("opened]", "opend]")}, 422, "invalid", "Line 6"),
        ("note", {"trigger": "ticket.opend"}, 422, "invalid", "did you mean"),
        ("note", {"outcomes": {"opened": {"output": {}}}}, 422, "invalid", "opened"),
        ("note", {"outcomes": {"noted": {}}}, 400, "malformed", "not both"),
        ("note", {"outcomes": {"noted": {"output": {}, "error": {"code": "x", "message": "x"}}}}, 400, "malformed", ""),
        ("note", {"run": "x", "trigger": "opened"}, 400, "malformed", "run"),
        ("note", {"run": "x", "ticket": 1}, 400, "malformed", "run"),
        ("note", {"ticket": 1, "event": {}}, 400, "malformed", "ticket"),
        ("note", {"ticket": 0}, 400, "malformed", "ticket"),
        ("note", {"ticket": "1"}, 400, "malformed", "ticket"),
        ("note", {"ticket": 1, "trigger": "manual"}, 422, "invalid", "not about tickets"),
        ("note", {"event": []}, 400, "malformed", "event"),
        ("note", {"event": {"x": "x" * 262_144}}, 400, "malformed", "256 KiB"),
        ("note", {"event": {"x": "\ud800"}}, 400, "malformed", "cannot hold"),
        ("note", {"evnt": {}}, 400, "malformed", "no field"),
    ):
        answer = await api.call("POST", f"/workflows/{name}/test-runs", body)
        assert said in refusal(answer, status, code)["detail"], answer.text
    for path in ("test-runs", "preview"):
        refusal(await api.call("POST", f"/workflows/note/{path}", {}, role=Role.VIEWER), 403, "forbidden")
        refusal(await api.call("POST", f"/workflows/note/{path}", {}, org="globex"), 404, "not_found")
        refusal(await api.call("POST", f"/workflows/note/{path}", {}, org="globex", of="acme"), 404, "not_found")
    for days in (0, 31, "7", True):
        refusal(await api.call("POST", "/workflows/note/preview", {"days": days}), 400, "malformed")


@pytest.mark.rule("WF-110", "WF-112")
async def test_a_real_run_has_what_the_test_run_said(api: Api) -> None:
    await api.world.save(NOTE)
    happened = event(EntryType.OPENED, number=7)
    await api.world.happen(happened)
    await api.world.answer_all()
    (run,) = await api.world.runs()
    found = await tried(api, {"trigger": "opened", "event": dict(happened.data)})
    for real, mine in zip(run["nodes"], found["nodes"], strict=True):
        assert (real["node"], real["state"], real["input"]) == (mine["node"], mine["state"], mine["input"])
    assert found["nodes"][1]["output"].keys() == run["nodes"][1]["output"].keys()
    assert found["nodes"][1]["output"]["ticket"].keys() == run["nodes"][1]["output"]["ticket"].keys()
