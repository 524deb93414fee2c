"""Processes that are kept running: started by the nursery, watched, started again when they end unexpectedly."""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from fettle_cli.failures import UsageError
from fettle_cli.up.nursery_client import NurseryClient
from fettle_cli.up.processes import Process
from fettle_cli.up.state import ProcessState

SETTINGS_WRONG = 2
PAUSES_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STEADY_S = 60.0


class Child:
    """Keeps one process running until `stop`. `changed` hears of every start and end.

    `started` is set once the process has been started. It runs in `folder`.
    """

    def __init__(
        self,
        process: Process,
        state: ProcessState,
        nursery: NurseryClient,
        *,
        folder: Path,
        environ: Mapping[str, str],
        changed: Callable[[], None],
    ) -> None:
        self.process = process
        self.state = state
        self.started = asyncio.Event()
        self._nursery = nursery
        self._folder = folder
        self._environ = environ
        self._changed = changed
        self._stopping = asyncio.Event()

    async def keep_running(self) -> None:
        """Returns when the process has ended because `stop` asked for it.

        After an unexpected end it is started again, after half a second at first and 30 s at most. Raises UsageError
        with the process's own last line when it says that a setting is wrong: starting it again would not help.
        """
        loop, attempt = asyncio.get_running_loop(), 0
        while True:
            began = loop.time()
            status = await self._run_once()
            if self._stopping.is_set():
                return
            if status == SETTINGS_WRONG:
                raise UsageError(self.last_line() or f"{self.process.name} refused its settings")
            attempt = 0 if loop.time() - began > STEADY_S else attempt
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), PAUSES_S[min(attempt, len(PAUSES_S) - 1)])
                return
            attempt += 1
            self.state.restarts += 1

    async def stop(self) -> None:
        """Asks the process to stop; returns when it is gone."""
        self._stopping.set()
        await self._nursery.stop(self.process.name)

    def last_line(self) -> str:
        """The last line that the process wrote, empty when there is none."""
        try:
            lines = Path(self.state.log).read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return plain(lines[-1]) if lines else ""

    async def _run_once(self) -> int:
        name = self.process.name
        self.state.pid = await self._nursery.start(
            name, self.process.arguments, log=Path(self.state.log), folder=self._folder, environ=self._environ
        )
        self._changed()
        self.started.set()
        status = await self._nursery.ended(name)
        self.state.pid, self.state.last_exit = None, status
        self._changed()
        return status


def plain(line: str) -> str:
    """What a line of a log says: of a JSON line its reason, error or event, of any other the line itself."""
    try:
        said = json.loads(line)
    except ValueError:
        return line
    if not isinstance(said, dict):
        return line
    return str(said.get("reason") or said.get("error") or said.get("event") or line)
