"""Heartbeats posted by HTTP on their way into `device.heartbeats`.

A heartbeat is life at the moment it is appended, so one that was refused must never be appended later: hence
`one_attempt`. And before anything is handed over, its leaders are asked for a sign of life: a broker that hangs is
found out while there is nothing in its sockets that it could still read when it goes on. What remains is a broker that
stops between that sign and its acknowledgement; then nobody can know, and the answer says so instead of promising.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, TypeVar

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from fettle_chassis.kafka import build_producer
from fettle_chassis.service import Part
from fettle_chassis.settings import ServiceSettings
from fettle_console.adapters.one_attempt import (
    Batches,
    Fate,
    Record,
    batches,
    by_leader,
    produce,
    sign_of_life,
)
from fettle_contracts.topics import HEARTBEATS

WITHIN_S = 5.0
SIGN_OF_LIFE_S = 1.5

_PAUSE_S = 0.1

log = structlog.get_logger(__name__)
T = TypeVar("T")


class KafkaAway(Exception):
    """None of the heartbeats was taken, and none will be."""


class OutcomeUnknown(Exception):
    """`taken` of the heartbeats are in the log, the others perhaps."""

    def __init__(self, taken: int) -> None:
        super().__init__(f"{taken} taken, the rest unknown")
        self.taken = taken


class HeartbeatLog(Part):
    """Appends heartbeats over one lasting connection per broker, made when first needed."""

    name = "heartbeats"

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._topic = settings.topic(HEARTBEATS)
        self._producer: asyncio.Task[AIOKafkaProducer] | None = None
        self._pending: set[asyncio.Task[Any]] = set()

    async def stop(self) -> None:
        if self._producer is None:
            return
        await asyncio.wait({self._producer}, timeout=WITHIN_S)
        self._producer.cancel()  # the client may connect all the same
        await asyncio.wait({self._producer})
        if not self._producer.cancelled() and not self._producer.exception():
            await self._producer.result().stop()

    async def append(self, heartbeats: Sequence[Record]) -> None:
        """Returns once every replica that counts has all of them; raises KafkaAway or OutcomeUnknown otherwise, after
        `WITHIN_S` at the latest. Cancelling it leaves the outcome unknown."""
        if not heartbeats:
            return
        deadline = asyncio.get_running_loop().time() + WITHIN_S
        taken = 0
        try:
            producer = await self._connected(deadline)
            count = len(await self._within(producer.partitions_for(self._topic), deadline))
            for turn in batches(heartbeats, count):
                taken += await self._append(producer, turn, deadline)
        except (KafkaError, TimeoutError) as error:
            log.warning("heartbeats.kafka_away", error=repr(error), taken=taken)
            if taken:
                raise OutcomeUnknown(taken) from error
            raise KafkaAway from error
        except OutcomeUnknown as unknown:
            raise OutcomeUnknown(taken + unknown.taken) from None

    async def _append(self, producer: AIOKafkaProducer, waiting: Batches, deadline: float) -> int:
        """Appends one batch per partition, again and again while the last attempt certainly failed.

        Returns the number of records. Raises KafkaError or TimeoutError when none was taken, else OutcomeUnknown.
        """
        client, loop, taken = producer.client, asyncio.get_running_loop(), 0
        while True:
            try:
                groups = await self._living_leaders(client, waiting, min(deadline, loop.time() + SIGN_OF_LIFE_S))
            except (KafkaError, TimeoutError):
                if taken:
                    raise OutcomeUnknown(taken) from None
                raise
            left = deadline - loop.time()
            attempts = (produce(client, node, self._topic, mine, left) for node, mine in groups.items())
            try:
                answers = await self._all_within(attempts, deadline)
            except TimeoutError:
                raise OutcomeUnknown(taken) from None
            fates = {partition: fate for answer in answers for partition, fate in answer.items()}
            taken += sum(len(waiting[partition]) for partition, (fate, _) in fates.items() if fate is Fate.TAKEN)
            if any(fate is Fate.UNKNOWN for fate, _ in fates.values()):
                raise OutcomeUnknown(taken)
            waiting = {
                partition: waiting[partition] for partition, (fate, _) in fates.items() if fate is Fate.NOT_TAKEN
            }
            if not waiting:
                return taken
            log.info("heartbeats.not_taken", codes=sorted({code for _, code in fates.values() if code}))
            await asyncio.sleep(_PAUSE_S)

    async def _living_leaders(
        self, client: AIOKafkaClient, waiting: Batches, deadline: float
    ) -> dict[int, dict[int, Sequence[Record]]]:
        """The batches by leader, each of which has just answered. Raises KafkaError or TimeoutError."""
        try:
            groups = by_leader(client, self._topic, waiting)
        except KafkaError:
            await self._within(_refreshed(client), deadline)
            groups = by_leader(client, self._topic, waiting)
        await self._all_within((sign_of_life(client, node, self._topic) for node in groups), deadline)
        return groups

    async def _connected(self, deadline: float) -> AIOKafkaProducer:
        """The producer whose connections are used; all posts wait for the same attempt to connect."""
        if self._producer is None or (self._producer.done() and self._producer.exception()):
            self._producer = asyncio.create_task(self._connect())
        await asyncio.wait({self._producer}, timeout=deadline - asyncio.get_running_loop().time())
        if not self._producer.done():
            raise TimeoutError("not connected in time")
        return self._producer.result()

    async def _connect(self) -> AIOKafkaProducer:
        producer = build_producer(self._settings, client_id="console-heartbeats", idempotent=False)
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return producer

    async def _all_within(self, work: Iterable[Coroutine[Any, Any, T]], deadline: float) -> list[T]:
        """All results, or the first failure. Raises TimeoutError at `deadline`; what is unfinished then goes on until
        the client's own timeout, which closes a connection that has gone dead."""
        tasks = [asyncio.create_task(coroutine) for coroutine in work]
        self._pending.update(tasks)
        for task in tasks:
            task.add_done_callback(self._settled)
        _, late = await asyncio.wait(tasks, timeout=max(0.0, deadline - asyncio.get_running_loop().time()))
        if late:
            raise TimeoutError("a broker did not answer in time")
        return [task.result() for task in tasks]

    def _settled(self, task: asyncio.Task[Any]) -> None:
        self._pending.discard(task)
        if not task.cancelled():
            task.exception()

    async def _within(self, coroutine: Coroutine[Any, Any, T], deadline: float) -> T:
        return (await self._all_within([coroutine], deadline))[0]


async def _refreshed(client: AIOKafkaClient) -> None:
    """Asks who leads now: without it the client would wait for the next of its own rare updates."""
    await client.force_metadata_update()
