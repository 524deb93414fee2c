"""The commands of docs/workflows.md, as a new user types them, against all services."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.installation import Installation, OrgApi, eventually

DOCS = Path(__file__).parents[2] / "docs"
CHECK = "open-ticket-from-external-check"


def blocks(page: str) -> list[str]:
    """The commands of a page, as they stand there."""
    return re.findall(r"^```sh\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


def typed(installation: Installation, api: OrgApi, folder: Path, commands: str) -> str:
    """What the commands print. The first that fails ends them, and the test."""
    environment = {**os.environ, "FETTLE_URL": installation.url, "FETTLE_TOKEN": api.token, "FETTLE_ORG": api.org}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    script = commands.replace(". .venv/bin/activate\n", "")
    shell = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout


def answered(text: str) -> bool:
    """Whether a run has ended and the ticket has its comment."""
    return "done" in text and "We look into lift-3" in text


@pytest.mark.rule("WF-120", "WF-121", "WF-125", "WF-129")
def test_the_page_of_the_first_workflow_works_as_it_stands(installation: Installation, tmp_path: Path) -> None:
    begin, write, save, open_one, look, change = blocks("workflows.md")
    assert begin.startswith("make up")
    acme = installation.create_org("acme")
    assert {one["workflow"]: one["enabled"] for one in acme.get("/workflows")["items"]} == {
        "alert-when-a-device-goes-offline": False,
        CHECK: False,
    }

    def run(commands: str) -> str:
        return typed(installation, acme, tmp_path, commands)

    run(write)
    assert "first-hint" in run(save)
    number = re.match(r"#?(\d+)\b", run(open_one))
    assert number, "the answer does not begin with the ticket's number"
    looked = look.replace("show N", f"show {number[1]}")
    eventually(lambda: answered(run(looked)), "the workflow's comment")
    changed = run(change)
    assert "+" in changed
    assert acme.get("/workflows/first-hint")["version"] == 3

    if shutil.which("curl") is None:
        pytest.skip("the last part needs curl")
    # The cookbook's way from a check outside to a ticket.
    _, needs, knock = blocks("cookbook.md")
    put, make, _ = needs.splitlines()
    run(f"echo https://hooks.example.com/T04/B17 | {put}\n{make}")
    assert [one["name"] for one in acme.get("/channels")["items"]] == ["ops"]
    shutil.rmtree(tmp_path / "flows")
    run(knock)
    eventually(lambda: [one for one in acme.tickets() if one["title"] == "Check failed: backup-nightly"], "a ticket")
