"""How soon does a judge that is killed judge again, and what do a million subjects cost it: memory and checkpoints?

A judge process takes up a fleet from its checkpoints, is killed without a word and started again at once, while the
fleet goes on reporting; everybody once a minute. Until it judges again is from the start of the process to the last
shard's first clock that is later than that start, with all that comes before: the dead process's slot and place in the
group, the checkpoints, and the records since. First the fleet has 100,000 devices, then a million.

Its memory beside that of a judge with forty subjects is what a million cost. One in a hundred has flipped of late.
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
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import httpx2
from aiokafka import TopicPartition
from confluent_kafka import Producer

from bench.judge.beating import beating
from bench.judge.filling import PARTITIONS, ensured, fill
from bench.judge.fleet import TURN_MS, well
from bench.judge.prepared import prepare
from bench.report import Figure, report
from bench.servers import own_servers
from fettle_chassis.kafka import build_consumer
from fettle_chassis.logs import configure_logging
from fettle_contracts.topics import HEARTBEATS, JUDGEMENTS
from fettle_health_monitor.domain.judgements import Clock, decode
from fettle_health_monitor.settings import HealthSettings

EMPTY = PARTITIONS * 10


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


@dataclass
class Found:
    """Of each process: seconds until it judged; bytes in memory after a while, and the share of that while that
    checkpoints took, with all their waiting."""

    starts: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)


async def killed(environment: Mapping[str, str], folder: Path, repeats: int, settles_s: int) -> Found:
    """Starts a judge and kills it when it has settled, so many times and once before."""
    settings, found = HealthSettings.load(environment), Found()
    for _ in range(1 + repeats):
        begun, since_ms = time.perf_counter(), int(time.time() * 1000)
        with judge(environment, folder) as process:
            await judges_again(settings, since_ms)
            found.starts.append(time.perf_counter() - begun)
            before, measured = await checkpoint_seconds(settings), time.perf_counter()
            await asyncio.sleep(settles_s)
            spent = await checkpoint_seconds(settings) - before
            found.shares.append(spent / (time.perf_counter() - measured))
            found.memory.append(resident(process))
    return Found(found.starts[1:], found.memory[1:], found.shares[1:])


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


async def measure(environment: Mapping[str, str], plan: argparse.Namespace, folder: Path) -> list[Figure]:
    settings = HealthSettings.load(environment)
    await ensured(settings)
    fill(settings, EMPTY, 0)
    await prepare(settings, EMPTY)
    empty = (await killed(environment, folder, 1, plan.settles_s)).memory[0]
    found = {}
    for subjects in (plan.few, plan.subjects):
        fill(settings, subjects, 0)
        flip(settings, subjects)
        with beating(settings, subjects):
            found[subjects] = await killed(environment, folder, plan.repeats, plan.settles_s)
    return [
        *figures(plan.few, found[plan.few], "<= 5"),
        Figure(
            "memory",
            "bytes/subject",
            [(full - empty) / plan.subjects for full in found[plan.subjects].memory],
            better="lower",
            bound="<= 280",
            details={"subjects": plan.subjects, "partitions": PARTITIONS},
        ),
        *figures(plan.subjects, found[plan.subjects], "<= 15"),
    ]


def figures(subjects: int, found: Found, bound: str) -> list[Figure]:
    details = {"subjects": subjects, "partitions": PARTITIONS, "heartbeats_s": subjects * 1000 / TURN_MS}
    name = f"{subjects:,} subjects"
    return [
        Figure(f"{name}: killed, and judging again", "s", found.starts, better="lower", bound=bound, details=details),
        Figure(
            f"{name}: checkpoints, with all their waiting",
            "of the time",
            found.shares,
            better="lower",
            bound="<= 0.05",
            details=details,
        ),
    ]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--few", type=int, default=100_000)
    options.add_argument("--subjects", type=int, default=1_000_000)
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--settles-s", type=int, default=30, help="three checkpoints of every shard")
    plan = options.parse_args()
    configure_logging("bench", stream=sys.stderr)
    with own_servers(PARTITIONS) as environment, tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(environment, plan, Path(folder)))
    report("A judge, killed and started again under its fleet", found, "judge_restart")
    return 0 if all(figure.worst <= float(figure.bound.removeprefix("<= ")) for figure in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
