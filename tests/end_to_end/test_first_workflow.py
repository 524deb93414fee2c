"""The commands of docs/workflows.md, as a new user types them, against all services."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.installation import Installation, OrgApi, eventually

PAGE = Path(__file__).parents[2] / "docs" / "workflows.md"
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def typed(installation: Installation, api: OrgApi, folder: Path, commands: str) -> str:
    """What the commands print. The first that fails ends them, and the test."""
    environment = {**os.environ, "FETTLE_URL": installation.url, "FETTLE_TOKEN": api.token, "FETTLE_ORG": api.org}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    script = commands.replace(". .venv/bin/activate\n", "")
    shell = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout


def answered(text: str) -> str | None:
    return text if "We look into lift-3" in text else None


@pytest.mark.rule("WF-120", "WF-125")
@pytest.mark.timeout(240)
def test_the_page_of_the_first_workflow_works_as_it_stands(installation: Installation, tmp_path: Path) -> None:
    begin, write, save, open_one, look, change = BLOCKS
    assert begin.startswith("make up")
    acme = installation.create_org("acme")
    assert {one["workflow"]: one["enabled"] for one in acme.get("/workflows")["items"]} == {
        "alert-when-a-device-goes-offline": False,
        "open-ticket-from-external-check": False,
    }

    def run(commands: str) -> str:
        return typed(installation, acme, tmp_path, commands)

    run(write)
    assert "first-hint" in run(save)
    number = re.match(r"#?(\d+)\b", run(open_one))
    assert number, "the answer does not begin with the ticket's number"
    looked = look.replace("show N", f"show {number[1]}")
    told = eventually(lambda: answered(run(looked)), "the workflow's comment")
    assert "done" in told
    changed = run(change)
    assert "+" in changed
    assert acme.get("/workflows/first-hint")["version"] == 3
