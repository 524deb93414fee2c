"""When a judge says how far its shards are."""

import asyncio
import time
from typing import cast

import pytest
from judge_log import Log, judge, read_control

from fettle_health_monitor.adapters.judge.ordered_writer import Message, OrderedWriter
from fettle_health_monitor.domain.judgements import Clock, decode
from fettle_health_monitor.judge.journal import Clocks, Journal
from fettle_health_monitor.judge.owned import Owned, Shards


class Written:
    """In place of the writer: when it is given clocks for partition 0."""

    partitions = 2

    def __init__(self) -> None:
        self.clocks: list[float] = []

    def append(self, partition: int, message: Message) -> None:
        if partition == 0 and isinstance(decode(message.value), Clock):
            self.clocks.append(time.monotonic())

    async def so_many(self, clocks: int) -> None:
        async with asyncio.timeout(60):
            while len(self.clocks) < clocks:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)


@pytest.mark.rule("HM-60")
async def test_clocks_are_said_each_second_and_soon_behind_a_change() -> None:
    judged = judge(Log().policy(enabled=True, timeout_s=60).beat().pulsed(90))
    silent = judged.changes[-1]
    shards = Shards()
    shards.take(Owned(judged.shard, read_control, None))
    written = Written()
    journal = Journal(cast(OrderedWriter, written), "http://here")

    clocks = asyncio.create_task(Clocks(shards, journal).run())
    try:
        await written.so_many(1)
        journal.write([silent])
        first_at = time.monotonic()
        await asyncio.sleep(0.15)
        journal.write([silent])
        second_at = time.monotonic()
        await written.so_many(3)
        at_first, behind_first, behind_second = written.clocks
        assert at_first < first_at < second_at < behind_second
        assert behind_first - first_at >= 0.2
        assert behind_second - second_at >= 0.2, "who changes just before clocks are said has its own"
        await written.so_many(4)
        assert written.clocks[3] - behind_second >= 0.5, "each second, where nobody changes"
    finally:
        clocks.cancel()
