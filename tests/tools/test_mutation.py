"""What is said of a mutant tells a run that noticed nothing from a run that did not come to its end."""

from pathlib import Path

import pytest

from tests.mutation import Mutant, check_noticed

HOLDS = "from broken_here.rule import HOLDS\n"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    package = tmp_path / "away" / "broken_here"  # not beside the test, which would find this one instead of the copy
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "rule.py").write_text("HOLDS = True\n")
    return package


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("def test(): assert HOLDS", None),
        ("def test(): pass", "survived"),
        ("import os, signal\ndef test(): os.kill(os.getpid(), signal.SIGKILL)", "the run was killed by SIGKILL"),
        ("", r"no run of tests \(pytest ended with 5\)"),
    ],
)
def test_a_mutant_survives_only_a_run_that_came_to_its_end(
    package: Path, tmp_path: Path, test: str, said: str | None
) -> None:
    (tmp_path / "test_rule.py").write_text(HOLDS + test + "\n")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    mutant = Mutant("rule", "True", "False")
    if said is None:
        check_noticed(package, package, mutant, [tmp_path / "test_rule.py"], scratch)
    else:
        with pytest.raises(AssertionError, match=f"^{said}: Mutant"):
            check_noticed(package, package, mutant, [tmp_path / "test_rule.py"], scratch)
