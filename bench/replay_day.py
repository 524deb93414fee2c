"""How long does it take to judge a day of 20,000 devices once more?

A heartbeat of each every 30 seconds is 57.6 million in a day. They are folded by the shards of twelve partitions on one
core, and all that these say goes through the correlator's domain with its facts in memory: clocks, lost heartbeats,
verdicts, rollups, silences, watches and commands, up to what would be asked of the ticket service. What a replay costs
without reading the log. What befalls the fleet stands in `replay/day.py`. Making the records up is not counted; beside
it stands how long the very same loop takes that only looks at each record.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

from bench.judge.fleet import VERSION
from bench.replay.correlator import Correlator
from bench.replay.day import PARTITIONS, STORM, UNREACHABLE, Day, Partition, Record, read_control
from bench.report import Figure, report
from fettle_health_monitor.domain.correlator.clocks import ShardClock
from fettle_health_monitor.domain.correlator.losses import LOST
from fettle_health_monitor.domain.correlator.rollups import MANY
from fettle_health_monitor.domain.judge.shard import Shard
from fettle_health_monitor.domain.judgements import Change, Judgement

WHOLE = 1_440
SHARED = {MANY: len(STORM), "integration_unreachable": len(UNREACHABLE), LOST: 1}
"""The tickets that such a day must bring, besides those of devices."""
APART = 240
"""In so many minutes nothing that befalls the fleet coincides with another."""


@dataclass(slots=True)
class Spent:
    """Heartbeats and changes, and seconds of judging, of deciding, and of only looking at the records."""

    heartbeats: int = 0
    changes: int = 0
    judged: float = 0.0
    decided: float = 0.0
    looked: float = 0.0


def replay(minutes: int) -> tuple[Spent, Correlator]:
    day, spent = Day(minutes), Spent()
    partitions = [Partition(number, day) for number in range(PARTITIONS)]
    shards = [Shard(number, PARTITIONS, 1) for number in range(PARTITIONS)]
    correlator = Correlator(VERSION, PARTITIONS, day.silences())
    for minute in range(minutes):
        silent = day.silent(minute)
        for partition, shard in zip(partitions, shards, strict=True):
            records = partition.minute(minute, silent)
            spent.looked += look(records)
            spent.heartbeats += sum(not record.headers for record in records)
            judge(shard, records, correlator, spent)
        begun = time.perf_counter()
        correlator.decide()
        spent.decided += time.perf_counter() - begun
        if minute % 60 == 59:
            print(f"{spent}, {dict(correlator.outcomes)}", flush=True)
    if correlator.called != correlator.outcomes.total() + correlator.waiting:
        raise AssertionError(f"{correlator.called} verdicts, {correlator.waiting} wait, {dict(correlator.outcomes)}")
    return spent, correlator


def judge(shard: Shard, records: list[Record], correlator: Correlator, spent: Spent) -> None:
    begun = time.perf_counter()
    said: list[Judgement] = []
    for start in range(0, len(records), 500):
        said += shard.fold(records[start : start + 500], read_control).judgements
    between = time.perf_counter()
    clock = shard.judge.clock
    correlator.hear(ShardClock(shard.partition, shard.generation, clock.said, clock.now), said)
    spent.judged += between - begun
    spent.decided += time.perf_counter() - between
    spent.changes += sum(isinstance(each, Change) for each in said)


def look(records: list[Record]) -> float:
    begun = time.perf_counter()
    for record in records:
        _ = record.offset, record.timestamp, record.key, record.value, record.headers
    return time.perf_counter() - begun


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=int, default=WHOLE)
    plan = options.parse_args()
    spent, correlator = replay(plan.minutes)
    shared = {what: correlator.opened[what] for what in SHARED}
    if plan.minutes >= APART and shared != SHARED:
        raise AssertionError(f"tickets about {shared}")
    took = spent.judged + spent.decided
    details = {
        "heartbeats": spent.heartbeats,
        "minutes": plan.minutes,
        "changes": spent.changes,
        "outcomes": dict(correlator.outcomes),
        "opened": dict(correlator.opened),
        "commands": dict(correlator.commands),
    }
    bound = plan.minutes * 600 / WHOLE
    found = [
        Figure("judged and decided", "s", [took], better="lower", bound=f"<= {bound:g}", details=details),
        Figure("of that decided", "s", [spent.decided], better="lower", details=details),
        Figure("heartbeats", "1/s", [spent.heartbeats / took], details=details),
        Figure("beside only looking at them", "times", [took / spent.looked], better="lower", details=details),
    ]
    report("A day of 20,000 devices, judged once more", found, "replay_day")
    return 0 if took <= bound else 1


if __name__ == "__main__":
    raise SystemExit(main())
