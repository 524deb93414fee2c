"""The command line in this process, and a small Fettle for it to talk to."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli.tests.fettle_api import FettleApi, serving
from cli.tests.ran import Fettle, Ran

from fettle_cli.main import main


class Typed(io.StringIO):
    """What somebody types into a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def fettle(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Fettle:
    """Runs `fettle` with these arguments, in an empty folder and without settings other than those a test makes."""
    for name in ("FETTLE_URL", "FETTLE_TOKEN", "FETTLE_ORG", "FETTLE_HOME", "FETTLE_KAFKA_BOOTSTRAP_SERVERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, stdin: str = "", typed: bool = False) -> Ran:
        monkeypatch.setattr(sys, "argv", ["fettle", *arguments])
        monkeypatch.setattr(sys, "stdin", Typed(stdin) if typed else io.StringIO(stdin))
        status: Any = 0
        try:
            main()
        except SystemExit as ended:
            status = ended.code or 0
        said = capsys.readouterr()
        return Ran(status, said.out, said.err)

    return run


@pytest.fixture
def api(fettle: Fettle, monkeypatch: pytest.MonkeyPatch) -> Iterator[FettleApi]:
    """A Fettle for org acme that the environment names."""
    with serving() as running:
        monkeypatch.setenv("FETTLE_URL", running.url)
        monkeypatch.setenv("FETTLE_TOKEN", "s3cret")
        monkeypatch.setenv("FETTLE_ORG", "acme")
        yield running
