"""Messages to one topic, in order per partition, none lost: the judge's way out.

One batch per partition is under way at a time and the next goes only when it is acknowledged, so nothing can overtake
what failed. What is not acknowledged is sent again, by a new producer if the old one is stuck: the reader knows repeats
by their places.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from fettle_chassis.patience import pauses

log = structlog.get_logger(__name__)

_STUCK_AFTER_S = 30.0


class Message(NamedTuple):
    key: bytes | None
    value: bytes


@dataclass(slots=True)
class _Lane:
    """One partition: what waits, and how much was ever appended and acknowledged."""

    waiting: deque[Message] = field(default_factory=deque)
    appended: int = 0
    acknowledged: int = 0
    more: asyncio.Event = field(default_factory=asyncio.Event)


Mark = Mapping[int, int]
"""How much had been appended to each partition at some moment."""


class OrderedWriter:
    """`build` makes a producer that is not started. `append` never blocks; `backlog` says when to hold back."""

    def __init__(self, topic: str, build: Callable[[], AIOKafkaProducer]) -> None:
        self._topic = topic
        self._build = build
        self._lanes: list[_Lane] = []
        self._producer: AIOKafkaProducer | None = None
        self._building = asyncio.Lock()
        self._progress = asyncio.Condition()

    def open(self, partitions: int) -> None:
        """Call once, before anything else."""
        self._lanes = [_Lane() for _ in range(partitions)]

    @property
    def partitions(self) -> int:
        return len(self._lanes)

    @property
    def backlog(self) -> int:
        """Messages that are not acknowledged yet."""
        return sum(len(lane.waiting) for lane in self._lanes)

    def append(self, partition: int, message: Message) -> None:
        lane = self._lanes[partition]
        lane.waiting.append(message)
        lane.appended += 1
        lane.more.set()

    def mark(self) -> Mark:
        return {number: lane.appended for number, lane in enumerate(self._lanes)}

    async def acknowledged(self, mark: Mark) -> None:
        """Returns when everything that had been appended at `mark` is in Kafka."""
        async with self._progress:
            await self._progress.wait_for(
                lambda: all(self._lanes[number].acknowledged >= count for number, count in mark.items())
            )

    async def room(self, most: int) -> None:
        """Returns when at most so many messages wait."""
        if self.backlog > most:
            async with self._progress:
                await self._progress.wait_for(lambda: self.backlog <= most)

    async def run(self) -> None:
        """Sends until cancelled. Raises what is neither the broker's nor the network's."""
        async with asyncio.TaskGroup() as lanes:
            for number, lane in enumerate(self._lanes):
                lanes.create_task(self._serve(number, lane))

    async def close(self) -> None:
        await self._replace(self._producer)

    async def _serve(self, number: int, lane: _Lane) -> None:
        pause = pauses()
        while True:
            await lane.more.wait()
            producer = None
            try:
                producer = await self._current()
                sent = await asyncio.wait_for(self._send(producer, number, lane), _STUCK_AFTER_S)
            except (KafkaError, TimeoutError, OSError) as error:
                log.warning("judgements.not_sent", partition=number, waiting=len(lane.waiting), error=repr(error))
                await self._replace(producer)
                await asyncio.sleep(next(pause))
                continue
            pause = pauses()
            for _ in range(sent):
                lane.waiting.popleft()
            lane.acknowledged += sent
            if not lane.waiting:
                lane.more.clear()
            async with self._progress:
                self._progress.notify_all()

    async def _send(self, producer: AIOKafkaProducer, number: int, lane: _Lane) -> int:
        batch = producer.create_batch()
        sent = 0
        for message in lane.waiting:
            if batch.append(timestamp=None, key=message.key, value=message.value) is None:
                break
            sent += 1
        await (await producer.send_batch(batch, self._topic, partition=number))
        return sent

    async def _current(self) -> AIOKafkaProducer:
        async with self._building:
            if self._producer is None:
                self._producer = await self._started()
            return self._producer

    async def _started(self) -> AIOKafkaProducer:
        producer = self._build()
        try:
            await asyncio.wait_for(producer.start(), _STUCK_AFTER_S)
        except BaseException:
            await _quietly(producer.stop())
            raise
        return producer

    async def _replace(self, failed: AIOKafkaProducer | None) -> None:
        """Throw the producer away, once, however many partitions found it wanting."""
        if failed is None or id(failed) != id(self._producer):
            return
        self._producer = None
        await _quietly(failed.stop())


async def _quietly(stopping: Coroutine[None, None, None]) -> None:
    """Stop a producer that may be stuck: whatever it still holds will be sent again by another."""
    try:
        await asyncio.wait_for(stopping, 5.0)
    except (KafkaError, TimeoutError, OSError) as error:
        log.info("producer.stopped_badly", error=repr(error))
