"""From a bare clone to an environment that runs, with Python and make alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tools.bootstrap import MEMBERS, ROOT, locked
from tools.lints.source import tracked

WITHOUT_VENV = (
    "import sys, runpy; sys.modules['ensurepip'] = None; runpy.run_path('tools/bootstrap.py', run_name='__main__')"
)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a clone would hold, as it is now."""
    for source in tracked():
        place = tmp_path / source.path
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / source.path, place)
    return tmp_path


def make(clone: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL")}
    return subprocess.run(
        ["make", *words], cwd=clone, env={**kept, **settings}, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.slow
@pytest.mark.rule("OP-16")
def test_a_bare_clone_gets_an_environment_that_runs(clone: Path) -> None:
    first = make(clone, ".venv/.ready")
    assert first.returncode == 0, first.stderr
    python = clone / ".venv" / "bin" / "python"
    packages = [next((member / "src").glob("fettle_*")).name for member in MEMBERS]
    where = f"import {', '.join(packages)}; print({packages[0]}.__file__)"
    told = subprocess.run([python, "-c", where], cwd="/", capture_output=True, text=True, check=True)
    assert told.stdout.startswith(str(clone))
    assert subprocess.run([clone / ".venv/bin/fettle", "--help"], capture_output=True, check=False).returncode == 0
    again = make(clone, ".venv/.ready")
    assert again.stdout in ("", "make: '.venv/.ready' is up to date.\n")


@pytest.mark.rule("OP-16")
def test_a_changed_lock_file_is_installed(clone: Path) -> None:
    ready = clone / ".venv" / ".ready"
    ready.parent.mkdir()
    ready.touch()
    assert make(clone, "--question", ".venv/.ready").returncode == 0
    os.utime(clone / "requirements.lock", (2**31, 2**31))
    assert make(clone, "--question", ".venv/.ready").returncode == 1


@pytest.mark.rule("OP-17")
def test_without_python_the_command_that_brings_it_is_named(clone: Path) -> None:
    done = make(clone, "up", "PYTHON=")
    assert done.returncode != 0
    assert "Python 3.11 or newer is missing. Bring it with: apt-get install python3 python3-venv" in done.stderr


@pytest.mark.rule("OP-17")
def test_without_venv_the_command_that_brings_it_is_named(clone: Path) -> None:
    environ = {**os.environ, "FETTLE_CACHE": str(clone / "cache")}
    command = [sys.executable, "-S", "-c", WITHOUT_VENV]
    done = subprocess.run(command, cwd=clone, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("fettle: this Python has no venv. Bring it with: apt-get install python3-venv")


def test_help_names_every_target(clone: Path) -> None:
    said = make(clone, "help").stdout
    for target in ("up", "down", "test", "campaign", "check", "bench", "schemas", "lock"):
        assert f"make {target} " in said
    assert make(clone).stdout == said


def test_the_installer_is_the_locked_one() -> None:
    version, lines = locked("uv")
    assert lines.startswith(f"uv=={version}")
    assert lines.count("--hash=sha256:") > 10
    assert "uv-build" not in lines
