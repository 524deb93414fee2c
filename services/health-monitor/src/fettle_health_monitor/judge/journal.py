"""What a judge says to the correlator, on its way to `health.judgements`."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from fettle_chassis.service import Part
from fettle_contracts.partitions import partition_for
from fettle_health_monitor.adapters.judge.ordered_writer import Message, OrderedWriter
from fettle_health_monitor.domain.judgements import (
    CLOCK_INDEX,
    Change,
    Clock,
    Hello,
    Judgement,
    Unobserved,
    encode,
)
from fettle_health_monitor.judge.metrics import BACKLOG, JUDGEMENTS
from fettle_health_monitor.judge.owned import Owned, Shards

_CLOCK_EVERY_S = 1.0
_BEHIND_CHANGE_S = 0.2
_MOST_WAITING = 100_000


class Journal:
    """Queues each message for where it belongs: the partition of its org, or every partition. The writer sends it.
    `changed` is set whenever somebody's state has changed."""

    def __init__(self, writer: OrderedWriter, address: str) -> None:
        self.changed = asyncio.Event()
        self._writer = writer
        self._address = address

    def write(self, judgements: list[Judgement]) -> None:
        """Puts them in the queue, in order. Does not block."""
        for judgement in judgements:
            value = encode(judgement)
            if isinstance(judgement, Hello | Unobserved | Clock):
                for partition in range(self._writer.partitions):
                    self._writer.append(partition, Message(None, value))
            else:
                key = judgement.org.encode()
                self._writer.append(partition_for(key, self._writer.partitions), Message(key, value))
            if isinstance(judgement, Change):
                self.changed.set()
            JUDGEMENTS.labels(judgement.__struct_config__.tag).inc()

    def write_clock(self, owned: Owned) -> None:
        """Everything up to the shard's place has been said."""
        place, clock = owned.shard.place, owned.shard.judge.clock
        if place is not None and owned.judging:
            self.write(
                [
                    Clock(
                        shard=owned.partition,
                        generation=owned.shard.generation,
                        place=(place.offset, CLOCK_INDEX),
                        at=clock.said,
                        clock=clock.now,
                        offset=place.offset,
                        address=self._address,
                    )
                ]
            )

    async def room(self) -> None:
        """Waits while too much has not been acknowledged."""
        BACKLOG.set(self._writer.backlog)
        await self._writer.room(_MOST_WAITING)


class JournalPart(Part):
    """Keeps the writer running, from before the first shard is owned until after the last is let go. `partitions` says
    how many `health.judgements` has, once it is known to be there."""

    name = "journal"

    def __init__(self, writer: OrderedWriter, partitions: Callable[[], int]) -> None:
        self._writer = writer
        self._partitions = partitions

    async def start(self) -> None:
        self._writer.open(self._partitions())

    async def run(self) -> None:
        await self._writer.run()

    async def stop(self) -> None:
        await self._writer.close()


class Clocks(Part):
    """Writes the clock of every owned shard each second, and sooner behind a change: what it calls for may wait for
    all shards to have judged past it."""

    name = "clocks"

    def __init__(self, shards: Shards, journal: Journal) -> None:
        self._shards = shards
        self._journal = journal

    async def run(self) -> None:
        while True:
            for owned in self._shards.owned.values():
                self._journal.write_clock(owned)
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOCK_EVERY_S - _BEHIND_CHANGE_S):
                    await self._journal.changed.wait()
            self._journal.changed.clear()
            await asyncio.sleep(_BEHIND_CHANGE_S)
