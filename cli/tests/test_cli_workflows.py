"""`fettle workflows`: documents checked here, saved over a small real API."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from cli.tests.fettle_api import AT, FettleApi
from cli.tests.ran import Fettle

GOOD = files("fettle_workflow_engine").joinpath("documents", "demo.yaml").read_text()
NAME = "demo-comment-on-new-tickets"
BAD = """\
workflow: mine
title: Mine
nodes:
  opened: {trigger: ticket.opend}
  noted: {after: [opened], action: ticket.comment, with: {ticket: 1}}
"""
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


@pytest.fixture
def good(fettle: Fettle, tmp_path: Path) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def bad(fettle: Fettle, tmp_path: Path) -> Path:
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    return path


@pytest.mark.rule("AC-68")
def test_a_good_document_passes_quietly(fettle: Fettle, good: Path) -> None:
    ran = fettle("workflows", "lint", str(good))
    assert (ran.status, ran.out, ran.err) == (0, "", "")


@pytest.mark.rule("AC-68")
def test_every_fault_has_its_place_and_close_names_are_suggested(fettle: Fettle, good: Path, bad: Path) -> None:
    ran = fettle("workflows", "lint", str(good), str(bad))
    assert ran.status == 1
    places = [line.split(": ")[0] for line in ran.out.splitlines()]
    assert len(places) >= 2
    assert all(place.startswith(f"{bad}:") for place in places)
    assert f"{bad}:4:" in ran.out
    assert "did you mean ticket.opened?" in ran.out
    assert "1 of 2 documents cannot be saved" in ran.err
    items = json.loads(fettle("workflows", "lint", str(bad), "--json").out)["items"]
    assert len(items[0]["faults"]) == len(places)


@pytest.mark.rule("AC-68")
def test_what_is_no_document_is_a_fault_too(fettle: Fettle, tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"workflow: \xe5")
    (tmp_path / "list.yaml").write_text("- 1\n")
    for name in ("latin.yaml", "list.yaml"):
        assert fettle("workflows", "lint", name).status == 1
    assert fettle("workflows", "lint", "nowhere.yaml").status == 2


@pytest.mark.rule("AC-68")
def test_apply_saves_each_under_its_name(fettle: Fettle, api: FettleApi, good: Path) -> None:
    api.on("PUT", f"orgs/acme/workflows/{NAME}", {"workflow": NAME, "version": 2, "enabled": True})
    ran = fettle("workflows", "apply", str(good))
    assert (ran.status, ran.out) == (0, f"{NAME} is saved as version 2, enabled\n")
    assert (api.last.body.decode(), api.last.headers["content-type"]) == (GOOD, "application/yaml")


@pytest.mark.rule("AC-68")
def test_apply_saves_nothing_when_one_document_is_at_fault(
    fettle: Fettle, api: FettleApi, good: Path, bad: Path
) -> None:
    ran = fettle("workflows", "apply", str(good), str(bad))
    assert ran.status == 1
    assert "nothing was saved" in ran.err
    assert api.requests == []


@pytest.mark.rule("AC-68")
def test_what_only_the_engine_can_find_is_shown_in_its_place(fettle: Fettle, api: FettleApi, good: Path) -> None:
    fault = {"line": 6, "column": 3, "message": "this workflow would start itself", "suggestion": None}
    api.refuse("PUT", f"orgs/acme/workflows/{NAME}", 422, "invalid", "Line 6.", faults=[fault])
    ran = fettle("workflows", "apply", str(good))
    assert ran.status == 1
    assert ran.out == f"{good}:6:3: this workflow would start itself\n"
    assert ran.err == f"fettle: {good}: Line 6. [invalid]\n"


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
