"""A fleet is entered by the command line, through the front, and is watched before it has ever reported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.installation import Installation, OrgApi, eventually

LINES = 12_000


def imported(installation: Installation, api: OrgApi, file: Path) -> list[dict[str, object]]:
    environment = {
        **os.environ,
        "FETTLE_URL": installation.url,
        "FETTLE_TOKEN": api.token,
        "FETTLE_ORG": api.org,
    }
    command = [sys.executable, "-m", "fettle_cli", "health", "import", str(file), "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.rule("HM-190", "HM-191", "HM-194", "AC-4")
def test_a_fleet_from_a_file_is_watched(installation: Installation, tmp_path: Path) -> None:
    acme = installation.create_org("acme", {"enabled": True, "publish_tickets": True, "open_debounce_s": 2})
    file = tmp_path / "fleet.csv"
    note = "x" * 60
    rows = (f"device,d{number},Sensor {number} {note},hue-{number % 9},oslo\n" for number in range(LINES))
    file.write_text("type,id,name,integration,space\n" + "".join(rows))
    assert file.stat().st_size > 1_048_576

    *lines, summary = imported(installation, acme, file)
    assert [line["result"] for line in lines] == ["added"] * LINES
    assert summary["summary"] == {**summary["summary"], "added": LINES, "refused": 0}  # type: ignore[dict-item]
    shown = acme.get(f"/subjects/device/d{LINES - 1}")
    assert (shown["integration"], shown["registered"]) == (f"hue-{(LINES - 1) % 9}", True)
    eventually(
        lambda: acme.get("/subjects/device/d7")["state"] == "healthy", "its shard watches what never reported", 90
    )

    *lines, _ = imported(installation, acme, file)
    assert [line["result"] for line in lines] == ["unchanged"] * LINES
