"""`python -m tools.campaign [LEG …]`: the long forms of the tests, and a record of what they ran and found.

A leg is one run of pytest: the long forms of one file's tests, or a storm of faults. Every test of it becomes a JSON
line in `bench/results/campaign.jsonl` as soon as its leg has ended, with the seeds it printed, so that a failure can be
run again; the words of failed tests go to `bench/results/campaign-failures/`. All legs take hours. Exit status 1 when a
test failed, 2 for a leg that does not exist.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from bench.report import RESULTS, machine

ROOT = Path(__file__).resolve().parent.parent
SEED = re.compile(r"(\w*[Ss][Ee][Ee][Dd]\w*)[=: ]+(\d+)")
TESTS = ("libs/*/tests", "services/*/tests", "cli/tests", "tests")
STORMS = 5
LONG = {"FETTLE_TEST_KILLS": "200", "FETTLE_TEST_TURNS": "5"}


@dataclass(frozen=True)
class Leg:
    """One run of pytest: which tests, and the settings that make them long."""

    name: str
    tests: tuple[str, ...]
    settings: Mapping[str, str] = field(default_factory=dict)


def legs(root: Path = ROOT) -> Iterator[Leg]:
    """A leg for each file that has long forms, by the file's name, and the storms."""
    for file in sorted(file for tests in TESTS for file in root.glob(f"{tests}/**/test_*.py")):
        if "pytest.mark.campaign" in file.read_text():
            yield Leg(file.stem.removeprefix("test_"), (str(file.relative_to(root)), "-m", "campaign"))
    for turn in range(STORMS):
        yield Leg(f"storm-{turn}", ("tests/faults", "--timeout=3600"), LONG)


def run(leg: Leg, root: Path = ROOT) -> list[dict[str, Any]]:
    """Runs one leg in `root`, its output as it comes, and returns what became of each test. Blocks."""
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record.xml"
        command = [sys.executable, "-m", "pytest", "-o", "junit_logging=all", f"--junit-xml={record}", *leg.tests]
        done = subprocess.run(command, cwd=root, env={**os.environ, **leg.settings}, check=False)
        if not record.exists():
            return [{"test": "", "outcome": "error", "words": f"pytest ended with status {done.returncode}"}]
        return list(outcomes(record.read_text()))


def outcomes(record: str) -> Iterator[dict[str, Any]]:
    """Each test of a JUnit record: its outcome, its time, the seeds it printed, and what it said if it failed."""
    for case in ElementTree.fromstring(record).iter("testcase"):  # noqa: S314 - pytest wrote it a moment ago
        marks = {kind: case.find(kind) for kind in ("failure", "error", "skipped")}
        said = "\n".join(part.text or "" for part in case)
        outcome = next((kind for kind, mark in marks.items() if mark is not None), "passed")
        yield {
            "test": f"{case.get('classname')}::{case.get('name')}",
            "outcome": {"failure": "failed"}.get(outcome, outcome),
            "seconds": float(case.get("time") or 0),
            "seeds": dict(SEED.findall(said)),
            "words": said if outcome in ("failure", "error") else "",
        }


def write(leg: Leg, found: list[dict[str, Any]], results: Path = RESULTS) -> None:
    """Appends one line per test, and keeps the words of those that failed in a file each."""
    at, about = datetime.now(tz=UTC).isoformat(timespec="seconds"), machine()
    failures = results / "campaign-failures"
    results.mkdir(parents=True, exist_ok=True)
    with (results / "campaign.jsonl").open("a") as lines:
        for test in found:
            line = {"at": at, "leg": leg.name, **leg.settings, **test, **about}
            words = line.pop("words")
            if words:
                failures.mkdir(exist_ok=True)
                file = failures / f"{at}-{leg.name}-{re.sub(r'[^A-Za-z0-9]+', '-', test['test'])[-80:]}.txt"
                file.write_text(words)
                line["words"] = f"{failures.name}/{file.name}"
            lines.write(json.dumps(line) + "\n")


def main(wanted: list[str]) -> int:
    known = {leg.name: leg for leg in legs()}
    if unknown := [name for name in wanted if name not in known]:
        print(f"no leg named {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    failed = 0
    for name in wanted or known:
        print(f"--- {name}", flush=True)
        found = run(known[name])
        write(known[name], found)
        bad = [test["test"] for test in found if test["outcome"] in ("failed", "error")]
        print(f"--- {name}: {len(found)} tests, {len(bad)} failed {' '.join(bad)}", flush=True)
        failed += len(bad)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
