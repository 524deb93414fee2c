"""The log's heartbeat: a pulse to every owned partition each second, and one more when a timer is due.

A pulse decides when the fold looks at its timers, never what is true: that follows from the broker's times.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from math import inf

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from fettle_chassis.patience import patiently, pauses
from fettle_chassis.service import Part
from fettle_health_monitor.adapters.judge.control_records import SignedWriter
from fettle_health_monitor.domain.control import Hello, Pulse, Skip
from fettle_health_monitor.domain.judge.shard import Place
from fettle_health_monitor.judge.metrics import SHARD_UNOBSERVED
from fettle_health_monitor.judge.owned import Owned, Shards

log = structlog.get_logger(__name__)

EVERY_S = 1.0
UNREAD_S = 10.0
"""An owner that has not read a pulse of its own for so long cannot see."""

_CLOSEST_S = 0.05
"""Two pulses of a partition are at least this far apart."""
_BEHIND_DUE_S = 0.002
_WITHIN_S = 10.0


class Pulses(Part):
    """`owner` names this process in its pulses; `build` makes a producer that is not started."""

    name = "pulses"

    def __init__(self, shards: Shards, writer: SignedWriter, owner: str, build: Callable[[], AIOKafkaProducer]) -> None:
        self.owner = owner
        self._shards = shards
        self._writer = writer
        self._build = build
        self._producer: AIOKafkaProducer | None = None
        self._rebuilt_at = time.monotonic()
        self._due = asyncio.Event()
        self._beats = 0
        self._sent_at: dict[int, float] = {}
        self._shown: set[int] = set()
        self._under_way: dict[int, asyncio.Task[None]] = {}

    def reconsider(self) -> None:
        """Something was judged: the next timer may be due at another instant."""
        self._due.set()

    def unread(self) -> list[int]:
        """The owned shards whose pulses have not come back for too long."""
        now = time.monotonic()
        return sorted(
            partition for partition, owned in self._shards.owned.items() if now - owned.pulse_read_at > UNREAD_S
        )

    def not_ready(self) -> str | None:
        unread = self.unread()
        return f"own pulses unread for {UNREAD_S:g} s on shards {unread}" if unread else None

    async def start(self) -> None:
        await patiently(self._rebuild)

    async def stop(self) -> None:
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        if self._producer is not None:
            await self._producer.stop()

    async def run(self) -> None:
        while True:
            wait_s = self._beat()
            await self._watch()
            self._due.clear()
            try:
                async with asyncio.timeout(max(wait_s, _CLOSEST_S / 2)):
                    await self._due.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(_CLOSEST_S / 2)

    async def hello(self, partition: int, nonce: str) -> Place | None:
        """Ask for everything in force; tried until it stands in the log. Returns where; None when it may also stand at
        an earlier place (the one that counts), because a try that was not acknowledged arrived all the same."""
        once = True
        for pause in pauses():
            try:
                place = await self._append(partition, Hello(nonce=nonce))
                return place if once else None
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("shard.hello_not_sent", shard=partition, error=repr(error))
            once = False
            await asyncio.sleep(pause)
        raise AssertionError("pauses never end")

    async def skip(self, partition: int, offset: int, error: str) -> None:
        """Put into the log that the record at `offset` is left out from now on. Raises what the producer raises."""
        await self._append(partition, Skip(offset=offset, error=error))

    def _beat(self) -> float:
        """Send what is due; returns the seconds until the next is."""
        now = time.monotonic()
        waits = [EVERY_S]
        for partition, owned in self._shards.owned.items():
            last = self._sent_at.get(partition, 0.0)
            at = max(min(last + EVERY_S, self._timer_at(owned)), last + _CLOSEST_S)
            task = self._under_way.get(partition)
            if at <= now and (task is None or task.done()):
                self._sent_at[partition] = now
                self._under_way[partition] = asyncio.create_task(self._pulse(owned))
                at = now + EVERY_S
            waits.append(max(at - now, 0.0))
        return min(waits)

    def _timer_at(self, owned: Owned) -> float:
        """When the shard's next timer is due by this machine's clock, counted from its last record; a later one than
        the next pulse is of no interest."""
        judge = owned.shard.judge
        if not owned.judging:
            return inf
        due = judge.timers.next_due(judge.clock.now + round(EVERY_S * 1000), judge.due_at)
        return inf if due is None else owned.read_at + (due - judge.clock.now) / 1000 + _BEHIND_DUE_S

    async def _pulse(self, owned: Owned) -> None:
        """Where it stands is where the log ends, whether the shard reads it or not."""
        self._beats += 1
        try:
            place = await self._append(owned.partition, Pulse(owner=self.owner, beat=self._beats))
        except (KafkaError, OSError, TimeoutError) as error:
            log.info("shard.pulse_not_sent", shard=owned.partition, error=repr(error))
        else:
            owned.log_end = max(owned.log_end, place.offset + 1)

    async def _append(self, partition: int, statement: Pulse | Hello | Skip) -> Place:
        if self._producer is None:
            raise TimeoutError("no producer at present")
        async with asyncio.timeout(_WITHIN_S):
            return await self._writer.append(self._producer, partition, statement)

    async def _watch(self) -> None:
        """Pulses that do not come back may be the producer's fault: have another."""
        unread = self.unread()
        self._show(unread)
        if unread and time.monotonic() - self._rebuilt_at > UNREAD_S:
            log.warning("shard.unobserved", shards=unread)
            try:
                await self._rebuild()
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("pulses.no_producer", error=repr(error))

    def _show(self, unread: Collection[int]) -> None:
        owned = set(self._shards.owned)
        for partition in owned:
            SHARD_UNOBSERVED.labels(str(partition)).set(partition in unread)
        for partition in self._shown - owned:
            SHARD_UNOBSERVED.remove(str(partition))
        self._shown = owned

    async def _rebuild(self) -> None:
        self._rebuilt_at = time.monotonic()
        old, self._producer = self._producer, None
        if old is not None:
            try:
                async with asyncio.timeout(5.0):
                    await old.stop()
            except (KafkaError, OSError, TimeoutError) as error:
                log.info("pulses.producer_stopped_badly", error=repr(error))
        producer = self._build()
        try:
            async with asyncio.timeout(_WITHIN_S):
                await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer
