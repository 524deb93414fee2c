"""A campaign leaves a record from which every failure can be run again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tools.campaign import ROOT, Leg, legs, main, run, write

from tools import campaign

TESTS = """
import os
import pytest


@pytest.mark.parametrize("turn", [1, 2])
def test_steady(turn):
    print(f"FETTLE_TEST_SEED={turn}01")
    assert os.environ["FETTLE_TEST_KILLS"] == "7"


def test_shaky():
    print("seed: 42")
    assert 1 == 2


@pytest.mark.skip(reason="not today")
def test_absent(): ...
"""


@pytest.fixture
def leg(tmp_path: Path) -> Leg:
    (tmp_path / "test_sample.py").write_text(TESTS)
    return Leg("sample", ("-q", "-p", "no:cacheprovider", "test_sample.py"), {"FETTLE_TEST_KILLS": "7"})


@pytest.mark.rule("OP-15")
def test_what_ran_and_what_it_found_is_written_down(
    leg: Leg, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    write(leg, run(leg, tmp_path), results)
    write(leg, [], results)
    lines = [json.loads(line) for line in (results / "campaign.jsonl").read_text().splitlines()]
    assert [(line["test"].rpartition("::")[2], line["outcome"], line["seeds"]) for line in lines] == [
        ("test_steady[1]", "passed", {"FETTLE_TEST_SEED": "101"}),
        ("test_steady[2]", "passed", {"FETTLE_TEST_SEED": "201"}),
        ("test_shaky", "failed", {"seed": "42"}),
        ("test_absent", "skipped", {}),
    ]
    assert all(line["leg"] == "sample" and line["FETTLE_TEST_KILLS"] == "7" and line["versions"] for line in lines)
    assert "assert 1 == 2" in (results / lines[2]["words"]).read_text()
    assert [line.get("words") for line in lines if line is not lines[2]] == [None] * 3


@pytest.mark.rule("OP-15")
def test_a_leg_that_breaks_down_is_a_failure_too(leg: Leg, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (found,) = run(Leg("broken", ("--no-such-option",)), tmp_path)
    assert (found["outcome"], found["words"]) == ("error", "pytest ended with status 4")


@pytest.mark.rule("OP-15")
def test_the_exit_status_says_whether_anything_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    outcomes = {"ticket_mutants": "passed", "storm-0": "failed"}
    monkeypatch.setattr(campaign, "write", lambda *_: None)
    monkeypatch.setattr(campaign, "run", lambda leg: [{"test": "t", "outcome": outcomes[leg.name]}])
    assert main(["ticket_mutants"]) == 0
    assert main(["ticket_mutants", "storm-0"]) == 1
    assert main(["no-such-leg"]) == 2


@pytest.mark.rule("OP-15")
def test_every_file_with_long_forms_is_a_leg() -> None:
    files = {file for leg in legs() for file in leg.tests if file.endswith(".py")}
    marked = "pytest.mark." + "campaign"
    assert files == {
        str(file.relative_to(ROOT))
        for part in ("libs", "services", "cli", "tests")
        for file in (ROOT / part).rglob("*.py")
        if marked in file.read_text()
    }
    names = [leg.name for leg in legs()]
    assert len(set(names)) == len(names) > 20
