"""What a judge that has run before leaves behind, and where one stands that runs now."""

from __future__ import annotations

from collections import Counter

from aiokafka import TopicPartition
from sqlalchemy import text

from bench.judge.filling import PARTITIONS
from bench.judge.fleet import key_of
from fettle_chassis.database import Database, DatabasePart
from fettle_chassis.kafka import build_consumer
from fettle_chassis.signing import Verifier
from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.partitions import partition_for
from fettle_contracts.topics import HEARTBEATS
from fettle_health_monitor import judge_app
from fettle_health_monitor.adapters.judge.checkpoints import Checkpoints, packed
from fettle_health_monitor.adapters.judge.control_records import SignedReader
from fettle_health_monitor.domain.judge.checkpoint import snapshot
from fettle_health_monitor.domain.judge.shard import Shard
from fettle_health_monitor.judge.owned import Shards
from fettle_health_monitor.settings import HealthSettings


async def prepare(settings: HealthSettings, subjects: int) -> None:
    """Checkpoints behind the first heartbeat of every subject."""
    database = Database(settings.database_dsn("health"))
    await DatabasePart(database, judge_app.PACKAGE).start()
    topic = settings.topic(HEARTBEATS)
    consumer = build_consumer(settings, client_id="prepare")
    await consumer.start()
    homes = Counter(partition_for(key_of(device), PARTITIONS) for device in range(subjects))
    try:
        for partition in range(PARTITIONS):
            where = TopicPartition(topic, partition)
            consumer.assign([where])
            await consumer.seek_to_beginning(where)
            shard = Shard(partition, PARTITIONS, 1)
            read = SignedReader(Verifier(settings.signing_keys), topic, partition)
            while len(shard.judge.subjects) < homes[partition]:
                for records in (await consumer.getmany(timeout_ms=1000, max_records=500)).values():
                    shard.fold(records, read)
            taken = snapshot(shard)
            await Checkpoints(database, "").save(taken, packed(taken))
        async with unit_of_work(database) as work:
            await work.connection.execute(text("CREATE TABLE prepared AS SELECT * FROM checkpoint"))
    finally:
        await consumer.stop()
        await database.close()


async def rewind(settings: HealthSettings) -> None:
    """Puts the prepared checkpoints back in the place of later ones."""
    database = Database(settings.database_dsn("health"))
    async with unit_of_work(database) as work:
        await work.connection.execute(text("DELETE FROM checkpoint"))
        await work.connection.execute(text("INSERT INTO checkpoint SELECT * FROM prepared"))
    await database.close()


async def behind_prepared(settings: HealthSettings) -> dict[int, int]:
    """By partition: the offset behind the prepared checkpoint."""
    database = Database(settings.database_dsn("health"))
    async with database.reading() as connection:
        rows = await connection.execute(text('SELECT shard, "offset" + 1 AS behind FROM prepared'))
        starts: dict[int, int] = {row.shard: row.behind for row in rows}
    await database.close()
    return starts


def places(shards: Shards) -> dict[int, int]:
    """The next offset of each shard, 0 while it is not open."""
    found = dict.fromkeys(range(PARTITIONS), 0)
    for partition, owned in shards.owned.items():
        found[partition] = owned.shard.place.offset + 1 if owned.shard.place else 0
    return found
