"""What tests do around a service: produce, read, look into its database, run it as a process and kill it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import text

from fettle_chassis.database import Database
from fettle_chassis.kafka import build_consumer, build_producer
from fettle_chassis.service import Service
from fettle_chassis.settings import ServiceSettings

Header = tuple[str, bytes | None]

_TESTS = str(Path(__file__).parents[1])
_LOOK_EVERY_S = 0.05
WITHIN_S = 60.0
"""Long enough on a machine that does other things, too."""


async def produce(
    settings: ServiceSettings,
    topic: str,
    values: Iterable[str | bytes | None],
    *,
    key: bytes | None = None,
    partition: int | None = None,
    headers: tuple[Header, ...] = (),
) -> None:
    """Publishes values in order, keyed by themselves unless a key is given; returns when all are acknowledged."""
    producer = build_producer(settings, client_id="workbench")
    await producer.start()
    try:
        for value in values:
            data = value.encode() if isinstance(value, str) else value
            await producer.send(
                settings.topic(topic), data, key=key or data, partition=partition, headers=list(headers)
            )
        await producer.flush()
    finally:
        await producer.stop()


async def read(settings: ServiceSettings, topic: str, count: int, *, within_s: float = WITHIN_S) -> list[Any]:
    """The first `count` records of a topic; fails when they do not come."""
    consumer = build_consumer(settings, settings.topic(topic), client_id="workbench")
    await consumer.start()
    try:
        async with asyncio.timeout(within_s):
            return [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()


async def end_of(settings: ServiceSettings, topic: str) -> int:
    """How many records the topic has had, over all partitions."""
    consumer = build_consumer(settings, settings.topic(topic), client_id="workbench")
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        return sum(ends.values())
    finally:
        await consumer.stop()


async def until(holds: Callable[[], Awaitable[object]], *, within_s: float = WITHIN_S) -> None:
    """Waits until a condition that nobody tells of holds, looking every now and then."""
    async with asyncio.timeout(within_s):
        while True:
            if await holds():
                return
            await asyncio.sleep(_LOOK_EVERY_S)


@asynccontextmanager
async def database_of(settings: ServiceSettings) -> AsyncIterator[Database]:
    database = Database(settings.database_dsn("tickets"), pool_size=2)
    try:
        yield database
    finally:
        await database.close()


async def heard(database: Database) -> list[str]:
    """What the echo service wrote down, in order."""
    async with database.reading() as connection:
        return list(await connection.scalars(text("SELECT id FROM heard ORDER BY place")))


async def until_heard(database: Database, count: int, *, within_s: float = WITHIN_S) -> list[str]:
    """Waits until that many were heard. Fails, saying what was heard, when they do not come."""
    found: list[str] = []
    try:
        async with asyncio.timeout(within_s):
            while len(found) < count:
                await asyncio.sleep(_LOOK_EVERY_S)
                found = await heard(database)
    except TimeoutError:
        raise AssertionError(f"heard {len(found)} of {count}: {found[:20]}") from None
    return found


async def run_until_failure(service: Service, meanwhile: Awaitable[None] | None = None) -> None:
    """Runs a service until it fails by itself, and raises that."""
    async with asyncio.timeout(WITHIN_S), service.running():
        if meanwhile is not None:
            await meanwhile
        await asyncio.get_running_loop().create_future()


class Process:
    """The echo service as a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[str] = []
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, environment: Mapping[str, str], *arguments: str, module: str = "chassis_echo") -> "Process":
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                *arguments,
                env={**_plain(os.environ), **environment, "PYTHONPATH": _TESTS},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
        )

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def said(self, event: str, *, within_s: float = WITHIN_S) -> str:
        """Waits for a log line with this text."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    for line in self.lines:
                        if event in line:
                            return line
                    await asyncio.sleep(_LOOK_EVERY_S)
        except TimeoutError:
            raise AssertionError(f"never said {event}: {self.lines}") from None

    async def ended(self, *, within_s: float = WITHIN_S) -> int:
        """Its exit status."""
        async with asyncio.timeout(within_s):
            status = await self._process.wait()
            await self._reading
            return status

    async def kill(self) -> None:
        if self._process.returncode is None:
            self.send(signal.SIGKILL)
        await self.ended()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.lines.append(line.decode().rstrip())


def _plain(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if not name.startswith("FETTLE_")}
