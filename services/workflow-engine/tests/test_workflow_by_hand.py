"""Runs that people start, and the org's switch."""

import asyncio
from collections.abc import AsyncIterator
from typing import NoReturn

import pytest
from engine_api import Api, api_of, engine_api, refusal
from engine_world import body, event

from fettle_chassis.tokens import Role
from fettle_workflow_engine.adapters import definitions

CALL = """\
workflow: call
title: Call
enabled: true
nodes:
  pressed: {trigger: manual, where: 'has(event.data.ticket)'}
  noted: {after: [pressed], action: ticket.comment,
          with: {ticket: {ref: event.data.ticket}, text: {template: "{{ event.actor.name }} asks."}}}
"""
NOTE = CALL.replace("workflow: call", "workflow: note").replace(
    "manual, where: 'has(event.data.ticket)'", "ticket.opened"
)
NOTE = NOTE.replace("event.data.ticket", "event.ticket.id").replace("actor.name", "ticket.title")


@pytest.fixture
async def api(environment: dict[str, str]) -> AsyncIterator[Api]:
    async with api_of(environment) as found:
        yield found


@pytest.mark.rule("WF-50")
async def test_a_person_starts_a_run_with_data(api: Api) -> None:
    await api.world.save(CALL)
    answer = await api.call("POST", "/workflows/call/runs", {"data": {"ticket": 7, "why": "né"}}, role=Role.OPERATOR)
    assert answer.status_code == 201, answer.text
    run = answer.json()
    assert (run["workflow"], run["state"], run["trigger"], run["depth"]) == ("call", "running", "manual", 1)
    assert run["event"] == {
        "at": "2026-11-23T10:15:30.250Z",
        "actor": {"type": "user", "id": "ann@acme.test", "name": "Ann"},
        "data": {"ticket": 7, "why": "né"},
    }
    assert run == await api.get(f"/runs/{run['id']}")
    (command,) = await api.world.commands()
    assert (body(command)["ticket"], body(command)["comment"]) == ({"number": 7}, "Ann asks.")
    second = await api.call("POST", "/workflows/call/runs", {"data": {"ticket": 7}})
    assert second.json()["id"] != run["id"]


@pytest.mark.rule("WF-147")
async def test_a_run_that_a_run_asks_for_is_one_deeper(api: Api) -> None:
    await api.world.save(CALL)
    for said, state, depth in (
        ("7", "running", 8),
        ("8", "refused", 9),
        ("-1", "running", 1),
        ("1" * 10, "running", 1),
    ):
        asked = api.call("POST", "/workflows/call/runs", {"data": {"ticket": 7}}, fettle_causation_depth=said)
        run = (await asked).json()
        assert (run["state"], run["depth"]) == (state, depth)


@pytest.mark.rule("WF-23", "WF-50")
async def test_a_repeat_starts_nothing(api: Api) -> None:
    await api.world.save(CALL)

    async def press(data: object, key: str = "k1") -> object:
        answer = await api.call("POST", "/workflows/call/runs", {"data": data}, idempotency_key=key)
        return answer.json().get("id") or answer.json()["code"]

    ids = await asyncio.gather(*(press({"ticket": 7}) for _ in range(4)))
    assert len(set(ids)) == 1
    assert await press({"ticket": 8}) == "idempotency_key_reused"
    assert await press({"ticket": 8}, "k2") not in ids
    assert len(await api.world.runs()) == 2


@pytest.mark.rule("WF-50")
async def test_what_cannot_start_says_why_and_leaves_nothing(api: Api) -> None:
    await api.world.save(CALL)
    await api.world.save(NOTE)
    await api.world.save(CALL.replace("workflow: call", "workflow: draft").replace("enabled: true", "enabled: false"))
    for name, data, status, code, said in (
        ("none", {}, 404, "not_found", "no such workflow"),
        ("note", {}, 409, "conflict", "no manual trigger"),
        ("draft", {"ticket": 7}, 409, "conflict", "not enabled"),
        ("call", {}, 409, "conflict", "condition"),
        ("call", {"ticket": "x" * 65_600}, 400, "malformed", "64 KiB"),
        ("call", {"ticket": "\ud800"}, 400, "malformed", "cannot hold"),
        ("call", {"ticket": float("nan")}, 400, "malformed", ""),
        ("call", {"ticket": 2**63}, 400, "malformed", "64 bits"),
        ("call", [7], 400, "malformed", "data"),
    ):
        answer = await api.call("POST", f"/workflows/{name}/runs", {"data": data})
        assert said in refusal(answer, status, code)["detail"], answer.text
    assert (
        await api.call("POST", "/workflows/call/runs", {"data": {"ticket": 7}}, role=Role.VIEWER)
    ).status_code == 403
    refusal(await api.call("POST", "/workflows/call/runs", {"data": {"ticket": 7}}, org="globex"), 404, "not_found")
    assert await api.world.runs() == []


@pytest.mark.rule("WF-15", "WF-50")
async def test_a_run_over_the_budget_is_on_record(api: Api) -> None:
    await api.world.save(CALL.replace("enabled: true", "enabled: true\nbudget_per_hour: 1"))
    states = [
        (await api.call("POST", "/workflows/call/runs", {"data": {"ticket": 7}})).json()["state"] for _ in range(2)
    ]
    assert states == ["running", "refused"]


@pytest.mark.rule("WF-63")
async def test_the_switch_stops_all_workflows_of_the_org_alone(api: Api) -> None:
    await api.world.save(CALL)
    await api.world.save(NOTE)
    await api.world.save(NOTE, org="globex")
    assert await api.get("/workflow-policy") == {"enabled": True, "changed_at": None, "changed_by": None}
    await api.world.happen(event(number=1))
    off = await api.call("PUT", "/workflow-policy", {"enabled": False}, idempotency_key="off")
    assert off.json() == {
        "enabled": False,
        "changed_at": "2026-11-23T10:15:30.250Z",
        "changed_by": "ann@acme.test",
    }
    await api.world.happen(event(number=2), event(org="globex", number=2))
    pressed = await api.call("POST", "/workflows/call/runs", {"data": {"ticket": 7}})
    assert "switched off" in refusal(pressed, 409, "conflict")["detail"]
    assert await api.world.answer_all() == 2
    assert [run["state"] for run in await api.world.runs()] == ["done"]
    assert len(await api.world.runs(org="globex")) == 1
    assert (await api.call("PUT", "/workflow-policy", {"enabled": True})).json()["enabled"] is True
    again = await api.call("PUT", "/workflow-policy", {"enabled": False}, idempotency_key="off")
    assert again.json() == off.json()
    assert (await api.get("/workflow-policy"))["enabled"] is True, "a repeat changes nothing"
    await api.world.happen(event(number=3))
    assert len(await api.world.runs()) == 2
    refusal(await api.call("PUT", "/workflow-policy", {"enabled": "no"}), 400, "malformed")
    refusal(await api.call("PUT", "/workflow-policy", {"enabled": False}, role=Role.OPERATOR), 403, "forbidden")


@pytest.mark.rule("WF-153")
async def test_a_start_of_a_workflow_that_a_bug_keeps_from_being_read_is_a_failed_run(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.world.save(CALL)
    await api.world.save(NOTE)

    def broken(document: str, languages: object) -> NoReturn:
        raise TypeError("a planted bug")

    monkeypatch.setattr(definitions, "load", broken)
    api.world.restart()
    async with engine_api(api.world) as started_anew:
        answer = await started_anew.call("POST", "/workflows/call/runs", {"data": {"ticket": 7}})
        assert answer.status_code == 201, answer.text
        assert (answer.json()["state"], answer.json()["error"]["code"]) == ("failed", "internal")
        refusal(await started_anew.call("POST", "/workflows/note/runs", {"data": {}}), 409, "conflict")
