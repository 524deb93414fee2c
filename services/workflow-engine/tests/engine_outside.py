"""What the engine meets on Kafka: whoever publishes ticket events, and a ticket service that answers commands."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import httpx2
from engine_world import record
from ticket_event import AT

from fettle_chassis.kafka import build_consumer, build_producer
from fettle_chassis.topics import ensure_topics
from fettle_contracts.cloudevents import CloudEvent, from_record, to_binary
from fettle_contracts.results import COMMAND_RESULT
from fettle_contracts.ticket_events import EntryType
from fettle_contracts.topics import COMMANDS, RESULTS
from fettle_workflow_engine.entrypoints.kafka_triggers import TRIGGER_TOPICS
from fettle_workflow_engine.settings import WorkflowSettings

IDS = UUID(int=3)

Rule = Callable[[Mapping[str, Any]], str | None]
"""From a command's data to the code of a rejection, or None."""


@dataclass
class Outside:
    """`commands` has each command once, by its identity; `seen` counts how often each was delivered."""

    settings: WorkflowSettings
    refuses: Rule = lambda _: None
    ignores: Callable[[Mapping[str, Any]], bool] = lambda _: False
    commands: dict[tuple[str, str], CloudEvent] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    answered: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def start(self) -> None:
        await ensure_topics(self.settings, [*TRIGGER_TOPICS, COMMANDS, RESULTS])
        self._producer = build_producer(self.settings, client_id="outside")
        self._consumer = build_consumer(self.settings, self.settings.topic(COMMANDS), client_id="fake-tickets")
        await self._producer.start()
        await self._consumer.start()
        self._serving = asyncio.create_task(self._serve())

    async def stop(self) -> None:
        self._serving.cancel()
        await asyncio.wait([self._serving])
        await self._consumer.stop()
        await self._producer.stop()
        if not self._serving.cancelled():
            self._serving.result()

    async def publish(self, numbers: Iterable[int], entry: EntryType = EntryType.OPENED, *, times: int = 1) -> None:
        """Ticket events, each `times` times under one id."""
        for number in numbers:
            made = record(entry, number=number)
            for _ in range(times):
                await self.put(f"ticket.{entry}", made.key, made.value, made.headers)

    async def put(self, topic: str, key: bytes | None, value: bytes | None, headers: Any = ()) -> None:
        await self._producer.send(self.settings.topic(topic), value, key=key, headers=list(headers))

    async def flush(self) -> None:
        await self._producer.flush()

    async def commanded(self, count: int, within_s: float = 60) -> None:
        """Waits until that many different commands have come."""
        async with asyncio.timeout(within_s), self.answered:
            await self.answered.wait_for(lambda: len(self.commands) >= count)

    async def _serve(self) -> None:
        """Answers every delivery, as the ticket service does; a repeat gets the same answer."""
        async for raw in self._consumer:
            command = from_record(raw.headers, raw.key, raw.value)
            known = self.commands.setdefault((command.source, command.id), command)
            assert known.data == command.data, "one id, two commands"
            self.seen[command.id] += 1
            asked = json.loads(command.data)
            if not self.ignores(asked):
                await self.answer(command, self.refuses(asked))
            async with self.answered:
                self.answered.notify_all()

    async def answer(self, command: CloudEvent, refused: str | None = None) -> None:
        asked = json.loads(command.data)
        number = asked.get("ticket", {}).get("number", 1)
        ticket = {"id": str(uuid5(IDS, str(number))), "number": number, "state": "open", "version": 2}
        data = {
            "org": asked["org"],
            "command_id": command.id,
            "command_source": command.source,
            "verb": command.type.split(".")[3],
            "outcome": "rejected" if refused else "applied",
            "reason": {"code": refused, "message": "No."} if refused else None,
            "ticket": None if refused else ticket,
        }
        result = CloudEvent(
            id=str(uuid5(IDS, command.id)),
            source="fettle/ticket-service",
            type=COMMAND_RESULT,
            time=AT,
            data=json.dumps(data).encode(),
            key=asked["org"],
            causation_id=command.id,
        )
        headers, value = to_binary(result)
        await self.put(RESULTS, asked["org"].encode(), value, headers)


class EngineProcess:
    """`python -m fettle_workflow_engine`, or what else `runs`, to be killed and started again."""

    def __init__(self, environment: Mapping[str, str], runs: Sequence[str] = ("-m", "fettle_workflow_engine")) -> None:
        self._environment = {**os.environ, **environment}
        self._runs = runs
        self._ready = f"http://127.0.0.1:{environment['FETTLE_WORKFLOWS_PORT']}/readyz"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, *self._runs, env=self._environment, stdout=asyncio.subprocess.DEVNULL
        )

    @property
    def processor_s(self) -> float:
        """Processor time that the present process has taken."""
        assert self._process is not None
        stat = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(stat[11]) + int(stat[12])) / 100

    async def ready(self, within_s: float = 60) -> None:
        async with asyncio.timeout(within_s), httpx2.AsyncClient() as client:
            while True:
                with contextlib.suppress(httpx2.HTTPError):
                    if (await client.get(self._ready)).status_code == 200:
                        return
                assert self._process is not None
                assert self._process.returncode is None, "the engine has stopped"
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """SIGKILL: no goodbye to anybody."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        return await self._end(signal.SIGTERM)

    async def _end(self, how: signal.Signals) -> int:
        if self._process is None:
            return 0
        if self._process.returncode is None:
            self._process.send_signal(how)
        return await self._process.wait()


@asynccontextmanager
async def outside_of(settings: WorkflowSettings) -> AsyncIterator[Outside]:
    outside = Outside(settings)
    await outside.start()
    try:
        yield outside
    finally:
        await outside.stop()


@asynccontextmanager
async def engine_process(environment: Mapping[str, str], *runs: str) -> AsyncIterator[EngineProcess]:
    """An engine that runs and is ready; whatever happens it does not outlive the test."""
    process = EngineProcess(environment, runs or ("-m", "fettle_workflow_engine"))
    await process.start()
    try:
        await process.ready()
        yield process
    finally:
        await process.kill()
