"""How much more do two judge processes take from one topic than one, on two cores beside the broker?

The processes own their shards and wait; they are stopped while the topic is filled, go on together, and what counts is
when the last shard has judged the last record. One process and two take turns, several times.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bench.judge.filling import PARTITIONS, end_offsets, ensured, fill
from bench.judge.prepared import places, prepare
from bench.report import Figure, report
from bench.servers import own_servers
from fettle_chassis.garbage import collect_rarely
from fettle_chassis.logs import configure_logging
from fettle_chassis.service import Service
from fettle_health_monitor import judge_app
from fettle_health_monitor.judge.owned import Shards
from fettle_health_monitor.settings import HealthSettings

WITHIN_S = 120.0


async def judge(settings: HealthSettings) -> None:
    """Judges until it is killed; says where its shards are, fifty times a second."""
    shards = Shards()
    service = Service("bench")
    service.add(*judge_app.judge_parts(settings, shards))
    async with service.running():
        collect_rarely()  # as every process of a service does
        while True:
            print(json.dumps([time.time(), {part: at for part, at in places(shards).items() if at}]), flush=True)
            await asyncio.sleep(0.02)


class Judges:
    """Processes that share the partitions, and where they are."""

    def __init__(self, environment: Mapping[str, str], number: int) -> None:
        command = [sys.executable, "-m", "bench.judge_processes", "--judge"]
        self.processes = [
            subprocess.Popen(
                command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            for _ in range(number)
        ]
        for process in self.processes:
            assert process.stdout is not None
            os.set_blocking(process.stdout.fileno(), False)
        self.at: dict[int, tuple[float, dict[int, int]]] = {}
        self._rest = dict.fromkeys(range(number), "")

    def look(self) -> None:
        """Takes in what they have said since."""
        for number, process in enumerate(self.processes):
            assert process.stdout is not None
            if select.select([process.stdout], [], [], 0.02)[0]:
                self._rest[number] += os.read(process.stdout.fileno(), 1 << 20).decode()
            *lines, self._rest[number] = self._rest[number].split("\n")
            if lines:
                when, where = json.loads(lines[-1])
                self.at[number] = (when, {int(part): at for part, at in where.items()})

    def share(self) -> bool:
        """Whether each has its part of the shards."""
        each = PARTITIONS // len(self.processes)
        return len(self.at) == len(self.processes) and all(len(where) == each for _, where in self.at.values())

    def done(self, ends: Mapping[int, int]) -> float | None:
        """When the last record had been judged, if it has."""
        reached = {part: at for _, where in self.at.values() for part, at in where.items()}
        over = all(reached.get(part, 0) >= end for part, end in ends.items())
        return max(when for when, _ in self.at.values()) if over else None

    def tell(self, what: signal.Signals) -> None:
        for process in self.processes:
            process.send_signal(what)


@contextmanager
def judges(environment: Mapping[str, str], number: int) -> Iterator[Judges]:
    running = Judges(environment, number)
    try:
        yield running
    finally:
        running.tell(signal.SIGKILL)
        for process in running.processes:
            process.wait(30)


def measured(environment: Mapping[str, str], number: int, subjects: int, records: int) -> float:
    """Records a second that so many processes judge together."""
    settings = HealthSettings.load(environment)
    with judges(environment, number) as running:
        give_up = time.monotonic() + WITHIN_S
        while not running.share():
            running.look()
            if time.monotonic() > give_up:
                raise SystemExit(f"{number} judges do not share the shards: {running.at}")
        running.tell(signal.SIGSTOP)
        before = asyncio.run(end_offsets(settings))
        fill(settings, subjects, records)
        ends = asyncio.run(end_offsets(settings))
        begun = time.time()
        running.tell(signal.SIGCONT)
        while (done := running.done(ends)) is None:
            running.look()
            if time.monotonic() > give_up:
                raise SystemExit(f"{number} judges do not come to the end: {running.at} of {ends}")
    return (sum(ends.values()) - sum(before.values())) / (done - begun)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--subjects", type=int, default=100_000)
    options.add_argument("--records", type=int, default=1_500_000)
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--judge", action="store_true", help=argparse.SUPPRESS)
    plan = options.parse_args()
    configure_logging("bench", stream=sys.stderr)
    if plan.judge:
        asyncio.run(judge(HealthSettings.load()))
    rates: dict[int, list[float]] = {1: [], 2: []}
    with own_servers(PARTITIONS) as environment:
        settings = HealthSettings.load(environment)
        asyncio.run(ensured(settings))
        fill(settings, plan.subjects, 0)
        asyncio.run(prepare(settings, plan.subjects))
        for _ in range(plan.repeats):
            for number, taken in rates.items():
                taken.append(measured(environment, number, plan.subjects, plan.records))
    details = {"subjects": plan.subjects, "partitions": PARTITIONS, "records": plan.records}
    ratios = [two / one for one, two in zip(rates[1], rates[2], strict=True)]
    found = [
        Figure("one process", "records/s", rates[1], details=details),
        Figure("two processes", "records/s", rates[2], details=details),
        Figure("two / one", "ratio", ratios, bound=">= 1.3", details=details),
    ]
    report("Two judges that share a topic", found, "judge_processes")
    return 0 if min(ratios) >= 1.3 else 1


if __name__ == "__main__":
    raise SystemExit(main())
