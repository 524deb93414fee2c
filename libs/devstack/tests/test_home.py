"""A home folder belongs to one set of servers at a time."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fettle_devstack import HomeInUse
from fettle_devstack.home import Home

TAKER = """
import sys, time
from pathlib import Path
from fettle_devstack.home import Home
from fettle_devstack.leashed import Leashed
home = Home(Path(sys.argv[1]))
home.take()
lingers = "trap 'sleep 1; exit' TERM; echo up; while :; do sleep 0.1; done"
leashed = Leashed.start(["sh", "-c", lingers], folder=home.path, log=home.path / "log", keeps=home.keeps)
while "up" not in (home.path / "log").read_text():
    time.sleep(0.01)
print("taken", flush=True)
time.sleep(600)
"""


def taker(path: Path) -> subprocess.Popen[str]:
    """A process that has taken the home for a server that needs a second to stop."""
    process = subprocess.Popen([sys.executable, "-c", TAKER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as words:
        assert words.readline() == "taken\n"
    return process


@pytest.mark.rule("OP-9")
def test_a_home_in_use_is_refused_with_the_way_out(tmp_path: Path) -> None:
    other = taker(tmp_path)
    try:
        with pytest.raises(HomeInUse, match=r"already run from .*FETTLE_HOME, FETTLE_KAFKA_PORT and FETTLE_POST"):
            Home(tmp_path).take()
        Home(tmp_path).erase()
        assert (tmp_path / "servers.lock").exists()
    finally:
        other.kill()
        other.wait()


@pytest.mark.rule("OP-9")
def test_after_a_kill_the_next_one_waits_until_the_last_server_is_gone(tmp_path: Path) -> None:
    other = taker(tmp_path)
    began = time.monotonic()
    other.kill()
    other.wait()
    home = Home(tmp_path)
    home.take()
    assert time.monotonic() - began > 0.5
    home.release()


@pytest.mark.rule("OP-9")
def test_two_homes_do_not_know_each_other(tmp_path: Path) -> None:
    homes = [Home(tmp_path / "a"), Home(tmp_path / "b")]
    for home in homes:
        home.take()
        home.take()
        assert int((home.path / "servers.lock").read_text()) == os.getpid()
    for home in homes:
        home.release()
        home.erase()
        assert not home.path.exists()


def test_erasing_takes_data_along_that_stand_elsewhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "row").touch()
    home = Home(tmp_path / "home")
    home.path.mkdir()
    (home.path / "postgres").symlink_to(elsewhere)
    home.erase()
    assert not elsewhere.exists()
    assert not home.path.exists()
