"""How long does it take to judge a day of 20,000 devices once more?

A heartbeat of each every 30 seconds is 57.6 million in a day. They are folded by the shards of twelve partitions, one
after the other on one core, and what comes of them is decided by the correlator's domain, with its facts in memory:
what a replay costs without reading the log. Every minute one device in a thousand falls silent for five minutes. Making
the records up is not counted; beside it stands how long the very same loop takes that only looks at each record.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from bench.judge.fleet import POLICY, value
from bench.report import Figure, report
from fettle_contracts.partitions import partition_for
from fettle_contracts.ticket import TicketState
from fettle_health_monitor.domain.control import Pulse
from fettle_health_monitor.domain.correlator.decide import Facts, Switches, decide
from fettle_health_monitor.domain.correlator.incident import Incident, KnownTicket
from fettle_health_monitor.domain.correlator.outcomes import Opened, Resolved, Wait
from fettle_health_monitor.domain.correlator.verdicts import Named, called_for
from fettle_health_monitor.domain.judge.shard import HeartbeatRecord, Numbered, Shard
from fettle_health_monitor.domain.judgements import Change

PARTITIONS, DEVICES, EVERY_S = 12, 20_000, 30
T0 = 1_790_000_000_000
SWITCHES = Switches(version=1, enabled=True, publish_tickets=True)
AWAY_MINUTES, ONE_IN = 5, 1_000


class Record(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


def read_control(record: HeartbeatRecord) -> Numbered | None:
    """Control records are told by their key; the other records have no headers to look at."""
    if not record.headers:
        return None
    policy = (record.key or b"").decode() == POLICY.org
    return Numbered(
        1 if policy else 0, (record.key or b"").decode(), POLICY if policy else Pulse(owner="bench", beat=0)
    )


class Partition:
    """One shard's devices and log, made up minute by minute."""

    def __init__(self, number: int) -> None:
        keys = [f"{POLICY.org}/device/d{device}".encode() for device in range(DEVICES)]
        mine = [device for device in range(DEVICES) if partition_for(keys[device], PARTITIONS) == number]
        self.devices = [(device, keys[device], value(device)) for device in mine]
        self.offset = 0
        self.number = number

    def minute(self, minute: int) -> list[Record]:
        """Its heartbeats of this minute, spread evenly, and a pulse each second."""
        begins = T0 + minute * 60_000
        due = [(begins + 1_000 * second, b"", b"", True) for second in range(60)]
        for place, (device, key, said) in enumerate(self.devices):
            if any((device + gone) % ONE_IN == 0 for gone in range(minute - AWAY_MINUTES, minute) if gone > 0):
                continue
            first = begins + place * EVERY_S * 1_000 // len(self.devices)
            due += [(first, key, said, False), (first + EVERY_S * 1_000, key, said, False)]
        due.sort(key=lambda each: each[0])
        return [self._record(*each) for each in due]

    def first(self) -> Record:
        return self._record(T0, POLICY.org.encode(), b"", True)

    def _record(self, at: int, key: bytes, said: bytes, control: bool) -> Record:
        self.offset += 1
        headers = (("fettle-control", b""),) if control else ()
        return Record(self.offset, at, key or b"shard", said, headers)


class Tickets:
    """What the correlator's domain makes of changes, with what it knows of tickets in memory."""

    def __init__(self) -> None:
        self._incidents: dict[str, dict[str, Incident]] = {}
        self.outcomes: Counter[str] = Counter()
        self.called = 0

    def take(self, change: Change) -> None:
        self.called += calls(change)
        verdict = called_for(change, Named())
        if verdict is None:
            return
        known = self._incidents.setdefault(verdict.subject, {})
        outcome = decide(verdict, Facts(switches=SWITCHES, org_deleted=False, incidents=known))
        if isinstance(outcome, Wait):
            raise AssertionError("nothing waits without an integration's ticket")
        self.outcomes[outcome.name] += 1
        if isinstance(outcome, Opened):
            ticket = KnownTicket(UUID(int=1), sum(self.outcomes.values()), TicketState.OPEN, 1)
            known[verdict.condition] = Incident(ticket)
        elif isinstance(outcome, Resolved):
            known.clear()


def replay(minutes: int) -> Iterator[tuple[int, float, float, Counter[str]]]:
    """By partition: heartbeats, seconds of judging, seconds of looking, outcomes."""
    for number in range(PARTITIONS):
        partition, shard, tickets = Partition(number), Shard(number, PARTITIONS, 1), Tickets()
        heartbeats, judged, looked = 0, 0.0, 0.0
        for minute in range(minutes):
            records = partition.minute(minute)
            if minute == 0:
                records.insert(0, partition.first()._replace(offset=0))
            begun = time.perf_counter()
            for start in range(0, len(records), 500):
                for judgement in shard.fold(records[start : start + 500], read_control).judgements:
                    if isinstance(judgement, Change):
                        tickets.take(judgement)
            between = time.perf_counter()
            looked += look(records)
            judged += between - begun
            heartbeats += len(records) - 60
        if tickets.called != tickets.outcomes.total():
            raise AssertionError(f"{tickets.called} verdicts and {dict(tickets.outcomes)}")
        yield heartbeats, judged, looked, tickets.outcomes


def calls(change: Change) -> bool:
    """Whether a change calls for a verdict, told apart from what the correlator makes of it."""
    moved = (change.from_state, change.to_state)
    return change.to_state == "flapping" or moved in {
        ("pending_open", "firing"),
        ("firing", "firing"),
        ("pending_resolve", "healthy"),
        ("flapping", "healthy"),
    }


def look(records: list[Record]) -> float:
    begun = time.perf_counter()
    for record in records:
        _ = record.offset, record.timestamp, record.key, record.value, record.headers
    return time.perf_counter() - begun


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=int, default=1_440)
    plan = options.parse_args()
    heartbeats, judged, looked, outcomes = 0, 0.0, 0.0, Counter[str]()
    for beats, seconds, looking, ended in replay(plan.minutes):
        heartbeats, judged, looked, outcomes = heartbeats + beats, judged + seconds, looked + looking, outcomes + ended
        print(f"{heartbeats:,} heartbeats in {judged:,.1f} s, {dict(outcomes)}", flush=True)
    details = {"heartbeats": heartbeats, "minutes": plan.minutes, "outcomes": dict(outcomes)}
    bound = f"<= {plan.minutes * 600 / 1_440:g}"
    found = [
        Figure("judged and decided", "s", [judged], better="lower", bound=bound, details=details),
        Figure("heartbeats", "1/s", [heartbeats / judged], details=details),
        Figure("beside only looking at them", "times", [judged / looked], better="lower", details=details),
    ]
    report("A day of 20,000 devices, judged once more", found, "replay_day")
    return 0 if judged <= plan.minutes * 600 / 1_440 else 1


if __name__ == "__main__":
    raise SystemExit(main())
