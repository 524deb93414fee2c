"""The parent of all services of one machine: imports what they share once, then forks each of them.

`python -m fettle_cli.up.nursery MODULE …`, started by `fettle up` with the modules to import. Six services of their own
would import the same libraries six times, which is most of what a start costs. Orders come as JSON lines on standard
input, what happens goes out as JSON lines on standard output:

    {"start": "console", "argv": ["-m", "fettle_console"], "log": "…", "cwd": "…", "environ": {…}}   {"stop": "console"}
    {"started": "console", "pid": 17}                                      {"ended": "console", "status": 0}

Standard input is also the leash: when it closes, because whoever gave orders let go, crashed or was killed, every child
is stopped, by SIGTERM and after its grace time by SIGKILL. Should this process be killed, Linux kills the children.
Where forking after imports is not safe (macOS) children are started as programs of their own instead.
"""

import ctypes
import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import sys
import time
from dataclasses import dataclass
from typing import Any

GRACE_S = 20.0

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
_FORKS = sys.platform == "linux"


@dataclass(slots=True)
class Baby:
    """A child that runs. `deadline`: when it is killed, once it has been asked to stop."""

    name: str
    pid: int
    deadline: float | None = None


class Nursery:
    """Runs until its orders end. In a forked child `run` returns the child's order, to be carried out by the caller."""

    def __init__(self) -> None:
        self._babies: dict[int, Baby] = {}
        self._unread = b""
        self._closing = False
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._waker, False)

    def run(self) -> dict[str, Any] | None:
        self._listen()
        while not (self._closing and not self._babies):
            watched = [self._woken] if self._closing else [0, self._woken]
            ready, _, _ = select.select(watched, [], [], self._patience())
            if self._woken in ready and signal.SIGTERM in os.read(self._woken, 512):
                self._close()
            self._bury()
            self._hurry()
            if 0 in ready and not self._closing:
                mine = self._read()
                if mine is not None:
                    return mine
        return None

    def _listen(self) -> None:
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    def _read(self) -> dict[str, Any] | None:
        """Carries out what has come in. Returns the order only in the child that it started."""
        data = os.read(0, 65_536)
        if not data:
            self._close()
            return None
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            order: dict[str, Any] = json.loads(line)
            if "stop" in order:
                self._stop(order["stop"])
            elif self._start(order):
                return order
        return None

    def _start(self, order: dict[str, Any]) -> bool:
        """Whether this is the child."""
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _become(order, parent)
            return True
        self._babies[pid] = Baby(order["start"], pid)
        _tell({"started": order["start"], "pid": pid})
        return False

    def _stop(self, name: str) -> None:
        for baby in self._babies.values():
            if baby.name == name and baby.deadline is None:
                baby.deadline = time.monotonic() + GRACE_S
                for number in (signal.SIGTERM, signal.SIGCONT):
                    os.kill(baby.pid, number)

    def _close(self) -> None:
        self._closing = True
        for name in {baby.name for baby in self._babies.values()}:
            self._stop(name)

    def _bury(self) -> None:
        while self._babies:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            baby = self._babies.pop(pid)
            code = os.waitstatus_to_exitcode(status)
            _tell({"ended": baby.name, "status": code if code >= 0 else 128 - code})

    def _hurry(self) -> None:
        for baby in self._babies.values():
            if baby.deadline is not None and time.monotonic() > baby.deadline:
                os.kill(baby.pid, signal.SIGKILL)

    def _patience(self) -> float | None:
        deadlines = [baby.deadline for baby in self._babies.values() if baby.deadline is not None]
        return max(0.05, min(deadlines) - time.monotonic()) if deadlines else None


def _become(order: dict[str, Any], parent: int) -> None:
    """Turns a fork of the nursery into a process like any other: signals, session, files, environment."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)
    if _FORKS:
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(_PR_SET_NAME, f"fettle-{order['start']}"[:15].encode(), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.closerange(3, 64)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    os.chdir(order["cwd"])
    os.environ.update(order["environ"])


def _carry_out(argv: list[str]) -> None:
    """Runs `-m module …` or `script.py …` as this process's main program."""
    if not _FORKS:
        os.execv(sys.executable, [sys.executable, *argv])  # noqa: S606 - the program is Python itself
    if argv[0] == "-m":
        sys.argv = argv[1:]
        runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = argv
        runpy.run_path(argv[0], run_name="__main__")


def _tell(event: dict[str, Any]) -> None:
    try:
        os.write(1, json.dumps(event).encode() + b"\n")
    except BrokenPipeError:
        return


def main() -> None:
    if _FORKS:
        for module in sys.argv[1:]:
            importlib.import_module(module)
        gc.collect()
        gc.freeze()
    mine = Nursery().run()
    if mine is not None:
        _carry_out(mine["argv"])


if __name__ == "__main__":
    main()
