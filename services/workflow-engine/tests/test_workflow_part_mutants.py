"""The tests of conditions, templates, schedules and calls to the outside notice when one of their rules is broken: each
is, in a copy, one at a time."""

from pathlib import Path

import pytest
from mutants_of_calls import CALLS
from mutants_of_languages import CONDITIONS, TEMPLATES
from mutants_of_schedules import SCHEDULES
from tests.mutation import Mutant, Part, check_noticed, check_stands_once, check_unbroken

import fettle_workflow_engine

PACKAGE = Path(fettle_workflow_engine.__file__).parent
TESTS = Path(__file__).parent
PARTS: tuple[Part, ...] = (*CONDITIONS, *TEMPLATES, *SCHEDULES, *CALLS)
MUTANTS = [(part.tests, mutant) for part in PARTS for mutant in part.mutants]
SUITES = sorted({part.tests for part in PARTS})
NAMES = [f"{Path(mutant.module).name}-{number}" for number, (_, mutant) in enumerate(MUTANTS)]


@pytest.mark.parametrize("mutant", [mutant for _, mutant in MUTANTS], ids=NAMES)
def test_every_mutant_breaks_something_that_is_there(mutant: Mutant) -> None:
    check_stands_once(PACKAGE, mutant)


@pytest.mark.campaign
@pytest.mark.timeout(900)
@pytest.mark.parametrize("tests", SUITES, ids=range(len(SUITES)))
def test_nothing_is_noticed_where_nothing_is_broken(tests: tuple[str, ...], tmp_path: Path) -> None:
    check_unbroken(PACKAGE, map(_path, tests), tmp_path)


@pytest.mark.campaign
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("tests", "mutant"), MUTANTS, ids=NAMES)
def test_a_broken_rule_is_noticed(tests: tuple[str, ...], mutant: Mutant, tmp_path: Path) -> None:
    check_noticed(PACKAGE, PACKAGE, mutant, map(_path, tests), tmp_path)


def _path(name: str) -> str:
    file, colons, test = name.partition("::")
    return f"{TESTS / f'test_{file}.py'}{colons}{test}"
