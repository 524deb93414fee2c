"""How many heartbeats a second does one judge process take from the topic, beside a consumer that only fetches them?

Both read the same records in turn, several times. The judge is the whole process but its HTTP server, with its group,
pulses, clocks, checkpoints and journal, taking up 100,000 subjects from a checkpoint as after a restart. Three kinds of
heartbeats: without a body, of devices that say the same each time, and with a `seq` that makes every value another.
"Fetched only" is the stock client under Python's own settings; "tuned" is what the judge makes of it: bare records, and
a collector of garbage that looks rarely.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.memory_records import MemoryRecords
from confluent_kafka import Producer
from sqlalchemy import text

from bench.report import Figure, report
from fettle_chassis.database import Database, DatabasePart
from fettle_chassis.garbage import collect_rarely
from fettle_chassis.kafka import build_consumer
from fettle_chassis.large_buffers import give_back_large_buffers
from fettle_chassis.logs import configure_logging
from fettle_chassis.service import Service
from fettle_chassis.signing import Signer, Verifier
from fettle_chassis.topics import ensure_topics
from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.partitions import partition_for
from fettle_contracts.times import rfc3339
from fettle_contracts.topics import HEARTBEATS, JUDGEMENTS
from fettle_devstack.isolation import discard, isolated
from fettle_devstack.pytest_plugin import own_pair
from fettle_health_monitor import judge_app
from fettle_health_monitor.adapters.judge.bare_records import bare, offer_bare_records
from fettle_health_monitor.adapters.judge.checkpoints import Checkpoints, packed
from fettle_health_monitor.adapters.judge.control_records import SignedReader
from fettle_health_monitor.domain.control import CONTROL_HEADER, NUMBER_HEADER, SIGNATURE_HEADER, Policy, encode
from fettle_health_monitor.domain.judge.checkpoint import snapshot
from fettle_health_monitor.domain.judge.shard import Shard
from fettle_health_monitor.judge.owned import Shards
from fettle_health_monitor.settings import HealthSettings

PARTITIONS = 4
_BEGUN = datetime(2026, 11, 23, tzinfo=UTC)
ORG = "bench"
KINDS = {"empty": 0.80, "equal": 0.80, "changing": 0.65}
"""Of what the stock client fetches the judge should reach this much."""
POLICY = Policy(
    org=ORG,
    version=1,
    enabled=True,
    discover="judge",
    subject_cap=1_000_000,
    timeout_s=None,
    default_interval_s=60,
    open_debounce_s=60,
    resolve_debounce_s=60,
    flap_threshold=5,
    flap_flips_threshold=12,
    flap_window_s=600,
    flap_stable_s=600,
)


def value(device: int, seq: int | None) -> bytes:
    """About 117 bytes, as a thermostat would send them; some 40 more with what changes each time (`seq`, `at`)."""
    said: dict[str, Any] = {
        "status": "ok",
        "integration": f"hue-{device % 40}",
        "interval_s": 60,
        "name": f"Thermostat {device}",
        "space": f"oslo/hq/{device % 9}/{device % 300}",
    }
    if seq is not None:
        said |= {"seq": seq, "at": rfc3339(_BEGUN + timedelta(milliseconds=seq))}
    return json.dumps(said, separators=(",", ":")).encode()


# Filling the topic


def fill(settings: HealthSettings, subjects: int, records: int, kind: str) -> None:
    """A policy, every subject once, then `records` heartbeats in turn. Blocks."""
    topic = settings.topic(HEARTBEATS)
    producer = Producer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "enable.idempotence": True,
            "linger.ms": 20,
            "batch.size": 262_144,
            "queue.buffering.max.messages": 500_000,
        }
    )
    signer = Signer(settings.signing_keys)
    for partition in range(PARTITIONS):
        body = encode(POLICY)
        signature = signer.sign_control(topic=topic, partition=partition, key=ORG.encode(), number=1, body=body)
        headers: list[tuple[str, str | bytes | None]] = [
            (CONTROL_HEADER, "policy"),
            (NUMBER_HEADER, "1"),
            (SIGNATURE_HEADER, signature),
        ]
        producer.produce(topic, body, ORG, partition, headers=headers)
    for key, said, partition in heartbeats(subjects, records, kind):
        while True:
            try:
                producer.produce(topic, said, key, partition)
                break
            except BufferError:
                producer.poll(0.05)
    producer.flush()


def heartbeats(subjects: int, records: int, kind: str) -> Iterator[tuple[bytes, bytes, int]]:
    """Key, value and partition; `kind` is one of `KINDS`."""
    keys = [f"{ORG}/device/thermostat-{device:06d}".encode() for device in range(subjects)]
    places = [partition_for(key, PARTITIONS) for key in keys]
    same = [b"" if kind == "empty" else value(device, None) for device in range(subjects)]
    for number in range(subjects + records):
        device = number % subjects
        said = value(device, number) if kind == "changing" else same[device]
        yield keys[device], said, places[device]


# What a judge that has run before leaves behind


async def prepare(settings: HealthSettings, subjects: int) -> None:
    """Checkpoints behind the first heartbeat of every subject."""
    database = Database(settings.database_dsn("health"))
    await DatabasePart(database, judge_app.PACKAGE).start()
    topic = settings.topic(HEARTBEATS)
    consumer = build_consumer(settings, client_id="prepare")
    await consumer.start()
    try:
        for partition in range(PARTITIONS):
            where = TopicPartition(topic, partition)
            consumer.assign([where])
            await consumer.seek_to_beginning(where)
            shard = Shard(partition, PARTITIONS, 1)
            read = SignedReader(Verifier(settings.signing_keys), topic, partition)
            mine = sum(where == partition for _, _, where in heartbeats(subjects, 0, "empty"))
            while len(shard.watch.subjects) < mine:
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
    database = Database(settings.database_dsn("health"))
    async with unit_of_work(database) as work:
        await work.connection.execute(text("DELETE FROM checkpoint"))
        await work.connection.execute(text("INSERT INTO checkpoint SELECT * FROM prepared"))
    await database.close()


# The measured processes


async def fetch(settings: HealthSettings, options: Mapping[str, Any]) -> dict[str, float]:
    """Everything behind the checkpoints, fetched and thrown away."""
    if options:
        offer_bare_records()
        collect_rarely()
    else:
        fetcher.MemoryRecords = MemoryRecords  # the client's own, in place of the chassis's
    topic = settings.topic(HEARTBEATS)
    starts, ends = await bounds(settings)
    consumer = build_consumer(settings, client_id="fetch", **options)
    await consumer.start()
    places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    consumer.assign(places)
    for where in places:
        consumer.seek(where, starts[where.partition])
    missing, total, begun = set(range(PARTITIONS)), 0, 0.0
    while missing:
        for where, records in (await consumer.getmany(timeout_ms=1000)).items():
            begun = begun or time.perf_counter()
            total += len(records)
            if records[-1].offset + 1 >= ends[where.partition]:
                missing.discard(where.partition)
    took = time.perf_counter() - begun
    await consumer.stop()
    return {"records_s": total / took}


async def judge(settings: HealthSettings) -> dict[str, float]:
    """The same records, judged by the process that judges in operation."""
    give_back_large_buffers()
    starts, ends = await bounds(settings)
    shards = Shards()
    service = Service("bench")
    service.add(*judge_app.judge_parts(settings, shards))
    async with service.running():
        collect_rarely()  # as every process of a service does
        await reached(lambda: sum(places(shards).values()) > sum(starts.values()))
        begun, cpu = time.perf_counter(), time.process_time()
        await reached(lambda: all(places(shards)[partition] >= ends[partition] for partition in range(PARTITIONS)))
        took, cpu = time.perf_counter() - begun, time.process_time() - cpu
    total = sum(ends[partition] - starts[partition] for partition in range(PARTITIONS))
    return {"records_s": total / took, "records_cpu_s": total / cpu}


async def reached(there: Callable[[], bool]) -> None:
    """The judge announces nothing while it reads; looking every few milliseconds costs it next to nothing."""
    while not there():  # noqa: ASYNC110
        await asyncio.sleep(0.002)


def places(shards: Shards) -> dict[int, int]:
    """The next offset of each shard, 0 while it is not open."""
    found = dict.fromkeys(range(PARTITIONS), 0)
    for partition, owned in shards.owned.items():
        found[partition] = owned.shard.place.offset + 1 if owned.shard.place else 0
    return found


async def bounds(settings: HealthSettings) -> tuple[dict[int, int], dict[int, int]]:
    """By partition: the offset behind the prepared checkpoint, and the end of the records that were filled in."""
    database = Database(settings.database_dsn("health"))
    async with database.reading() as connection:
        rows = await connection.execute(text('SELECT shard, "offset" + 1 AS behind FROM prepared'))
        starts: dict[int, int] = {row.shard: row.behind for row in rows}
    await database.close()
    return starts, {int(part): int(end) for part, end in json.loads(os.environ["BENCH_ENDS"]).items()}


async def end_offsets(settings: HealthSettings) -> dict[int, int]:
    consumer = build_consumer(settings, client_id="ends")
    await consumer.start()
    where = [TopicPartition(settings.topic(HEARTBEATS), partition) for partition in range(PARTITIONS)]
    ends = await consumer.end_offsets(where)
    await consumer.stop()
    return {place.partition: end for place, end in ends.items()}


MEASURES: dict[str, Callable[[HealthSettings], Coroutine[None, None, dict[str, float]]]] = {
    "fetch": lambda settings: fetch(settings, {}),
    "fetch-tuned": lambda settings: fetch(settings, {"key_deserializer": bare}),
    "judge": judge,
}


# The comparison


def measured(environment: Mapping[str, str], what: str) -> dict[str, float]:
    """One run in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.judge_throughput", "--measure", what],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{what} failed:\n{done.stdout}\n{done.stderr}")
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def compare(environment: dict[str, str], kind: str, subjects: int, records: int, repeats: int) -> list[Figure]:
    settings = HealthSettings.load(environment)
    asyncio.run(ensured(settings))
    fill(settings, subjects, records, kind)
    asyncio.run(prepare(settings, subjects))
    environment["BENCH_ENDS"] = json.dumps(asyncio.run(end_offsets(settings)))
    runs: dict[str, list[dict[str, float]]] = {what: [] for what in MEASURES}
    for _ in range(repeats):
        for what, taken in runs.items():
            asyncio.run(rewind(settings))
            taken.append(measured(environment, what))
    fetched = [run["records_s"] for run in runs["fetch"]]
    judged = [run["records_s"] for run in runs["judge"]]
    ratios = [after / before for before, after in zip(fetched, judged, strict=True)]
    details = {"subjects": subjects, "partitions": PARTITIONS, "records": records, "heartbeats": kind}
    return [
        Figure(f"{kind}: fetched only", "records/s", fetched, details=details),
        Figure(
            f"{kind}: fetched only, tuned", "records/s", [r["records_s"] for r in runs["fetch-tuned"]], details=details
        ),
        Figure(f"{kind}: judged", "records/s", judged, details=details),
        Figure(f"{kind}: judged", "records/CPU s", [run["records_cpu_s"] for run in runs["judge"]], details=details),
        Figure(f"{kind}: judged / fetched", "ratio", ratios, bound=f">= {KINDS[kind]}", details=details),
    ]


async def ensured(settings: HealthSettings) -> None:
    await ensure_topics(settings, [HEARTBEATS, JUDGEMENTS])


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--subjects", type=int, default=100_000)
    options.add_argument("--records", type=int, default=1_000_000)
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--measure", choices=list(MEASURES), help=argparse.SUPPRESS)
    chosen = options.parse_args()
    configure_logging("bench", stream=sys.stderr)
    if chosen.measure:
        settings = HealthSettings.load()
        print(json.dumps(asyncio.run(MEASURES[chosen.measure](settings))))
        return 0
    figures: list[Figure] = []
    with own_pair(Path(__file__).parent.parent, os.environ) as servers:
        for kind in KINDS:
            environment = isolated(servers, PARTITIONS)
            try:
                figures += compare(environment, kind, chosen.subjects, chosen.records, chosen.repeats)
            finally:
                discard(servers, environment)
    report("Heartbeats judged by one process, from the topic", figures, "judge_throughput")
    ratios = (figure for figure in figures if figure.unit == "ratio")
    return 0 if all(figure.worst >= float(figure.bound.removeprefix(">= ")) for figure in ratios) else 1


if __name__ == "__main__":
    raise SystemExit(main())
