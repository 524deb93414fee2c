"""Documents between a folder and orgs, by the command line, through the front."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.installation import Installation, OrgApi

ROOT = Path(__file__).parents[2]
OPEN = "ticket.open, with: {title: a, kind: b, subject: {ref: event.ticket.subject}}"
RESOLVE = "ticket.resolve, with: {ticket: {ref: event.ticket.id}}"
COMMENT = "ticket.comment, with: {ticket: {ref: event.ticket.id}, text: Seen.}"


def flow(name: str, trigger: str, action: str) -> str:
    nodes = f"  on: {{trigger: {trigger}}}\n  do: {{after: [on], action: {action}}}\n"
    return f"workflow: {name} # by hand\nenabled: true\nnodes:\n{nodes}"


def workflows(installation: Installation, api: OrgApi, *arguments: str) -> tuple[int, Any]:
    """`fettle workflows …`: its status, and what it printed as JSON."""
    environment = {**os.environ, "FETTLE_URL": installation.url, "FETTLE_TOKEN": api.token, "FETTLE_ORG": api.org}
    command = [sys.executable, "-m", "fettle_cli", "workflows", *arguments, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    return done.returncode, json.loads(done.stdout) if done.returncode == 0 else done.stdout + done.stderr


def acts(answer: tuple[int, Any]) -> dict[str, str]:
    status, told = answer
    assert status == 0, told
    return {step["workflow"]: step["act"] for step in told["plan"]}


@pytest.mark.rule("WF-38", "WF-39", "WF-40")
def test_a_folder_becomes_an_orgs_workflows_and_anothers(installation: Installation, tmp_path: Path) -> None:
    acme, globex = (installation.create_org(org, {"enabled": True}) for org in ("acme", "globex"))
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    mine.mkdir()
    (mine / "a.yaml").write_text(flow("a", "ticket.opened", COMMENT))
    (mine / "b.yaml").write_text(flow("b", "ticket.comment-added", RESOLVE))
    (mine / "c.json").write_text(json.dumps({"workflow": "c", "nodes": {"on": {"trigger": "ticket.opened"}}}))
    apply = ("apply", str(mine), "--yes")
    for api in (acme, globex):  # nothing but what these folders hold
        for ready_made in api.get("/workflows")["items"]:
            assert api._call("DELETE", f"/workflows/{ready_made['workflow']}").status_code == 204
    assert acts(workflows(installation, acme, *apply)) == {"a": "create", "b": "create", "c": "create"}
    assert acts(workflows(installation, acme, *apply)) == dict.fromkeys("abc", "unchanged")

    # With what b is now, a would be a loop; a comes first and is saved after b.
    (mine / "a.yaml").write_text(flow("a", "ticket.resolved", COMMENT))
    (mine / "b.yaml").write_text(flow("b", "ticket.opened", COMMENT))
    (mine / "c.json").unlink()
    assert acts(workflows(installation, acme, *apply)) == {"a": "change", "b": "change", "c": "keep"}
    assert acts(workflows(installation, acme, *apply, "--prune")) == {"a": "unchanged", "b": "unchanged", "c": "delete"}
    assert acts(workflows(installation, acme, *apply, "--prune")) == dict.fromkeys("ab", "unchanged")

    # What only the org's others make a loop is refused by the engine, with its place.
    (mine / "b.yaml").rename(tmp_path / "b.yaml")
    (mine / "a.yaml").write_text(flow("a", "ticket.comment-added", OPEN))
    status, told = workflows(installation, acme, *apply)
    assert (status, f"{mine}/a.yaml:5:29: starts this workflow again" in str(told)) == (1, True)
    (mine / "a.yaml").write_text(flow("a", "ticket.resolved", COMMENT))
    (tmp_path / "b.yaml").rename(mine / "b.yaml")

    assert workflows(installation, acme, "export", str(theirs))[0] == 0
    assert {file.name: file.read_text() for file in theirs.iterdir()} == {
        file.name: file.read_text() for file in mine.iterdir()
    }
    assert acts(workflows(installation, globex, "apply", str(theirs), "--yes")) == dict.fromkeys("ab", "create")
    assert acts(workflows(installation, globex, *apply)) == dict.fromkeys("ab", "unchanged")

    published = httpx2.get(f"{installation.url}/api/workflow.schema.json", timeout=30.0)
    assert published.json() == json.loads((ROOT / "docs" / "workflow.schema.json").read_text())
