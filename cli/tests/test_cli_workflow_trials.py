"""`fettle workflows test` and `preview`, over a small real API."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from cli.tests.fettle_api import FettleApi
from cli.tests.ran import Fettle

GOOD = files("fettle_workflow_engine").joinpath("documents", "demo.yaml").read_text()
NAME = "demo-comment-on-new-tickets"
TRIED = {"node": "rest", "state": "done", "input": {"for": "5m"}, "output": {"ended_by": "elapsed"}, "assumed": True,
         "effect": {"kind": "wait", "until": "2026-12-01T08:05:00.000Z", "until_ticket": None, "skipped": True},
         "error": None}  # fmt: skip
SENT = {**TRIED, "node": "hint", "state": "failed", "output": None,
        "error": {"code": "not_found", "message": "No such ticket."},
        "effect": {"kind": "command", "id": "x", "topic": "ticket.commands", "verb": "comment",
                   "command": {"comment": "Søk."}}}  # fmt: skip
SKIPPED = {"node": "late", "state": "skipped", "input": None, "effect": None, "output": None, "assumed": False,
           "error": None}  # fmt: skip
FIRES = {"node": "opened", "trigger": "ticket.opened", "fires": True, "why_not": None}
DOES_NOT = {"node": "called", "trigger": "signal", "fires": False,
            "why_not": {"code": "other_kind", "message": "It is for signal, the event is ticket.opened."}}  # fmt: skip
TRIAL: dict[str, Any] = {
    "state": "failed",
    "error": {"code": "not_found", "message": "hint: No such ticket."},
    "triggers": [FIRES, DOES_NOT],
    "nodes": [TRIED, SENT, SKIPPED],
}
TEST_RUN = {"workflow": NAME, "version": 1, "trigger": "ticket.opened", "event_id": "test", "event": {}, **TRIAL}
TEST_PATH, PREVIEW_PATH = (f"orgs/acme/workflows/{NAME}/{what}" for what in ("test-runs", "preview"))


@pytest.mark.rule("WF-117")
def test_a_test_run_is_told_node_by_node(fettle: Fettle, api: FettleApi) -> None:
    api.on("POST", TEST_PATH, TEST_RUN)
    ran = fettle("workflows", "test", NAME)
    assert (ran.status, api.last.json) == (0, {})
    assert ran.out.splitlines() == [
        f"{NAME} on ticket.opened (event test); nothing was sent",
        "  opened (ticket.opened) fires",
        "  called (signal) does not: It is for signal, the event is ticket.opened.",
        "  rest: done",
        "    would wait until 2026-12-01T08:05:00.000Z (skipped)",
        '    assumed {"ended_by": "elapsed"}',
        "  hint: failed",
        '    would send the command comment on ticket.commands: {"comment": "Søk."}',
        "    fails: No such ticket. [not_found]",
        "  late: skipped",
        "The run would fail: hint: No such ticket. [not_found]",
    ]
    assert json.loads(fettle("workflows", "test", NAME, "--json").out) == TEST_RUN


@pytest.mark.rule("WF-117")
def test_a_file_is_tried_on_an_event(fettle: Fettle, api: FettleApi, tmp_path: Path) -> None:
    api.on("POST", TEST_PATH, {**TEST_RUN, "state": "not_started", "nodes": []})
    document, event, outcomes = (tmp_path / name for name in ("demo.yaml", "event.json", "outcomes.json"))
    document.write_text(GOOD)
    event.write_text('{"ticket": {"number": 7}}')
    outcomes.write_text('{"hint": {"error": {"code": "x", "message": "y"}}}')
    ran = fettle("workflows", "test", str(document), "--event", str(event), "--trigger", "opened",
                 "--outcomes", str(outcomes))  # fmt: skip
    assert ran.out.endswith("It would not start.\n")
    assert api.last.json == {
        "trigger": "opened",
        "event": {"ticket": {"number": 7}},
        "document": GOOD,
        "outcomes": {"hint": {"error": {"code": "x", "message": "y"}}},
    }
    fettle("workflows", "test", NAME, "--run", "r7")
    assert api.last.json == {"run": "r7"}
    ran = fettle("workflows", "test", NAME, "--ticket", "42", "--trigger", "opened")
    assert ran.out.startswith(f"{NAME} on ticket.opened (ticket 42 as it is now, event test); nothing was sent\n")
    assert api.last.json == {"ticket": 42, "trigger": "opened"}
    document.write_text(GOOD.replace("after: [", "after: [no-"))
    ran = fettle("workflows", "test", str(document))
    assert (ran.status, len(api.requests)) == (1, 3)
    assert f"{document}:" in ran.out
    event.write_text("[7]")
    for wrong in (
        ("--event", str(event)),
        ("--event", str(tmp_path / "none")),
        ("--run", "x", "--trigger", "y"),
        ("--run", "x", "--ticket", "7"),
        ("--ticket", "7", "--event", "-"),
        ("--ticket", "0"),
    ):
        assert fettle("workflows", "test", NAME, *wrong).status == 2
    assert fettle("workflows", "preview", "none.yaml").status == 2


@pytest.mark.rule("WF-117")
def test_a_preview_tells_days_triggers_and_what_it_left_out(fettle: Fettle, api: FettleApi) -> None:
    newest = {"at": "2026-11-30T08:00:00.000Z", "trigger": "ticket.opened", "event_id": "e1", "fired": ["opened"],
              "refused": None, "event": {}, "test_run": TRIAL}  # fmt: skip
    refused = {"code": "over_budget", "message": "The workflow has started its 3 runs of the last hour."}
    found = {
        "asked_from": "2026-11-24T08:00:00.000Z", "from": "2026-11-26T08:00:00.000Z",
        "until": "2026-12-01T08:00:00.000Z",
        "left_out": [{"code": "limit", "message": "What happened before."}], "events": 41, "started": 12,
        "too_deep": 0, "over_budget": 3,
        "days": [{"day": "2026-11-30", "started": 12, "too_deep": 0, "over_budget": 3}],
        "triggers": [{"node": "opened", "trigger": "ticket.opened", "events": 41, "fired": 15, "days": [],
                      "undecided": 2, "problem": "It cannot be decided."}],
        "newest": [newest, {**newest, "event_id": "e2", "refused": refused, "test_run": None}],
    }  # fmt: skip
    api.on("POST", PREVIEW_PATH, found)
    out = fettle("workflows", "preview", NAME, "--days", "3").out
    assert api.last.json == {"days": 3}
    for line in (
        f"{NAME}, 2026-11-26T08:00:00.000Z to 2026-12-01T08:00:00.000Z: 41 events looked at",
        "It would have started 12 runs (not 3 over the budget).",
        "2026-11-30T08:00:00.000Z ticket.opened e1 by opened",
        "    rest: done",
        "2026-11-30T08:00:00.000Z ticket.opened e2 by opened, refused: The workflow has started its 3 runs of the last"
        " hour. [over_budget]",
        "Left out: What happened before.",
    ):
        assert line in out.splitlines()
    rows = [line.split() for line in out.splitlines()]
    assert ["2026-11-30", "12", "3", "0"] in rows
    assert ["opened", "ticket.opened", "41", "15", "It", "cannot", "be", "decided."] in rows
    assert json.loads(fettle("workflows", "preview", NAME, "--json").out) == found
