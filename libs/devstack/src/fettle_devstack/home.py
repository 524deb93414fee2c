"""The folder in which data, logs and passwords are kept between runs."""

import fcntl
import os
import shutil
import threading
import time
from pathlib import Path

from fettle_devstack.failures import HomeInUse

_LAST_RUN_STOPS_WITHIN_S = 40.0


class Home:
    """A home folder that one set of servers uses at a time.

    The lock is held by whoever took it and by the leash of every server that was started meanwhile, so it is free only
    when the last server is gone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None
        self._taking = threading.Lock()

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def keeps(self) -> tuple[int, ...]:
        """The descriptors that a leash has to hold."""
        return () if self._lock is None else (self._lock,)

    def take(self, wait_s: float = _LAST_RUN_STOPS_WITHIN_S) -> None:
        """Makes the folder and locks it. Blocks while servers of a run that was killed are still stopping.

        Raises `HomeInUse` when another process that is alive has taken it.
        """
        with self._taking:
            if self._lock is None:
                self._lock = self._taken(wait_s)

    def _taken(self, wait_s: float) -> int:
        self.logs.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.path / "servers.lock", os.O_RDWR | os.O_CREAT, 0o644)
        deadline = time.monotonic() + wait_s
        while not _locked(lock):
            if _is_alive(os.pread(lock, 32, 0)) or time.monotonic() > deadline:
                os.close(lock)
                raise HomeInUse(self.path)
            time.sleep(0.05)
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        return lock

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def erase(self) -> None:
        """Removes the folder with all data, unless servers use it. Data that stand elsewhere for it go too."""
        if not self.path.is_dir():
            return
        try:
            self.take(wait_s=0.0)
        except HomeInUse:
            return
        for part in self.path.iterdir():
            if part.is_symlink():
                shutil.rmtree(part.resolve(), ignore_errors=True)
        shutil.rmtree(self.path, ignore_errors=True)
        self.release()


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_alive(pid: bytes) -> bool:
    if not pid.isdigit():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
