"""When judge, correlator and ticket service have nothing left to do: what is measured begins then."""

from __future__ import annotations

import asyncio
import time

import asyncpg
import httpx2
from aiokafka import TopicPartition

from fettle_chassis.kafka import build_consumer
from fettle_contracts.topics import COMMANDS, JUDGEMENTS
from fettle_health_monitor.settings import HealthSettings

WITHIN_S = 180
_CORRELATOR, _TICKETS = "health-monitor.judgements", "ticket-service.commands"


async def judge_caught_up(settings: HealthSettings, partitions: int) -> None:
    """Waits until every shard has judged past this moment, as the judge's metrics say."""
    since = time.time()
    async with asyncio.timeout(WITHIN_S), httpx2.AsyncClient(timeout=5.0) as client:
        while sum(until >= since for until in await _judged_until(client, settings)) < partitions:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def correlator_caught_up(settings: HealthSettings, partitions: int) -> None:
    """Waits until the correlator has taken in all that shards have said by now, and all that it says to others is in
    Kafka."""
    await _read(settings, _CORRELATOR, JUDGEMENTS, partitions)
    await _sent(settings.database_dsn("health"))


async def tickets_caught_up(settings: HealthSettings, partitions: int) -> None:
    """Waits until the ticket service has carried out all that it has been asked for by now, and said so."""
    await _read(settings, _TICKETS, COMMANDS, partitions)
    await _sent(settings.database_dsn("tickets"))


async def _judged_until(client: httpx2.AsyncClient, settings: HealthSettings) -> list[float]:
    metrics = (await client.get(f"http://127.0.0.1:{settings.judge_port}/metrics")).text
    named = "fettle_judge_judged_until_timestamp_seconds{"
    return [float(line.split()[-1]) for line in metrics.splitlines() if line.startswith(named)]


async def _read(settings: HealthSettings, group: str, topic: str, partitions: int) -> None:
    """Until the group is where the topic ends now."""
    consumer = build_consumer(settings, client_id="bench-place", group=settings.group(group))
    await consumer.start()
    try:
        places = [TopicPartition(settings.topic(topic), partition) for partition in range(partitions)]
        ends = await consumer.end_offsets(places)
        async with asyncio.timeout(WITHIN_S):
            for place, end in ends.items():
                while (await consumer.committed(place) or 0) < end:  # noqa: ASYNC110 - another process's doing
                    await asyncio.sleep(0.1)
    finally:
        await consumer.stop()


async def _sent(dsn: str) -> None:
    """Until a database's outbox is empty."""
    session = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(WITHIN_S):
            while await session.fetchval("SELECT EXISTS (SELECT FROM outbox)"):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    finally:
        await session.close()
