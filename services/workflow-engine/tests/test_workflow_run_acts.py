"""What people do to runs, by HTTP: cancel, retry, rerun."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from engine_api import NOTE, Api, api_of, refusal
from engine_world import APPLIED, event, states
from made_calls import Callee, calling

from fettle_chassis.tokens import Role
from fettle_workflow_engine.domain.run import Failure, Result

TWO = NOTE.replace("workflow: note", "workflow: two") + (
    "  begun: {after: [noted], action: ticket.start, with: {ticket: {ref: event.ticket.id}}}\n"
)
ROUNDS = """\
workflow: rounds
enabled: true
nodes:
  hourly: {trigger: schedule, every: 1h}
  daily: {trigger: schedule, every: 1d}
  noted: {after: [hourly], action: ticket.comment, with: {ticket: 7, text: Still there.}}
  counted: {after: [daily], action: ticket.comment, with: {ticket: 7, text: A day more.}}
"""
LONG = NOTE.replace("workflow: note", "workflow: long") + (
    "  refused: {after: [noted.error], action: ticket.comment, with: {ticket: {ref: event.ticket.id}, text: No.}}\n"
    "  paused: {after: [noted], action: wait, with: {for: 1h}}\n"
    "  over: {after: [paused], action: ticket.comment, with: {ticket: {ref: event.ticket.id}, text: An hour later.}}\n"
)
REJECTED = Failure("wrong_state", "The ticket is resolved.")


@pytest.fixture
async def api(environment: dict[str, str]) -> AsyncIterator[Api]:
    async with api_of(environment) as api:
        yield api


async def act(api: Api, name: str, run: str, body: str | None = None, **how: Any) -> httpx2.Response:
    return await api.call("POST", f"/runs/{run}/{name}", body, content_type="application/json", **how)


async def started(api: Api, document: str = TWO, **ticket: Any) -> str:
    """The id of the run of a new event."""
    await api.world.save(document)
    await api.world.happen(event(**ticket))
    return str((await api.world.runs())[0]["id"])


@pytest.mark.rule("WF-75")
async def test_a_cancelled_run_gives_nothing_and_takes_nothing(api: Api) -> None:
    run = await started(api)
    (command,) = await api.world.commands()
    gone = await act(api, "cancel", run)
    assert (gone.status_code, gone.json()["state"]) == (200, "cancelled")
    assert gone.json()["error"] == {"code": "cancelled", "message": "Cancelled by ann@acme.test."}
    assert states(gone.json()) == {"opened": "done", "noted": "failed", "begun": "skipped"}
    await api.world.answer(Result(UUID(command.id), APPLIED))
    assert await api.world.commands() == []
    assert await api.get(f"/runs/{run}") == gone.json() == (await act(api, "cancel", run)).json()
    assert (await api.get("/runs?state=cancelled"))["items"][0]["id"] == run
    assert await api.world.later(days=3) == 0
    refusal(await act(api, "retry", run), 409, "conflict")


@pytest.mark.rule("WF-75")
async def test_a_cancelled_call_is_not_made_again_and_its_outcome_changes_nothing(api: Api) -> None:
    callee = Callee(hangs={"42"})
    asking = TWO.replace(
        "action: ticket.start, with: {ticket: {ref: event.ticket.id}}", "action: http.request, with: {url: '42'}"
    )
    run = await started(api, asking)
    async with calling(api.world, callee):
        await api.world.answer_all()
        await callee.called("42")
        gone = await act(api, "cancel", run)
        await callee.free()
    assert states(gone.json())["begun"] == "failed"
    async with calling(api.world, callee, "engine-1"):
        api.world.now = api.world.now.replace(year=2027)
    assert len(callee.attempts["42"]) == 1
    assert await api.get(f"/runs/{run}") == gone.json()


@pytest.mark.rule("WF-75")
async def test_a_sleeping_run_is_cancelled_for_good(api: Api) -> None:
    run = await started(api, NOTE.replace("action: ticket.comment, with: {ticket: {ref: event.ticket.id}, text: Seen.}",
                                          "action: wait, with: {for: 1d}"))  # fmt: skip
    assert (await act(api, "cancel", run)).json()["state"] == "cancelled"
    assert await api.world.later(days=5) == 0


@pytest.mark.rule("WF-76")
async def test_a_retried_run_goes_on_from_where_it_failed(api: Api) -> None:
    run = await started(api)
    (first,) = await api.world.commands()
    await api.world.answer(Result(UUID(first.id), APPLIED))
    await api.world.answer_all(REJECTED)
    await api.world.save(TWO.replace("Seen", "Changed"))
    failed = await api.get(f"/runs/{run}")
    assert (failed["state"], states(failed)["begun"]) == ("failed", "failed")
    again = (await act(api, "retry", run)).json()
    assert (again["id"], again["version"], again["state"], again["error"], again["ended_at"]) == (
        run,
        1,
        "running",
        None,
        None,
    )
    assert again["nodes"][1] == failed["nodes"][1]
    (command,) = await api.world.commands()
    assert command.id not in (first.id, failed["nodes"][2]["command_id"])
    assert command.type == "fettle.ticket.command.start.v1"
    refusal(await act(api, "retry", run), 409, "conflict")
    await api.world.answer(Result(UUID(failed["nodes"][2]["command_id"]), APPLIED))
    assert (await api.get(f"/runs/{run}"))["state"] == "running"
    await api.world.answer(Result(UUID(command.id), APPLIED))
    done = await api.get(f"/runs/{run}")
    assert (done["state"], done["nodes"][2]["attempts"], done["nodes"][2]["error"]) == ("done", 2, None)


@pytest.mark.rule("WF-76")
async def test_a_run_that_ended_by_its_timeout_asks_under_the_same_id_and_forgets_what_it_skipped(api: Api) -> None:
    run = await started(api)
    (command,) = await api.world.commands()
    assert await api.world.later(days=2) == 1
    assert states(await api.get(f"/runs/{run}")) == {"opened": "done", "noted": "failed", "begun": "skipped"}
    again = (await act(api, "retry", run)).json()
    assert states(again) == {"opened": "done", "noted": "waiting"}
    (repeated,) = await api.world.commands()
    assert (repeated.id, repeated.data) == (command.id, command.data)
    assert await api.world.later(days=1) == 0
    await api.world.answer(Result(UUID(command.id), APPLIED))
    assert states(await api.get(f"/runs/{run}")) == {"opened": "done", "noted": "done", "begun": "waiting"}


@pytest.mark.rule("WF-77")
async def test_a_rerun_is_a_new_run_by_the_same_event(api: Api) -> None:
    run = await started(api)
    await api.world.save(TWO.replace("Seen", "Newer").replace("enabled: true", "enabled: false"))
    await api.world.commands()
    newer = await act(api, "rerun", run)
    assert newer.status_code == 201
    new = newer.json()
    old = await api.get(f"/runs/{run}")
    assert (new["version"], new["rerun_of"], new["event"], new["depth"]) == (2, run, old["event"], old["depth"])
    assert new["id"] != run
    assert old["rerun_of"] is None
    older = (await act(api, "rerun", run, '{"version": 1}')).json()
    assert (older["version"], older["rerun_of"]) == (1, run)
    said = [command.data.decode() for command in await api.world.commands()]
    assert ["Newer." in said[0], "Seen." in said[1]] == [True, True]
    body = refusal(await act(api, "rerun", run, '{"version": 3}'), 422, "invalid")
    assert body["field"] == "version"
    refusal(await act(api, "rerun", run, '{"version": 0}'), 400, "malformed")
    refusal(await act(api, "rerun", run, '{"versoin": 1}'), 400, "malformed")
    await api.world.save(
        TWO.replace("trigger: ticket.opened", "trigger: ticket.opened, where: event.ticket.number == 1")
    )
    assert "No trigger of version 3" in refusal(await act(api, "rerun", run), 409, "conflict")["detail"]
    assert await api.world.delete("two")
    assert (await act(api, "rerun", run, '{"version": 1}')).status_code == 201


@pytest.mark.rule("WF-147")
async def test_a_rerun_that_a_run_asks_for_is_one_deeper(api: Api) -> None:
    """So a workflow that has a run of its own run again comes to an end."""
    run = await started(api)
    for said, depth in (("0", 1), ("3", 4), ("7", 8)):
        assert (await act(api, "rerun", run, fettle_causation_depth=said)).json()["depth"] == depth
    deep = (await act(api, "rerun", run, fettle_causation_depth="7")).json()["id"]
    assert (await act(api, "rerun", deep, fettle_causation_depth="1")).json()["depth"] == 8
    assert "Number 9" in refusal(await act(api, "rerun", run, fettle_causation_depth="8"), 409, "conflict")["detail"]


@pytest.mark.rule("WF-147")
async def test_a_retry_that_a_run_asks_for_makes_its_run_one_deeper(api: Api) -> None:
    """So runs that have each other retried come to an end."""
    run = await started(api)
    await api.world.answer_all(REJECTED)
    for said, depth in (("", 1), ("2", 3), ("1", 3), ("7", 8)):
        again = (await act(api, "retry", run, fettle_causation_depth=said)).json()
        assert (again["state"], again["depth"]) == ("running", depth)
        (command,) = await api.world.commands()
        assert command.causation_depth == depth
        await api.world.answer(Result(UUID(command.id), REJECTED))
        assert (await api.get(f"/runs/{run}"))["depth"] == depth
    assert "Number 9" in refusal(await act(api, "retry", run, fettle_causation_depth="8"), 409, "conflict")["detail"]
    assert (await act(api, "retry", run)).json()["state"] == "running"


@pytest.mark.rule("WF-162")
async def test_a_run_is_retried_a_hundred_times_though_nobody_says_how_deep_it_is(api: Api) -> None:
    """So runs that have each other retried come to an end behind a server that leaves the header out."""
    run = await started(api)
    await api.world.answer_all(REJECTED)
    for _ in range(100):
        assert (await act(api, "retry", run)).json()["state"] == "running"
        await api.world.answer_all(REJECTED)
    assert "retried 100 times" in refusal(await act(api, "retry", run), 409, "conflict")["detail"]
    assert (await api.get(f"/runs/{run}"))["state"] == "failed"
    assert await api.world.commands() == []
    again = (await act(api, "rerun", run)).json()["id"]
    await api.world.answer_all(REJECTED)
    assert (await act(api, "retry", again)).status_code == 200


@pytest.mark.rule("WF-77")
async def test_a_rerun_is_by_the_schedule_that_was_due(api: Api) -> None:
    await api.world.save(ROUNDS)
    assert await api.world.ring(minutes=45) == 1
    (old,) = await api.world.runs()
    assert states(old) == {"hourly": "done", "daily": "skipped", "noted": "waiting"}
    new = (await act(api, "rerun", old["id"])).json()
    assert (states(new), new["event"]) == (states(old), old["event"])
    await api.world.save(ROUNDS.replace("hourly", "each_hour"))
    refusal(await act(api, "rerun", old["id"]), 409, "conflict")


@pytest.mark.rule("WF-63")
@pytest.mark.parametrize(("name", "status"), [("rerun", 201), ("retry", 200)])
async def test_nothing_is_rerun_or_retried_while_the_org_is_switched_off(api: Api, name: str, status: int) -> None:
    run = await started(api)
    await api.world.answer_all(REJECTED)
    await api.call("PUT", "/workflow-policy", {"enabled": False})
    assert "switched off" in refusal(await act(api, name, run), 409, "conflict")["detail"]
    await api.call("PUT", "/workflow-policy", {"enabled": True})
    assert (await act(api, name, run)).status_code == status


async def switched(api: Api, on: bool) -> None:
    assert (await api.call("PUT", "/workflow-policy", {"enabled": on})).status_code == 200


@pytest.mark.rule("WF-156")
@pytest.mark.parametrize("outcome", [APPLIED, REJECTED])
async def test_while_the_org_is_off_no_node_is_begun_and_a_retry_goes_on_from_there(api: Api, outcome: Any) -> None:
    run = await started(api, LONG)
    await api.world.save(LONG, org="globex")
    await api.world.happen(event(org="globex"))
    await switched(api, False)
    assert await api.world.answer_all(outcome) == 2
    stopped = await api.get(f"/runs/{run}")
    next_one, noted = ("paused", "done") if outcome is APPLIED else ("refused", "failed")
    assert (stopped["state"], states(stopped)["noted"], states(stopped)[next_one]) == ("failed", noted, "failed")
    said = f"{next_one}: The org's workflows were switched off before it began."
    assert stopped["error"] == {"code": "switched_off", "message": said}
    assert {command.key for command in await api.world.commands()} <= {"globex"}
    assert (await api.world.runs(org="globex"))[0]["state"] == "running", "another org goes on"
    await switched(api, True)
    assert (await api.get(f"/runs/{run}"))["state"] == "failed", "nothing is caught up"
    again = (await act(api, "retry", run)).json()
    assert (again["state"], states(again)["noted"], states(again)[next_one]) == ("running", noted, "waiting")


@pytest.mark.rule("WF-156")
async def test_a_wait_goes_on_while_the_org_is_off_and_only_what_is_due_meanwhile_is_stopped(api: Api) -> None:
    run = await started(api, LONG)
    await api.world.answer_all()
    await switched(api, False)
    assert await api.world.later(minutes=59) == 0
    await switched(api, True)
    assert await api.world.later(minutes=2) == 1
    assert states(await api.get(f"/runs/{run}"))["over"] == "waiting"
    assert await api.world.answer_all() == 1
    second = await started(api, LONG, number=2)
    await api.world.answer_all()
    await switched(api, False)
    assert await api.world.later(hours=1) == 1
    stopped = await api.get(f"/runs/{second}")
    assert (states(stopped)["paused"], states(stopped)["over"]) == ("done", "failed")
    assert await api.world.commands() == []
    assert (await api.get(f"/runs/{run}"))["state"] == "done"


@pytest.mark.rule("WF-15")
async def test_reruns_are_of_the_budget(api: Api) -> None:
    run = await started(api, TWO.replace("enabled: true", "enabled: true\nbudget_per_hour: 3"))
    assert [(await act(api, "rerun", run)).status_code for _ in range(3)] == [201, 201, 409]
    await api.world.happen(event(number=2))
    (late,) = [run for run in await api.world.runs() if run["event"]["ticket"]["number"] == 2]
    assert late["error"]["code"] == "over_budget"
    api.world.now += timedelta(minutes=61)
    assert (await act(api, "rerun", run)).status_code == 201


@pytest.mark.rule("WF-77")
async def test_a_rerun_that_is_repeated_under_its_key_is_one(api: Api) -> None:
    run = await started(api)
    first, second = [await act(api, "rerun", run, "{}", idempotency_key="k") for _ in range(2)]
    assert first.json() == second.json()
    assert len(await api.world.runs()) == 2
    refusal(await act(api, "rerun", run, '{"version": 1}', idempotency_key="k"), 422, "idempotency_key_reused")


@pytest.mark.rule("WF-19", "WF-18")
async def test_operators_act_on_their_own_org_s_runs(api: Api) -> None:
    run = await started(api)
    for name in ("cancel", "retry", "rerun"):
        for role in (Role.VIEWER, Role.INGEST):
            refusal(await act(api, name, run, role=role), 403, "forbidden")
        unknown = refusal(await act(api, name, "0" * 32, role=Role.OPERATOR), 404, "not_found")
        assert refusal(await act(api, name, run, org="other"), 404, "not_found") == unknown
        refusal(await act(api, name, run, org="other", of="acme"), 404, "not_found")
        refusal(await act(api, name, "nonsense"), 404, "not_found")
    assert (await act(api, "cancel", run, role=Role.OPERATOR)).status_code == 200
