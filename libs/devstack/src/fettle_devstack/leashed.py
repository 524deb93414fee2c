"""A process that cannot outlive the one that started it: the near side of `leash.py`."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Self, cast

from fettle_devstack.account import Account
from fettle_devstack.failures import DevstackError

_LEASH = Path(__file__).with_name("leash.py")


class Leashed:
    """A running process on a leash. Made by `start`; ended by `stop` or `kill`, or with this process.

    Of the process that started it every end counts: return, Ctrl-C, SIGTERM, SIGKILL, crash.
    """

    def __init__(self, leash: subprocess.Popen[str], pid: int) -> None:
        self._leash = leash
        self.pid = pid

    @classmethod
    def start(
        cls,
        argv: Sequence[str | Path],
        *,
        folder: Path,
        log: Path,
        environ: Mapping[str, str] | None = None,
        account: Account | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        grace_s: float = 20.0,
        keeps: Sequence[int] = (),
    ) -> Self:
        """Starts `argv` in `folder`, its output appended to `log`, with our own environment unless `environ` is given.

        `account` runs it if given. `keeps` are file descriptors that the leash (not the process) holds open until it
        ends. Raises `DevstackError` if the process cannot be started. Blocks a few hundredths of a second.
        """
        order = {
            "argv": [str(word) for word in argv],
            "cwd": str(folder),
            "log": str(log),
            "uid": account.uid if account else None,
            "gid": account.gid if account else None,
            "stop_signal": int(stop_signal),
            "grace_s": grace_s,
            "parent": os.getpid(),
        }
        leash = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_LEASH), json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=None if environ is None else dict(environ),
            pass_fds=tuple(keeps),
        )
        with cast(IO[str], leash.stdout) as words:
            kind, _, rest = words.readline().strip().partition(" ")
        if kind != "pid":
            cast(IO[str], leash.stdin).close()
            leash.wait()
            raise DevstackError(f"{argv[0]} could not be started: {rest or 'no word from its leash'}")
        return cls(leash, int(rest))

    @property
    def status(self) -> int | None:
        """The exit status, or None while the process runs."""
        status = self._leash.poll()
        return status if status is None else self.stop()

    def wait(self, timeout_s: float | None = None) -> int:
        """The exit status once the process has ended. Raises `TimeoutError` if it has not in time."""
        try:
            self._leash.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        return self.stop()

    def stop(self) -> int:
        """Ends the process gracefully, after the grace time by force; blocks until it is gone."""
        cast(IO[str], self._leash.stdin).close()
        return self._leash.wait()

    def kill(self) -> int:
        """Ends the process as a crash would (SIGKILL)."""
        self.signal(signal.SIGKILL)
        self._leash.wait()
        return self.stop()

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the process itself. Nothing happens if it has ended."""
        if self.status is None:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    def pause(self) -> None:
        """Stops the process where it is (SIGSTOP), until SIGCONT.

        A busy machine lets threads run on for a while after the signal: on Linux this blocks until each has stopped.
        """
        self.signal(signal.SIGSTOP)
        while self.status is None and any(state not in "TtZX" for state in self._thread_states()):
            time.sleep(0.002)

    def _thread_states(self) -> list[str]:
        """A letter each, as in proc(5); empty where there is no `/proc`."""
        states = []
        for stat in Path(f"/proc/{self.pid}/task").glob("*/stat"):
            try:
                states.append(stat.read_text().rpartition(") ")[2][0])
            except (FileNotFoundError, ProcessLookupError):
                continue
        return states
