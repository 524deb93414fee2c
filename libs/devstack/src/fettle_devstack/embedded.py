"""What both of our own servers have in common: start, wait until they answer, stop, hang, crash, go on."""

import signal
import socket
import time
from abc import ABC, abstractmethod
from pathlib import Path

from fettle_devstack.failures import StartFailed
from fettle_devstack.home import Home
from fettle_devstack.leashed import Leashed
from fettle_devstack.ports import require_free
from fettle_devstack.progress import Progress

_LOG_KEPT_BELOW = 20_000_000


class EmbeddedServer(ABC):
    """One server process. Its data outlive it in the home folder; killed, it recovers them at the next start."""

    name: str
    port_setting: str
    answers_within_s = 90.0

    def __init__(self, home: Home, port: int, progress: Progress) -> None:
        self.home, self.port, self.progress = home, port, progress
        self._process: Leashed | None = None

    @property
    def log(self) -> Path:
        return self.home.logs / f"{self.name.lower()}.log"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Blocks until the server answers; nothing happens if it runs.

        Raises `PortTaken`, `DownloadFailed`, `HomeInUse`, `StartFailed`, or `Interrupted`.
        """
        if self._process is not None and self._process.status is None:
            return
        self.home.take()
        require_free(self.port, self.name, self.port_setting)
        if self.log.exists() and self.log.stat().st_size > _LOG_KEPT_BELOW:
            self.log.replace(self.log.with_suffix(".log.1"))
        self._process = self.launch()
        try:
            self._wait_for_an_answer(self._process)
        except BaseException:
            # Asked to stop while it starts, Kafka waits for itself. It recovers from a kill.
            self.kill()
            raise

    def _wait_for_an_answer(self, process: Leashed) -> None:
        deadline = time.monotonic() + self.answers_within_s
        while not self.answers():
            self.progress.check()
            if process.status is not None:
                raise StartFailed(self.name, "ended before it answered", self.log, self.last_lines())
            if time.monotonic() > deadline:
                raise StartFailed(self.name, f"did not answer within {self.answers_within_s:.0f} s", self.log, "")
            time.sleep(0.02)

    def stop(self) -> None:
        """Blocks until the server is gone; nothing happens if it does not run. A hanging one is woken first."""
        process, self._process = self._process, None
        if process is not None:
            process.stop()

    def kill(self) -> None:
        """Ends the server as a crash would (SIGKILL)."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()

    def pause(self) -> None:
        """The server hangs (SIGSTOP): connections stay, nothing answers. Blocks until none of its threads runs on."""
        if self._process is not None:
            self._process.pause()

    def resume(self) -> None:
        """A hanging server goes on."""
        if self._process is not None:
            self._process.signal(signal.SIGCONT)

    def last_lines(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-8:]) if self.log.exists() else ""

    @abstractmethod
    def launch(self) -> Leashed:
        """Fetches and prepares what the server needs, and starts it."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server answers a first request now. Never raises; blocks a second at most."""


def exchange(port: int, request: bytes, size: int) -> bytes:
    """The first `size` bytes or fewer that 127.0.0.1:`port` answers to `request`; empty when nobody answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
            connection.sendall(request)
            return connection.recv(size)
    except OSError:
        return b""
