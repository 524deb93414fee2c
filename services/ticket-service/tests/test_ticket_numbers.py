"""Numbers while the service's processes are killed in the middle of what sixteen writers have them open."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import httpx2
import pytest
from bench.tickets.processes import wait_ready
from sqlalchemy import text
from ticket_api import REPORT
from ticket_door import Door
from ticket_outside import Outside

from fettle_chassis.tokens import Caller, Role, issue
from fettle_chassis.topics import ensure_topics
from fettle_devstack.ports import free_port
from fettle_ticket_service.app import TOPICS
from fettle_ticket_service.settings import TicketSettings

WRITERS_PER_DOOR = 8
REPLICAS = 2
PATH = "/api/v1/orgs/acme/tickets"
WITHIN_S = 60.0
_IN_ORDER = text("SELECT count(*), coalesce(max(number), 0) FROM ticket WHERE org = 'acme'")
_WAITING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


class Replica:
    """A process of the service, which comes back on the same port."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("FETTLE_")}
        self._environment = {**inherited, **environment, "FETTLE_TICKETS_PORT": str(port)}
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns once it is ready."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "fettle_ticket_service"), env=self._environment, stdout=log, stderr=log
            )
        await asyncio.to_thread(wait_ready, f"{self.url}/readyz")

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def replicas(environment: Mapping[str, str], folder: Path) -> AsyncIterator[list[Replica]]:
    started = [Replica(environment, folder / f"replica-{number}.log") for number in range(REPLICAS)]
    try:
        await asyncio.gather(*(replica.start() for replica in started))
        yield started
    finally:
        for replica in started:
            await replica.kill()


class Writers:
    """Sixteen that open one ticket after the other, half of them by each door, until they are told to stop."""

    def __init__(self, settings: TicketSettings, urls: list[str], dice: random.Random) -> None:
        self._settings, self._urls, self._dice = settings, urls, dice
        self._stopping = False
        token = issue(settings.signing_keys, Caller("acme", Role.OPERATOR, "ann"), datetime.now(UTC), ttl_s=7200)
        self._headers = {"authorization": f"Bearer {token}"}
        self.said: list[str] = []
        self.numbers: list[int] = []
        self.under_way = Counter[str]()
        self.broken_off = 0

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        async with httpx2.AsyncClient(headers=self._headers, timeout=WITHIN_S) as http, asyncio.TaskGroup() as group:
            for writer in range(WRITERS_PER_DOOR):
                group.create_task(self._write_by_http(http, writer))
                group.create_task(self._write_by_kafka(Outside(self._settings), writer))
            try:
                yield
            finally:
                self._stopping = True

    async def _write_by_kafka(self, outside: Outside, writer: int) -> None:
        while not self._stopping:
            self.said.append(id := f"kafka-{writer}-{len(self.said)}")
            await asyncio.to_thread(outside.command, "open", id, **REPORT)
            await asyncio.sleep(self._dice.uniform(0.05, 0.2))

    async def _write_by_http(self, http: httpx2.AsyncClient, writer: int) -> None:
        turn = 0
        while not self._stopping:
            turn += 1
            self.numbers.append(await self._open(http, writer, f"http-{writer}-{turn}"))
            await asyncio.sleep(self._dice.uniform(0.05, 0.2))

    async def _open(self, http: httpx2.AsyncClient, writer: int, key: str) -> int:
        """The number; asks the writer's own replica first, then each in turn until one answers."""
        async with asyncio.timeout(WITHIN_S):
            for attempt in count(writer):
                url = self._urls[attempt % len(self._urls)]
                self.under_way[url] += 1
                try:
                    answer = await http.post(f"{url}{PATH}", json=REPORT, headers={"Idempotency-Key": key})
                except httpx2.ConnectError:
                    await asyncio.sleep(0.1)
                except httpx2.TransportError:
                    self.broken_off += 1
                else:
                    if answer.status_code < 500:
                        assert answer.status_code == 201, answer.text
                        return int(answer.json()["number"])
                    await asyncio.sleep(0.1)
                finally:
                    self.under_way[url] -= 1
        raise AssertionError("nobody has answered")


class Looking:
    """Whoever looks at any time finds the tickets from 1 on without a gap: numbers are committed in their order."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self.sights: set[int] = set()

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._look())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    async def _look(self) -> None:
        async with self._door.database.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            while True:
                [(tickets, highest)] = await connection.execute(_IN_ORDER)
                assert tickets == highest, f"{tickets} tickets are there, and number {highest} is"
                self.sights.add(tickets)
                await asyncio.sleep(0.002)


async def kill_in_the_middle(door: Door, writers: Writers, replica: Replica, after_s: float | None) -> None:
    """While transactions wait for the org's row; or so soon after, while they are carried out, committed, answered."""
    async with asyncio.timeout(WITHIN_S), door.database.engine.begin() as holding:
        await holding.execute(text("SELECT 1 FROM org WHERE org = 'acme' FOR UPDATE"))
        while True:
            if await door.rows(_WAITING) and writers.under_way[replica.url]:
                break
            await asyncio.sleep(0.01)
        if after_s is None:
            await replica.kill()
            return
    await asyncio.sleep(after_s)
    await replica.kill()


async def all_taken(door: Door, said: list[str]) -> list[int]:
    """The numbers of the commands by Kafka, once each has its answer."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            rows = await door.rows("SELECT id, ticket_number FROM command WHERE source = 'helpdesk'")
            if {row.id for row in rows} >= set(said):
                assert sorted(row.id for row in rows) == sorted(said)
                return [row.ticket_number for row in rows]
            await asyncio.sleep(0.1)


async def kill_many(
    door: Door, settings: TicketSettings, environment: Mapping[str, str], folder: Path, kills: int, seed: int
) -> None:
    print(f"seed {seed}")
    dice = random.Random(seed)
    await ensure_topics(settings, TOPICS)
    looks, waited = Looking(door), 0
    async with replicas(environment, folder) as both:
        writers = Writers(settings, [replica.url for replica in both], dice)
        async with looks.looking(), writers.writing():
            for kill in range(kills):
                replica = both[kill % REPLICAS]
                waits = (kill + kill // REPLICAS) % 2 == 0
                waited += waits
                await kill_in_the_middle(door, writers, replica, None if waits else dice.uniform(0, 0.02))
                await replica.start()
                print(f"kill {kill}: {max(looks.sights)} tickets, {writers.broken_off} requests were broken off")
        by_kafka = await all_taken(door, writers.said)
    numbers = sorted(writers.numbers + by_kafka)
    assert numbers == list(range(1, len(numbers) + 1))
    assert [event.data["ticket"]["number"] for event in await door.events()] == numbers
    assert writers.broken_off >= waited, "the kills have met no request that was under way"
    assert min(len(writers.numbers), len(by_kafka)) > 10 * kills, "the kills have met few writers"


@pytest.mark.slow
@pytest.mark.rule("TS-1", "TS-11")
async def test_numbers_have_no_gap_and_come_in_order_whichever_process_is_killed_in_the_middle(
    door: Door, settings: TicketSettings, environment: dict[str, str], tmp_path: Path
) -> None:
    await kill_many(door, settings, environment, tmp_path, kills=2, seed=16)


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@pytest.mark.rule("TS-1", "TS-11")
async def test_numbers_have_no_gap_however_often_processes_are_killed(
    door: Door, settings: TicketSettings, environment: dict[str, str], tmp_path: Path
) -> None:
    seed = random.SystemRandom().getrandbits(32)
    await kill_many(door, settings, environment, tmp_path, kills=200, seed=seed)
