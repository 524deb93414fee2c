"""What do a million subjects cost a judge: memory, checkpoints, and the time until it judges again?

A judge process takes up a million subjects from its checkpoints; its memory beside that of one with none is what they
cost. One in a hundred has flipped of late. It is killed and started again. Until it judges again is from the start of
the process to the last shard's first clock that is later; what killing costs besides, while the group still counts the
dead process in, is in the second start.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import httpx2
from aiokafka import TopicPartition
from confluent_kafka import Producer

from bench.judge.filling import PARTITIONS, ensured, fill
from bench.judge.fleet import well
from bench.judge.prepared import prepare
from bench.report import Figure, report
from bench.servers import own_servers
from fettle_chassis.kafka import build_consumer
from fettle_chassis.logs import configure_logging
from fettle_contracts.topics import HEARTBEATS, JUDGEMENTS
from fettle_health_monitor.domain.judgements import Clock, decode
from fettle_health_monitor.settings import HealthSettings

SETTLES_S = 30


def as_in_operation(environment: Mapping[str, str]) -> dict[str, str]:
    """Modules are compiled once, not with every start."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {**environment}


@contextmanager
def judge(environment: Mapping[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "judge.log").open("ab") as log:
        command = [sys.executable, "-m", "fettle_health_monitor", "judge"]
        process = subprocess.Popen(command, env=as_in_operation(environment), stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)


def resident(process: subprocess.Popen[bytes]) -> int:
    """Bytes in memory."""
    (line,) = (each for each in Path(f"/proc/{process.pid}/status").read_text().splitlines() if "VmRSS" in each)
    return int(line.split()[1]) * 1024


async def judges_again(settings: HealthSettings, since_ms: int) -> None:
    """Returns when every shard has shown a clock of an instant after this one."""
    consumer = build_consumer(settings, client_id="bench-clocks")
    await consumer.start()
    try:
        place = TopicPartition(settings.topic(JUDGEMENTS), 0)
        consumer.assign([place])
        await consumer.seek_to_end(place)
        missing = set(range(PARTITIONS))
        async with asyncio.timeout(180):
            while missing:
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    said = (decode(record.value) for record in records if record.value)
                    missing -= {each.shard for each in said if isinstance(each, Clock) and each.at >= since_ms}
    finally:
        await consumer.stop()


async def started(environment: Mapping[str, str], folder: Path, *, settles: bool) -> tuple[float, int, float]:
    """Starts a judge, and kills it: seconds until it judged and, if it may settle, its memory then and the share of the
    time that checkpoints took."""
    settings = HealthSettings.load(environment)
    begun, since_ms = time.perf_counter(), int(time.time() * 1000)
    with judge(environment, folder) as process:
        await judges_again(settings, since_ms)
        seconds = time.perf_counter() - begun
        if not settles:
            return seconds, 0, 0.0
        before = await checkpoint_seconds(settings)
        await asyncio.sleep(SETTLES_S)
        return seconds, resident(process), (await checkpoint_seconds(settings) - before) / SETTLES_S


async def checkpoint_seconds(settings: HealthSettings) -> float:
    """What the process has spent in checkpoints by now."""
    async with httpx2.AsyncClient(timeout=10.0) as client:
        metrics = (await client.get(f"http://127.0.0.1:{settings.judge_port}/metrics")).text
    found = [line.split()[-1] for line in metrics.splitlines() if "checkpoint_seconds_sum" in line]
    return sum(map(float, found))


def flip(settings: HealthSettings, subjects: int) -> None:
    """One device in a hundred says offline and is well again, twice. Blocks."""
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap_servers, "linger.ms": 20})
    for status in ("offline", "ok") * 2:
        for said in islice(well(subjects, 0, PARTITIONS), 0, None, 100):
            producer.produce(settings.topic(HEARTBEATS), f'{{"status":"{status}"}}', said.key, said.partition)
        producer.flush()


async def measure(environment: Mapping[str, str], subjects: int, repeats: int, folder: Path) -> list[Figure]:
    settings = HealthSettings.load(environment)
    await ensured(settings)
    fill(settings, PARTITIONS * 10, 0)
    await prepare(settings, PARTITIONS * 10)
    _, empty, _ = await started(environment, folder, settles=True)
    fill(settings, subjects, 0)
    flip(settings, subjects)
    await started(environment, folder, settles=True)
    bytes_each, shares, starts = [], [], []
    for _ in range(repeats):
        _, full, share = await started(environment, folder, settles=True)
        bytes_each.append((full - empty) / subjects)
        shares.append(share)
        starts.append((await started(environment, folder, settles=False))[0])
    details = {"subjects": subjects, "partitions": PARTITIONS}
    return [
        Figure("memory", "bytes/subject", bytes_each, better="lower", bound="<= 280", details=details),
        Figure("checkpoints, with all their waiting", "of the time", shares, better="lower", bound="<= 0.05"),
        Figure("killed, and judging again", "s", starts, better="lower", bound="<= 15", details=details),
    ]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--subjects", type=int, default=1_000_000)
    options.add_argument("--repeats", type=int, default=3)
    plan = options.parse_args()
    configure_logging("bench", stream=sys.stderr)
    with own_servers(PARTITIONS) as environment, tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(environment, plan.subjects, plan.repeats, Path(folder)))
    report("A judge with a million subjects, killed and started again", found, "judge_restart")
    return 0 if all(figure.worst <= float(figure.bound.removeprefix("<= ")) for figure in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
