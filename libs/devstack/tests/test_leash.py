"""No process outlives the one that wanted it."""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fettle_devstack.failures import DevstackError
from fettle_devstack.leashed import Leashed


def wait_until_gone(pid: int, within_s: float = 30.0) -> None:
    """Returns when no process has this id any more; fails the test when one still has after `within_s`."""
    deadline = time.monotonic() + within_s
    try:
        handle = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
    except ProcessLookupError:
        return
    if handle is not None:
        ended, _, _ = select.select([handle], [], [], within_s)
        os.close(handle)
        assert ended, f"process {pid} still runs after {within_s:.0f} s"
        return
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    pytest.fail(f"process {pid} still runs after {within_s:.0f} s")


SLEEPER = [sys.executable, "-S", "-c", "import time; print('up', flush=True); time.sleep(600)"]
DEAF = [
    sys.executable,
    "-S",
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]
WISHER = """
import sys, time
from pathlib import Path
from fettle_devstack.leashed import Leashed
folder = Path(sys.argv[1])
leashed = Leashed.start({command!r}, folder=folder, log=folder / "log", grace_s=1.0)
print(leashed.pid, flush=True)
{then}
"""


def start(folder: Path, command: list[str], grace_s: float = 5.0) -> Leashed:
    leashed = Leashed.start(command, folder=folder, log=folder / "log", grace_s=grace_s)
    while "up" not in (folder / "log").read_text():
        time.sleep(0.01)
    return leashed


def wisher(folder: Path, then: str, command: list[str] = SLEEPER) -> subprocess.Popen[str]:
    script = WISHER.format(command=command, then=then)
    return subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True)


def pid_from(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    with process.stdout as words:
        return int(words.readline())


@pytest.mark.rule("OP-7")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGSEGV])
def test_a_process_ends_with_the_one_that_started_it(tmp_path: Path, number: signal.Signals) -> None:
    parent = wisher(tmp_path, "time.sleep(600)")
    pid = pid_from(parent)
    os.kill(pid, 0)
    parent.send_signal(number)
    parent.wait()
    wait_until_gone(pid)


@pytest.mark.rule("OP-7")
@pytest.mark.parametrize(
    "then", ["sys.exit(0)", "raise RuntimeError", "import os; os.abort()", "import os; os._exit(3)"]
)
def test_a_process_ends_when_its_parent_returns_or_crashes(
    tmp_path: Path, then: str, capfd: pytest.CaptureFixture[str]
) -> None:
    parent = wisher(tmp_path, then)
    pid = pid_from(parent)
    parent.wait()
    wait_until_gone(pid)


@pytest.mark.rule("OP-7")
def test_a_process_that_will_not_stop_is_killed_after_its_grace_time(tmp_path: Path) -> None:
    parent = wisher(tmp_path, "time.sleep(600)", DEAF)
    pid = pid_from(parent)
    parent.kill()
    parent.wait()
    wait_until_gone(pid)


@pytest.mark.rule("OP-7")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends a process whose leash was killed")
def test_a_process_ends_when_even_its_leash_is_killed(tmp_path: Path) -> None:
    leashed = start(tmp_path, SLEEPER)
    leash = int(Path(f"/proc/{leashed.pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(leash, signal.SIGKILL)
    wait_until_gone(leashed.pid)
    assert leashed.wait() == -signal.SIGKILL


@pytest.mark.rule("OP-7")
def test_what_a_process_started_itself_ends_with_it(tmp_path: Path) -> None:
    family = [
        sys.executable,
        "-S",
        "-c",
        f"import subprocess; p = subprocess.Popen({SLEEPER!r}); print(p.pid, flush=True)",
    ]
    leashed = Leashed.start(family, folder=tmp_path, log=tmp_path / "log")
    leashed.wait()
    wait_until_gone(int((tmp_path / "log").read_text().split()[0]))


def test_stop_asks_first_and_then_insists(tmp_path: Path) -> None:
    polite, deaf = tmp_path / "polite", tmp_path / "deaf"
    polite.mkdir()
    deaf.mkdir()
    assert start(polite, SLEEPER).stop() == 128 + signal.SIGTERM
    leashed = start(deaf, DEAF, grace_s=0.3)
    began = time.monotonic()
    assert leashed.stop() == 128 + signal.SIGKILL
    assert 0.3 <= time.monotonic() - began < 20.0


def test_a_process_that_hangs_is_woken_to_stop(tmp_path: Path) -> None:
    leashed = start(tmp_path, SLEEPER)
    leashed.signal(signal.SIGSTOP)
    assert leashed.stop() == 128 + signal.SIGTERM


def test_the_status_is_the_process_s_own(tmp_path: Path) -> None:
    leashed = Leashed.start([sys.executable, "-S", "-c", "raise SystemExit(7)"], folder=tmp_path, log=tmp_path / "log")
    assert leashed.wait(30.0) == 7
    assert leashed.status == 7
    leashed.signal(signal.SIGTERM)


def test_waiting_can_time_out(tmp_path: Path) -> None:
    leashed = start(tmp_path, SLEEPER)
    with pytest.raises(TimeoutError):
        leashed.wait(0.05)
    assert leashed.status is None
    assert leashed.kill() == 128 + signal.SIGKILL


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DevstackError, match=r"nothing-of-this-name could not be started: .*No such file"):
        Leashed.start(["nothing-of-this-name"], folder=tmp_path, log=tmp_path / "log")


def test_the_environment_is_the_given_one(tmp_path: Path) -> None:
    command = [sys.executable, "-S", "-c", "import os; print(os.environ['WORD'], 'HOME' in os.environ)"]
    leashed = Leashed.start(command, folder=tmp_path, log=tmp_path / "log", environ={"WORD": "salt"})
    assert leashed.wait(30.0) == 0
    assert (tmp_path / "log").read_text() == "salt False\n"
