"""One process that is kept running: started on a leash, watched, started again when it ends unexpectedly."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

from fettle_cli.failures import UsageError
from fettle_cli.up.processes import Process
from fettle_cli.up.state import ProcessState
from fettle_devstack.leashed import Leashed

SETTINGS_WRONG = 2
PAUSES_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STEADY_S = 60.0
GRACE_S = 25.0


class Child:
    """Keeps one process running until `stop`. `changed` hears of every start and end."""

    def __init__(self, process: Process, state: ProcessState, folder: Path, changed: Callable[[], None]) -> None:
        self.process = process
        self.state = state
        self._folder = folder
        self._changed = changed
        self._leashed: Leashed | None = None
        self._stopping = threading.Event()

    async def keep_running(self) -> None:
        """Returns when the process has ended because `stop` asked for it.

        Raises UsageError with the process's own last line when it says that a setting is wrong: starting it again
        would not help.
        """
        loop, attempt = asyncio.get_running_loop(), 0
        while not self._stopping.is_set():
            began = loop.time()
            status = await self._run_once()
            if self._stopping.is_set():
                return
            if status == SETTINGS_WRONG:
                raise UsageError(self.last_line() or f"{self.process.name} refused its settings")
            attempt = 0 if loop.time() - began > STEADY_S else attempt
            await asyncio.sleep(PAUSES_S[min(attempt, len(PAUSES_S) - 1)])
            attempt += 1
            self.state.restarts += 1

    def stop(self) -> None:
        """Asks the process to stop; blocks until it is gone, by force after its grace time. Call it in a thread."""
        self._stopping.set()
        if self._leashed is not None:
            self._leashed.stop()

    def last_line(self) -> str:
        """The last line that the process wrote."""
        try:
            lines = Path(self.state.log).read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return lines[-1] if lines else ""

    async def _run_once(self) -> int:
        log = Path(self.state.log)
        self._leashed = await asyncio.to_thread(
            Leashed.start, self.process.command, folder=self._folder, log=log, grace_s=GRACE_S
        )
        self.state.pid = self._leashed.pid
        self._changed()
        status = await _ended(self._leashed)
        self.state.pid, self.state.last_exit = None, status
        self._changed()
        return status


async def _ended(leashed: Leashed) -> int:
    """The exit status; takes a thread of the loop's pool for as long as the process lives."""
    return await asyncio.to_thread(leashed.wait)
