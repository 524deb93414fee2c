"""`fettle workflows`: what is shown over a small real API."""

import json
from importlib.resources import files
from typing import Any

import pytest
from cli.tests.fettle_api import AT, FettleApi
from cli.tests.ran import Fettle

GOOD = files("fettle_workflow_engine").joinpath("documents", "demo.yaml").read_text()
NAME = "demo-comment-on-new-tickets"
RUN: dict[str, Any] = {
    "id": "0198c2f0-aaaa-7000-8000-00000000000a",
    "workflow": NAME,
    "version": 1,
    "state": "done",
    "trigger": "ticket.opened",
    "started_at": AT,
    "ended_at": AT,
    "error": None,
}


@pytest.mark.rule("AC-60")
def test_workflows_are_listed_and_shown(fettle: Fettle, api: FettleApi) -> None:
    item = {"workflow": NAME, "title": "Hint", "enabled": False, "version": 3, "triggers": ["ticket.opened"]}
    api.on("GET", "orgs/acme/workflows", {"items": [item], "next_cursor": None})
    (row,) = fettle("workflows", "list").out.splitlines()[1:]
    assert row.split() == [NAME, "no", "3", "ticket.opened", "Hint"]
    api.on("GET", f"orgs/acme/workflows/{NAME}", {**item, "document": GOOD})
    assert fettle("workflows", "show", NAME).out == GOOD
    assert json.loads(fettle("workflows", "show", NAME, "--json").out)["version"] == 3


@pytest.mark.rule("AC-60")
def test_runs_are_listed_and_one_is_shown_node_by_node(fettle: Fettle, api: FettleApi) -> None:
    failed = {**RUN, "state": "failed", "error": {"code": "x", "message": "No such ticket."}}
    api.on("GET", "orgs/acme/runs", {"items": [RUN, failed], "next_cursor": None})
    api.on("GET", f"orgs/acme/workflows/{NAME}/runs", {"items": [RUN], "next_cursor": None})
    lines = fettle("workflows", "runs", "--state", "failed").out.splitlines()
    assert len(lines) == 3
    assert lines[2].endswith("No such ticket.")
    assert api.last.query["state"] == "failed"
    assert RUN["id"] in fettle("workflows", "runs", NAME).out
    node = {"node": "hint", "state": "done", "attempts": 1, "output": {"outcome": "applied"}, "error": None}
    api.on("GET", f"orgs/acme/runs/{RUN['id']}", {**RUN, "nodes": [node]})
    shown = fettle("workflows", "runs", "--run", RUN["id"])
    assert "started by ticket.opened" in shown.out
    assert '{"outcome": "applied"}' in shown.out


@pytest.mark.rule("AC-60")
def test_runs_are_cancelled_retried_and_rerun(fettle: Fettle, api: FettleApi) -> None:
    for act, state in (("cancel", "cancelled"), ("retry", "running"), ("rerun", "running")):
        api.on("POST", f"orgs/acme/runs/{RUN['id']}/{act}", {**RUN, "state": state})
        assert fettle("workflows", act, RUN["id"]).out == f"{RUN['id']} of {NAME} version 1 is {state}\n"
        assert json.loads(fettle("workflows", act, RUN["id"], "--json").out)["state"] == state
    fettle("workflows", "rerun", RUN["id"], "--version", "3")
    assert json.loads(api.last.body) == {"version": 3}
    api.refuse("POST", f"orgs/acme/runs/{RUN['id']}/cancel", 409, "conflict", "The run has ended already.")
    ran = fettle("workflows", "cancel", RUN["id"])
    assert (ran.status, ran.err) == (1, "fettle: The run has ended already. [conflict]\n")


@pytest.mark.rule("WF-160")
def test_all_workflows_are_switched_off_and_on(fettle: Fettle, api: FettleApi) -> None:
    path = "orgs/acme/workflow-policy"
    api.on("GET", path, {"enabled": True, "changed_at": None, "changed_by": None})
    assert fettle("workflows", "switch").out == "All workflows are on.\n"
    for to, enabled in (("off", False), ("on", True)):
        api.on("PUT", path, {"enabled": enabled, "changed_at": AT, "changed_by": "ann@acme.test"})
        said = fettle("workflows", "switch", to).out
        assert said.startswith(f"All workflows are {to}, by ann@acme.test ")
        assert json.loads(api.last.body) == {"enabled": enabled}
        assert json.loads(fettle("workflows", "switch", to, "--json").out)["enabled"] is enabled
    assert fettle("workflows", "switch", "maybe").status == 2


@pytest.mark.rule("WF-154")
def test_all_runs_that_failed_for_one_reason_are_retried(fettle: Fettle, api: FettleApi) -> None:
    def failed(number: int, code: str = "internal") -> dict[str, Any]:
        return {**RUN, "id": f"run-{number}", "state": "failed", "error": {"code": code, "message": "No."}}

    api.on("GET", "orgs/acme/runs", {"items": [failed(1), failed(2, "timeout"), failed(3)], "next_cursor": None})
    api.on("GET", f"orgs/acme/workflows/{NAME}/runs", {"items": [failed(3)], "next_cursor": None})
    api.refuse("POST", "orgs/acme/runs/run-1/retry", 409, "conflict", "No node has failed it.")
    api.on("POST", "orgs/acme/runs/run-3/retry", {**RUN, "state": "running"})
    ran = fettle("workflows", "retry", "--code", "internal")
    assert ran.out.splitlines() == [
        f"run-1 of {NAME} version 1 is failed: No node has failed it. [conflict]",
        f"run-3 of {NAME} version 1 is running",
    ]
    assert (ran.status, ran.err) == (1, "fettle: 1 of 2 runs cannot be retried\n")
    assert {one.query["state"] for one in api.requests if one.method == "GET"} == {"failed"}
    ran = fettle("workflows", "retry", "--code", "internal", "--workflow", NAME, "--json")
    assert ran.status == 0
    assert json.loads(ran.out) == {"items": [{"id": "run-3", "workflow": NAME, "state": "running", "refused": None}]}
    assert fettle("workflows", "retry", "--code", "other").out == "No run failed so.\n"
    for wrong in ((), ("run-1", "--code", "internal"), ("run-1", "--workflow", NAME), ("--workflow", NAME)):
        assert fettle("workflows", "retry", *wrong).status == 2


@pytest.mark.rule("WF-50")
def test_run_starts_a_workflow_with_data(fettle: Fettle, api: FettleApi) -> None:
    api.on("POST", f"orgs/acme/workflows/{NAME}/runs", {**RUN, "state": "running"}, 201)
    ran = fettle("workflows", "run", NAME, "--data", '{"ticket": 7}')
    assert (ran.status, ran.out) == (0, f"{NAME} version 1: running, run {RUN['id']}\n")
    assert api.last.json == {"data": {"ticket": 7}}
    assert json.loads(fettle("workflows", "run", NAME, "--json").out)["id"] == RUN["id"]
    assert api.last.json == {"data": {}}
    for wrong in ("[7]", "{", "seven"):
        assert fettle("workflows", "run", NAME, "--data", wrong).status == 2
    error = {"code": "over_budget", "message": "The workflow has started its 1 runs."}
    api.on("POST", f"orgs/acme/workflows/{NAME}/runs", {**RUN, "state": "refused", "error": error}, 201)
    ran = fettle("workflows", "run", NAME)
    assert ran.status == 1
    assert "started its 1 runs" in ran.out
    api.refuse("POST", f"orgs/acme/workflows/{NAME}/runs", 409, "conflict", "The workflow is not enabled.")
    ran = fettle("workflows", "run", NAME)
    assert ran.status == 1
    assert "not enabled" in ran.err
