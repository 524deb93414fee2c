"""One line that says how far the start is; on a pipe a line for each step."""

import os
import shutil
import sys
import time
from pathlib import Path
from typing import TextIO


class Progress:
    """Rewrites its line on a terminal. Times are seconds since it was made."""

    def __init__(self, out: TextIO = sys.stderr) -> None:
        self._out = out
        self._from = Path.cwd()
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

    def ready(self, url: str, simulated: bool) -> None:
        """Everything is up: the address of the page, and what to try."""
        installed = Path(sys.executable).with_name("fettle")
        fettle = "fettle" if shutil.which("fettle") else os.path.relpath(installed, self._from)
        soon = "within a minute a simulated device falls silent and the first ticket comes"
        self.say(
            f"Fettle is up after {self.seconds:.0f} s: {url}\n"
            f"Open it and press “Continue as demo admin”{f': {soon}' if simulated else ''}.\n"
            "In another terminal, try\n"
            f"  {fettle} tickets list\n"
            f"  {fettle} events tail\n"
            f"  {fettle} heartbeat send device/x1 --interval-s 1\n"
            "Ctrl-C or `fettle down` stops everything."
        )
