"""Benchmarks go on working while what they measure changes: each of these in its smallest form."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bench import console_pages, report
from bench.report import Figure
from tools.bootstrap import ROOT

RUN = """
import sys
from importlib import import_module
from pathlib import Path
from bench import report

report.RESULTS = Path(sys.argv.pop(1))
name = sys.argv.pop(1)
import_module(f"bench.{name}").main()
"""


def test_every_page_of_the_console_is_measured() -> None:
    console_pages.check_every_page()


def test_of_what_was_repeated_the_best_the_median_and_the_worst_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    values = (3.0, 1.0, 2.0, 9.0, 2.5)
    report.report("How soon?", [Figure("late", "s", values, better="lower"), Figure("rate", "1/s", values)], "found")
    lines = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    assert [(one["best"], one["median"], one["worst"]) for one in lines] == [(1.0, 2.5, 9.0), (9.0, 2.5, 1.0)]
    assert [tuple(one["values"]) for one in lines] == [values] * 2
    assert "1.000           2.500           9.000" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size", "figure"),
    [
        ("ticket_commands", ("--commands", "400", "--repeats", "1"), "ticket commands"),
        ("workflow_preview", ("--events", "300", "--others", "1", "--repeats", "2"), "events that it has looked at"),
        ("ticket_chains", ("--commands", "400", "--pairs", "1"), "with chains"),
        (
            "judge_throughput",
            ("--kinds", "equal", "--subjects", "2000", "--records", "40000", "--repeats", "1"),
            "equal: judged",
        ),
    ],
)
def test_a_benchmark_measures_and_writes_down_what_it_found(
    tmp_path: Path, name: str, size: tuple[str, ...], figure: str
) -> None:
    command = [sys.executable, "-c", RUN, str(tmp_path), name, *size]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
    assert {line["figure"]: line["median"] > 0 for line in lines}[figure]
