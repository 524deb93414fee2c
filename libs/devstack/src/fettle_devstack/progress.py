"""What is happening while the servers come up: a line rewritten on a terminal, a few lines on a pipe."""

import sys
import threading
import time
from typing import TextIO

from fettle_devstack.failures import Interrupted

_MEGABYTE = 1_000_000
_TERMINAL_EVERY_S = 0.1
_PIPE_EVERY_S = 3.0


class Progress:
    """Told of by several threads at once. After `interrupt` every call raises `Interrupted`: long work ends so."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._terminal = self._out.isatty()
        self._lock = threading.Lock()
        self._interrupted = threading.Event()

    def interrupt(self) -> None:
        self._interrupted.set()

    def check(self) -> None:
        if self._interrupted.is_set():
            raise Interrupted

    def say(self, text: str) -> None:
        """A line that stays."""
        self.check()
        self._write(f"\r\x1b[K{text}\n" if self._terminal else f"{text}\n")

    def show(self, text: str) -> None:
        """A line that the next one replaces. Left out on a pipe."""
        if self._terminal:
            self._write(f"\r\x1b[K{text}")

    @property
    def pause_s(self) -> float:
        """How long to wait between two lines about one piece of work."""
        return _TERMINAL_EVERY_S if self._terminal else _PIPE_EVERY_S

    def _write(self, text: str) -> None:
        with self._lock:
            self._out.write(text)
            self._out.flush()


class Arriving:
    """Bytes that have arrived of `total`, for all files of one download together."""

    def __init__(self, what: str, total: int, progress: Progress) -> None:
        self._what, self._total, self._progress = what, total, progress
        self._lock = threading.Lock()
        self._arrived, self._shown_at = 0, time.monotonic()
        progress.say(f"downloading {what} ({self._megabytes(total)}, once for all clones)")

    def advance(self, size: int) -> None:
        """Raises `Interrupted` when the download is no longer wanted."""
        self._progress.check()
        with self._lock:
            self._arrived += size
            now = time.monotonic()
            if now - self._shown_at < self._progress.pause_s:
                return
            self._shown_at = now
            text = f"downloading {self._what}: {self._megabytes(self._arrived)} of {self._megabytes(self._total)}"
        if self._progress.pause_s == _PIPE_EVERY_S:
            self._progress.say(text)
        else:
            self._progress.show(text)

    def done(self) -> None:
        self._progress.say(f"downloaded {self._what}")

    @staticmethod
    def _megabytes(size: int) -> str:
        return f"{size / _MEGABYTE:.1f} MB"
