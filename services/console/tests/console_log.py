"""What stands in the heartbeats' log."""

from console_world import World

from fettle_chassis.kafka import build_consumer
from fettle_contracts.topics import HEARTBEATS


async def in_the_log(world: World) -> list[tuple[int, bytes, bytes]]:
    """Every heartbeat of the log as (partition, key, value)."""
    consumer = build_consumer(world.settings, world.settings.topic(HEARTBEATS), client_id="test")
    await consumer.start()
    try:
        total = sum((await consumer.end_offsets(consumer.assignment())).values())
        found: list[tuple[int, bytes, bytes]] = []
        while len(found) < total:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += [(record.partition, record.key, record.value) for record in records]
        return found
    finally:
        await consumer.stop()
