"""How many heartbeats a second does one judge process take from the topic, beside a consumer that only fetches them?

Both read the same records in turn, several times. The judge is the whole process but its HTTP server, with its group,
pulses, clocks, checkpoints and journal, taking up 100,000 subjects from a checkpoint as after a restart. It catches up
with a fleet's last minutes, more than ten seconds of judging: a policy with overrides is in force, devices are offline,
fall silent and come back, some flap, and all that it says of them goes to `health.judgements`; the last of it to arrive
there ends the measured time. Three kinds of heartbeats: without a body, of devices that say the same each time, and
with `seq` and `at` that make every value another. "Fetched only" is the stock client under Python's own settings.

What checkpoints take of that time is measured three times: from their first step to their last, with those that are
under way when all is judged; what they wait in that for the database to have them; and what they keep the process from
judging, which is what is bounded: while they wait, it judges.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.memory_records import MemoryRecords
from prometheus_client import REGISTRY

from bench.judge.busy import Busy
from bench.judge.filling import PARTITIONS, end_offsets, ensured, fill_past
from bench.judge.prepared import behind_prepared, places, prepare, rewind
from bench.report import Figure, report
from fettle_chassis.garbage import collect_rarely
from fettle_chassis.kafka import build_consumer
from fettle_chassis.large_buffers import give_back_large_buffers
from fettle_chassis.logs import configure_logging
from fettle_chassis.service import Service
from fettle_contracts.topics import HEARTBEATS, JUDGEMENTS
from fettle_devstack.isolation import discard, isolated
from fettle_devstack.pytest_plugin import own_pair
from fettle_health_monitor import judge_app
from fettle_health_monitor.domain.judgements import Change, decode
from fettle_health_monitor.judge.owned import Shards
from fettle_health_monitor.settings import HealthSettings

KINDS = {"empty": 0.80, "equal": 0.80, "changing": 0.65}
"""Of what the stock client fetches the judge should reach this much."""
CHECKPOINTS = 0.05
"""So much of the judge's time checkpoints may take."""
RECORDS = {"empty": 9_000_000, "equal": 7_000_000, "changing": 5_000_000}
"""Some 12 seconds of judging each."""

Taken = dict[str, Any]


# The measured processes


async def fetch(settings: HealthSettings, ends: Mapping[int, int]) -> Taken:
    """Everything behind the checkpoints, fetched and thrown away."""
    fetcher.MemoryRecords = MemoryRecords  # the client's own, in place of the chassis's
    topic = settings.topic(HEARTBEATS)
    starts = await behind_prepared(settings)
    consumer = build_consumer(settings, client_id="fetch")
    await consumer.start()
    where = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    consumer.assign(where)
    for place in where:
        consumer.seek(place, starts[place.partition])
    missing, total, begun, cpu = set(range(PARTITIONS)), 0, 0.0, time.process_time()
    while missing:
        for place, records in (await consumer.getmany(timeout_ms=1000)).items():
            begun = begun or time.perf_counter()
            total += len(records)
            if records[-1].offset + 1 >= ends[place.partition]:
                missing.discard(place.partition)
    took, cpu = time.perf_counter() - begun, time.process_time() - cpu
    await consumer.stop()
    return {"records_s": total / took, "records_cpu_s": total / cpu}


async def judge(settings: HealthSettings, ends: Mapping[int, int]) -> Taken:
    """The same records, judged by the process that judges in operation."""
    give_back_large_buffers()
    starts, said = await behind_prepared(settings), await end_offsets(settings, JUDGEMENTS)
    shards, busy = Shards(), Busy()
    busy.watch()
    service = Service("bench")
    service.add(*judge_app.judge_parts(settings, shards))
    async with service.running():
        collect_rarely()  # as every process of a service does
        await reached(lambda: sum(places(shards).values()) > sum(starts.values()))
        begun, wall, cpu = time.perf_counter(), time.time(), time.process_time()
        await reached(lambda: all(places(shards)[partition] >= ends[partition] for partition in range(PARTITIONS)))
        judged, cpu = time.perf_counter() - begun, time.process_time() - cpu
        saved, whole = sample("checkpoints_total", outcome="saved"), busy.whole.seconds
        written, instead = busy.written.seconds, busy.seconds
    changes, last = await changes_since(settings, said)
    took = max(judged, last - wall)
    total = sum(ends[partition] - starts[partition] for partition in range(PARTITIONS))
    return {
        "records_s": total / took,
        "records_cpu_s": total / cpu,
        "seconds": took,
        "changes": changes,
        "checkpoints": saved,
        "checkpoints_whole": whole / judged,
        "checkpoints_written": written / judged,
        "checkpoints_busy": instead / judged,
    }


def sample(name: str, **labels: str) -> float:
    """What a metric of this process's judge stands at."""
    return REGISTRY.get_sample_value(f"fettle_judge_{name}", labels) or 0.0


async def reached(there: Callable[[], bool]) -> None:
    """The judge announces nothing while it reads; looking every few milliseconds costs it next to nothing."""
    while not there():  # noqa: ASYNC110
        await asyncio.sleep(0.002)


async def changes_since(settings: HealthSettings, starts: Mapping[int, int]) -> tuple[Counter[str], float]:
    """The changes that were said from these places on, by where they led, and the broker time of the last one, in
    seconds."""
    consumer = build_consumer(settings, client_id="said")
    await consumer.start()
    found, last = Counter[str](), 0.0
    try:
        where = [TopicPartition(settings.topic(JUDGEMENTS), partition) for partition in starts]
        consumer.assign(where)
        for place in where:
            consumer.seek(place, starts[place.partition])
        ends = await consumer.end_offsets(where)
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    change = decode(record.value)
                    if isinstance(change, Change):
                        found[f"{change.from_state} to {change.to_state}"] += 1
                        last = max(last, record.timestamp / 1000)
    finally:
        await consumer.stop()
    return found, last


MEASURES: dict[str, Callable[[HealthSettings, Mapping[int, int]], Coroutine[None, None, Taken]]] = {
    "fetch": fetch,
    "judge": judge,
}


# The comparison


def measured(environment: Mapping[str, str], what: str, ends: Mapping[int, int]) -> Taken:
    """One run in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.judge_throughput", "--measure", what, "--ends", json.dumps(ends)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{what} failed:\n{done.stdout}\n{done.stderr}")
    answer: Taken = json.loads(done.stdout.splitlines()[-1])
    return answer


def compare(environment: Mapping[str, str], kind: str, subjects: int, records: int, repeats: int) -> list[Figure]:
    settings = HealthSettings.load(environment)
    fill_past(settings, subjects, 1 + -(-records // subjects), kind)
    asyncio.run(ensured(settings))
    asyncio.run(prepare(settings, subjects))
    ends = asyncio.run(end_offsets(settings))
    runs: dict[str, list[Taken]] = {what: [] for what in MEASURES}
    for _ in range(repeats):
        for what, taken in runs.items():
            asyncio.run(rewind(settings))
            taken.append(measured(environment, what, ends))
            print(kind, what, taken[-1], file=sys.stderr, flush=True)
    return figures(kind, subjects, records, runs["fetch"], runs["judge"])


def figures(kind: str, subjects: int, records: int, fetched: list[Taken], judged: list[Taken]) -> list[Figure]:
    details = {"subjects": subjects, "partitions": PARTITIONS, "records": records, "heartbeats": kind}
    ratios = [after["records_s"] / before["records_s"] for before, after in zip(fetched, judged, strict=True)]

    def series(name: str, unit: str, key: str, **more: Any) -> Figure:
        return Figure(f"{kind}: {name}", unit, [run[key] for run in judged], details=details | more)

    def share(name: str, key: str, bound: str = "") -> Figure:
        values = [run[key] for run in judged]
        name = f"{kind}: checkpoints, {name}"
        return Figure(name, "of the time", values, better="lower", bound=bound, details=details)

    changes = [sum(run["changes"].values()) for run in judged]
    return [
        Figure(f"{kind}: fetched only", "records/s", [run["records_s"] for run in fetched], details=details),
        Figure(f"{kind}: fetched only", "records/CPU s", [run["records_cpu_s"] for run in fetched], details=details),
        series("judged", "records/s", "records_s"),
        series("judged", "records/CPU s", "records_cpu_s"),
        Figure(f"{kind}: judged / fetched", "ratio", ratios, bound=f">= {KINDS[kind]}", details=details),
        series("judged for", "s", "seconds"),
        Figure(f"{kind}: changes", "", changes, details=details | {"changes": judged[0]["changes"]}),
        Figure(
            f"{kind}: checkpoints",
            "",
            [run["checkpoints"] for run in judged],
            bound=">= 1" if records >= RECORDS[kind] else "",
            details=details,
        ),
        share("with all their waiting", "checkpoints_whole"),
        share("waiting for their write", "checkpoints_written"),
        share("instead of judging", "checkpoints_busy", f"<= {CHECKPOINTS}"),
    ]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--subjects", type=int, default=100_000)
    options.add_argument("--records", type=int, help=f"of each kind; if not given {RECORDS}")
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    options.add_argument("--measure", choices=list(MEASURES), help=argparse.SUPPRESS)
    options.add_argument("--ends", type=json.loads, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    configure_logging("bench", stream=sys.stderr)
    if chosen.measure:
        settings, ends = HealthSettings.load(), {int(part): end for part, end in chosen.ends.items()}
        print(json.dumps(asyncio.run(MEASURES[chosen.measure](settings, ends))))
        return 0
    found: list[Figure] = []
    with own_pair(Path(__file__).parent.parent, os.environ) as servers:
        for kind in chosen.kinds:
            environment = isolated(servers, PARTITIONS)
            try:
                records = chosen.records or RECORDS[kind]
                found += compare(environment, kind, chosen.subjects, records, chosen.repeats)
            finally:
                discard(servers, environment)
    report("Heartbeats judged by one process, from the topic", found, "judge_throughput")
    least = [figure for figure in found if figure.bound.startswith(">=")]
    kept = (figure.worst >= float(figure.bound.removeprefix(">= ")) for figure in least)
    saved = (figure.worst <= CHECKPOINTS for figure in found if figure.bound.startswith("<="))
    return 0 if all(kept) and all(saved) else 1


if __name__ == "__main__":
    raise SystemExit(main())
