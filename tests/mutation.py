"""Rules broken one at a time in a copy of a service's package, which its tests must notice."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent

ALL_PASSED = 0
ONE_FAILED = 1

NOT_SHRUNK = """
from hypothesis import Phase, settings

settings.register_profile("mutants", phases=[Phase.explicit, Phase.generate])
settings.load_profile("mutants")
"""


class Mutant(NamedTuple):
    """In `module` the text `old`, which stands there once, becomes `new`."""

    module: str
    old: str
    new: str


class Part(NamedTuple):
    """Mutants that the same tests should notice, the quickest first: files without `test_`, or with `::` and a test."""

    tests: tuple[str, ...]
    mutants: tuple[Mutant, ...]


def check_stands_once(folder: Path, mutant: Mutant) -> None:
    assert (folder / f"{mutant.module}.py").read_text().count(mutant.old) == 1


def check_noticed(package: Path, folder: Path, mutant: Mutant, tests: Iterable[Path | str], scratch: Path) -> None:
    """Runs the tests on a copy of `package` in `scratch` in which the module in `folder` is broken; one must fail. A
    run that was killed, or that ran no test, tells nothing of the mutant and fails for what it is."""
    broken = _copied(package, scratch) / folder.relative_to(package) / f"{mutant.module}.py"
    broken.write_text(broken.read_text().replace(mutant.old, mutant.new))
    done = _tested(tests, scratch)
    assert done.returncode == ONE_FAILED, f"{_outcome(done.returncode)}: {mutant}\n{_last_words(done)}"


def check_unbroken(package: Path, tests: Iterable[Path | str], scratch: Path) -> None:
    """Runs the tests on a copy of `package` in which nothing is broken; none may fail. Else they would notice any
    mutant."""
    _copied(package, scratch)
    done = _tested(tests, scratch)
    assert done.returncode == ALL_PASSED, f"{_outcome(done.returncode)}, without a mutant:\n{_last_words(done)}"


def _outcome(returncode: int) -> str:
    """What became of a run of tests, by how pytest ended: below 0 by a signal, as `subprocess` has it."""
    if returncode < 0:
        return f"the run was killed by {signal.Signals(-returncode).name}"
    if returncode == ALL_PASSED:
        return "survived"
    return "a test failed" if returncode == ONE_FAILED else f"no run of tests (pytest ended with {returncode})"


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    return f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def _copied(package: Path, scratch: Path) -> Path:
    copy = scratch / package.name
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def _tested(tests: Iterable[Path | str], scratch: Path) -> subprocess.CompletedProcess[str]:
    (scratch / "not_shrunk.py").write_text(NOT_SHRUNK)
    options = ("-x", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-p", "not_shrunk", "-m", "not campaign")
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *map(str, tests)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(scratch), "HYPOTHESIS_STORAGE_DIRECTORY": str(scratch / "hypothesis")},
        capture_output=True,
        text=True,
        check=False,
    )
