"""Processes that are kept running: started by the nursery, watched, started again when they end unexpectedly."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fettle_cli.failures import CliError, UsageError
from fettle_cli.up.processes import Process
from fettle_cli.up.state import ProcessState

SETTINGS_WRONG = 2
PAUSES_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STEADY_S = 60.0


class NurseryClient:
    """The near end of `nursery.py`. Its children die with this process, however it ends."""

    def __init__(
        self, process: asyncio.subprocess.Process, orders: asyncio.StreamWriter, news: asyncio.StreamReader, log: Path
    ) -> None:
        self._process = process
        self._orders = orders
        self._news = news
        self._log = log
        self._started: dict[str, asyncio.Future[int]] = {}
        self._ended: dict[str, asyncio.Future[int]] = {}

    @property
    def pid(self) -> int:
        return self._process.pid

    @classmethod
    async def open(cls, log: Path, shared: Sequence[str] = ()) -> "NurseryClient":
        """Starts the nursery; it carries orders out once it has imported the `shared` modules."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "fettle_cli.up.nursery",
                *shared,
                stdin=PIPE,
                stdout=PIPE,
                stderr=output,
                start_new_session=True,
            )
        if process.stdin is None or process.stdout is None:
            raise LookupError("the nursery has no pipes")
        return cls(process, process.stdin, process.stdout, log)

    async def listen(self) -> None:
        """Hears what happens to children, until the nursery has been closed. Raises CliError when it ends by itself."""
        while line := await self._news.readline():
            match json.loads(line):
                case {"started": name, "pid": pid}:
                    self._started[name].set_result(pid)
                case {"ended": name, "status": status}:
                    self._ended[name].set_result(status)
        for waiting in (*self._started.values(), *self._ended.values()):
            waiting.cancel()
        if not self._orders.is_closing():
            raise CliError(f"the parent of all services ended; {self._log} says why")

    async def start(
        self, name: str, argv: tuple[str, ...], *, log: Path, folder: Path, environ: Mapping[str, str]
    ) -> int:
        """Starts a process of that name, one at a time; its pid."""
        loop = asyncio.get_running_loop()
        self._started[name], self._ended[name] = loop.create_future(), loop.create_future()
        await self._order({"start": name, "argv": argv, "log": str(log), "cwd": str(folder), "environ": dict(environ)})
        return await self._started[name]

    async def ended(self, name: str) -> int:
        """Waits for the end of the process that was started last under this name; its exit status."""
        return await asyncio.shield(self._ended[name])

    async def stop(self, name: str) -> None:
        """Asks a process to stop; returns when it is gone, by force after its grace time."""
        if name in self._ended and not self._ended[name].done():
            await self._order({"stop": name})
            await self.ended(name)

    async def close(self) -> None:
        """Ends the nursery and with it every child that is left."""
        self._orders.close()
        await self._process.wait()

    async def _order(self, order: dict[str, Any]) -> None:
        self._orders.write(json.dumps(order).encode() + b"\n")
        with suppress(ConnectionError):
            await self._orders.drain()


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
        return lines[-1] if lines else ""

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
