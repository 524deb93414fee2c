"""The tests of the correlator and of why notice when a rule of theirs is broken: each is, in a copy, one at a time."""

from pathlib import Path

import pytest
from mutants_of_answers import ANSWERED
from mutants_of_decisions import DECISIONS
from mutants_of_losses import LOST_HEARTBEATS
from mutants_of_registry import REGISTERED
from mutants_of_retention import FORGOTTEN
from mutants_of_sharing import SHARED_TICKETS
from mutants_of_silences import SILENCED
from mutants_of_why import WHY
from tests.mutation import Mutant, Part, check_noticed, check_stands_once, check_unbroken

import fettle_health_monitor
from fettle_devstack import Servers

PACKAGE = Path(fettle_health_monitor.__file__).parent
TESTS = Path(__file__).parent
PARTS: tuple[Part, ...] = (
    *DECISIONS,
    *SHARED_TICKETS,
    *LOST_HEARTBEATS,
    *SILENCED,
    *ANSWERED,
    *REGISTERED,
    *FORGOTTEN,
    *WHY,
)
MUTANTS = [(part.tests, mutant) for part in PARTS for mutant in part.mutants]
SUITES = sorted({part.tests for part in PARTS})
NAMES = [f"{Path(mutant.module).name}-{number}" for number, (_, mutant) in enumerate(MUTANTS)]


@pytest.mark.parametrize("mutant", [mutant for _, mutant in MUTANTS], ids=NAMES)
def test_every_mutant_breaks_something_that_is_there(mutant: Mutant) -> None:
    check_stands_once(PACKAGE, mutant)


@pytest.mark.campaign
@pytest.mark.timeout(900)
@pytest.mark.parametrize("tests", SUITES, ids=range(len(SUITES)))
def test_nothing_is_noticed_where_nothing_is_broken(
    tests: tuple[str, ...], servers: Servers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in servers.environment.items():
        monkeypatch.setenv(name, value)
    check_unbroken(PACKAGE, (_path(name) for name in tests), tmp_path)


@pytest.mark.campaign
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("tests", "mutant"), MUTANTS, ids=NAMES)
def test_a_broken_rule_is_noticed(
    tests: tuple[str, ...], mutant: Mutant, servers: Servers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in servers.environment.items():
        monkeypatch.setenv(name, value)
    check_noticed(PACKAGE, PACKAGE, mutant, (_path(name) for name in tests), tmp_path)


def _path(name: str) -> str:
    file, colons, test = name.partition("::")
    return f"{TESTS / f'test_{file}.py'}{colons}{test}"
