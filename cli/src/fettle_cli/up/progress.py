"""One line that says how far the start is; on a pipe a line for each step."""

import sys
import time
from typing import TextIO


class Progress:
    """Rewrites its line on a terminal. Times are seconds since it was made."""

    def __init__(self, out: TextIO = sys.stderr) -> None:
        self._out = out
        self._began = time.monotonic()
        self._terminal = out.isatty()
        self._shown = ""

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def show(self, text: str) -> None:
        """What is happening now."""
        if text == self._shown and not self._terminal:
            return
        self._shown = text
        line = f"{self.seconds:5.1f} s  {text}"
        self._out.write(f"\r{line}\x1b[K" if self._terminal else f"{line}\n")
        self._out.flush()

    def say(self, text: str) -> None:
        """A line that stays."""
        if self._terminal and self._shown:
            self._out.write("\r\x1b[K")
        self._out.write(f"{text}\n")
        self._out.flush()
        self._shown = ""
