"""The near end of `nursery.py`."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from fettle_cli.failures import CliError


class NurseryClient:
    """A nursery in a process of its own. Its children die with this process, however it ends.

    Made by `open` before there is an event loop: the nursery then imports what it shares while this process imports
    what it needs itself.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", orders: IO[bytes], news: IO[bytes], log: Path) -> None:
        self._process = process
        self._orders = orders
        self._news = news
        self._log = log
        self._started: dict[str, asyncio.Future[int]] = {}
        self._ended: dict[str, asyncio.Future[int]] = {}

    @classmethod
    def open(cls, log: Path, shared: Sequence[str] = ()) -> "NurseryClient":
        """Starts the nursery; it carries orders out once it has imported the `shared` modules."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "fettle_cli.up.nursery", *shared],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,
            )
        if process.stdin is None or process.stdout is None:
            raise LookupError("the nursery has no pipes")
        return cls(process, process.stdin, process.stdout, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def listen(self) -> None:
        """Hears what happens to children, until the nursery has been closed. Raises CliError when it ends by itself."""
        news = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(news), self._news)
        while line := await news.readline():
            match json.loads(line):
                case {"started": name, "pid": pid}:
                    self._started[name].set_result(pid)
                case {"ended": name, "status": status}:
                    self._ended[name].set_result(status)
        for waiting in (*self._started.values(), *self._ended.values()):
            waiting.cancel()
        if not self._orders.closed:
            raise CliError(f"the parent of all services ended; {self._log} says why")

    async def start(
        self, name: str, argv: tuple[str, ...], *, log: Path, folder: Path, environ: Mapping[str, str]
    ) -> int:
        """Starts a process of that name, one at a time; its pid."""
        loop = asyncio.get_running_loop()
        self._started[name], self._ended[name] = loop.create_future(), loop.create_future()
        self._order({"start": name, "argv": argv, "log": str(log), "cwd": str(folder), "environ": dict(environ)})
        return await self._started[name]

    async def ended(self, name: str) -> int:
        """Waits for the end of the process that was started last under this name; its exit status."""
        return await asyncio.shield(self._ended[name])

    async def stop(self, name: str) -> None:
        """Asks a process to stop; returns when it is gone, by force after its grace time."""
        if name in self._ended and not self._ended[name].done():
            self._order({"stop": name})
            await self.ended(name)

    async def close(self) -> None:
        """Ends the nursery and with it every child that is left. Needs no listener."""
        with suppress(BrokenPipeError):
            self._orders.close()
        await asyncio.to_thread(self._process.wait)

    def _order(self, order: dict[str, Any]) -> None:
        """An order of a few KB fits into the pipe; a nursery that is gone is missed by `listen`."""
        with suppress(BrokenPipeError):
            self._orders.write(json.dumps(order).encode() + b"\n")
            self._orders.flush()
