"""How late is the monitor when 20,000 timers are due in one second?

20,000 devices behind 40 integrations report for the last time within a second, once judge, correlator and ticket
service have caught up with all that came before. Three seconds later everybody's silence is too long, and twenty
seconds after that everybody fires: 20,000 changes each time, and 20,000 single tickets. For that the rollup threshold
is out of reach, and 80,000 others stay well, and have been for as long as a window takes: nobody need think that the
org's heartbeats are lost. Lateness is broker time minus the instant at which the rule became true: of the change, as
the judge writes it; of the transition that the world is told; of the open command; and of the ticket's `opened` in
`ticket.events`. Judge, correlator, ticket service and its relay are real processes over twelve shards, and share the
cores with broker and database.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition
from tests.verdict_books import check_books

from bench.correlator.burst import Burst
from bench.correlator.caught_up import correlator_caught_up, judge_caught_up, tickets_caught_up
from bench.lateness import INTEGRATIONS, PARTITIONS, SINGLE, begin, everything, percentile, processes, put_policy, ready
from bench.report import Figure, report
from bench.servers import own_servers
from bench.tickets.processes import running
from fettle_chassis.kafka import build_consumer, build_producer
from fettle_chassis.logs import configure_logging
from fettle_contracts.ticket_events import EntryType
from fettle_contracts.times import parse_time, to_ms
from fettle_contracts.topics import COMMANDS, EVENTS, JUDGEMENTS, TRANSITIONS
from fettle_health_monitor.domain.judgements import Change, decode
from fettle_health_monitor.settings import HealthSettings

DEBOUNCE_S, WINDOW_S = 20, 60
PATIENT = {"match": {"model": "patient"}, "timeout_s": WINDOW_S}
"""Those who stay well report now and then. Their timeout is no longer than the rollup window: they count."""
POLICY = {
    **SINGLE,
    "timeout_s": 3,
    "rollup_window_s": WINDOW_S,
    "open_debounce_s": DEBOUNCE_S,
    "resolve_debounce_s": 2,
    "overrides": [PATIENT],
}
WELL = 4
"""To each device that falls silent, of those that stay well: 20,000 of 100,000, as in a storm."""
WITHIN_S = 180
BURSTS = {"pending_open": "silent", "firing": "firing"}
REPORTED = "the last reports came within"
BOUNDS = {
    REPORTED: 1,
    "silent: change, p99": 1.5,
    "firing: change, p99": 1.5,
    "silent: transition, p99": 1.5,
    "firing: transition, p99": 1.5,
    "firing: ticket opened, p99": 15.0,
}

Late = dict[str, list[int]]
"""Milliseconds, by what is late."""


async def fall_silent(settings: HealthSettings, org: str, plan: argparse.Namespace) -> float:
    """Everybody reports until judge, correlator and ticket service have caught up with that, and then for the last
    time; answers how long that took, in seconds."""
    burst = Burst(settings, org, plan.devices, round(plan.devices * WELL))
    reporting = asyncio.create_task(asyncio.to_thread(burst.report))
    try:
        await asyncio.to_thread(burst.introduced.wait)
        await asyncio.sleep(WINDOW_S - DEBOUNCE_S)
        await judge_caught_up(settings, PARTITIONS)
        await correlator_caught_up(settings, PARTITIONS)
        await tickets_caught_up(settings, PARTITIONS)
    finally:
        burst.caught_up.set()
        took = await reporting
    return took


async def opened(settings: HealthSettings, tickets: int) -> None:
    """Returns when `ticket.events` holds so many records. Who reads along takes time away from those who are measured:
    this looks at its ends alone."""
    consumer = build_consumer(settings, client_id="bench-ends")
    await consumer.start()
    try:
        places = [TopicPartition(settings.topic(EVENTS), partition) for partition in range(PARTITIONS)]
        async with asyncio.timeout(WITHIN_S):
            while sum((await consumer.end_offsets(places)).values()) < tickets:  # noqa: ASYNC110 - another process's doing
                await asyncio.sleep(0.5)
    finally:
        await consumer.stop()


async def lateness(settings: HealthSettings, org: str, devices: int) -> Late:
    """Of everything that the burst has brought the org."""
    late, fired = defaultdict[str, list[int]](list), dict[str, int]()
    async with everything(settings, JUDGEMENTS, TRANSITIONS, COMMANDS) as records:
        for record in records:
            if record.key == org.encode():
                for what, at in said(settings, record, fired):
                    late[what].append(record.timestamp - at)
    async with everything(settings, EVENTS) as records:
        for record in records:
            body = json.loads(record.value)
            if body["org"] == org and body["entry"]["type"] == EntryType.OPENED:
                late["firing: ticket opened"].append(record.timestamp - fired[body["ticket"]["subject"]["id"]])
    found = {what: len(values) for what, values in late.items()}
    if set(found.values()) != {devices} or len(found) != 6:
        raise AssertionError(f"of {devices} devices {found}")
    return late


def said(settings: HealthSettings, record: Any, fired: dict[str, int]) -> Iterator[tuple[str, int]]:
    """What a record is about, if it is of a burst, and the instant that it says. `fired` is filled in."""
    if record.topic == settings.topic(COMMANDS):
        yield "firing: open command", to_ms(parse_time(json.loads(record.value)["at"]))
    elif record.topic == settings.topic(TRANSITIONS):
        body = json.loads(record.value)
        if body["to"] in BURSTS:
            yield f"{BURSTS[body['to']]}: transition", to_ms(parse_time(body["at"]))
    else:
        change = decode(record.value)
        if isinstance(change, Change) and change.to_state in BURSTS:
            if change.to_state == "firing":
                fired[change.subject.partition("/")[2]] = change.at
            yield f"{BURSTS[change.to_state]}: change", change.at


async def measure(environment: Mapping[str, str], plan: argparse.Namespace) -> list[Figure]:
    settings = HealthSettings.load(environment)
    await ready(settings)
    producer = build_producer(settings, client_id="bench")
    await producer.start()
    late, within = defaultdict[str, list[float]](list), []
    try:
        for number in range(plan.repeats):
            org = f"burst-{number}"
            await begin(settings, producer, org, POLICY)
            within.append(await fall_silent(settings, org, plan))
            await opened(settings, plan.devices * (number + 1))
            await put_policy(settings, org, {"enabled": False})  # who stayed well would fire in another's burst
            for what, values in (await lateness(settings, org, plan.devices)).items():
                late[f"{what}, p99"].append(percentile(values, 0.99))
        await check_books(settings.database_dsn("health"))
    finally:
        await producer.stop()
    details = {
        "devices": plan.devices,
        "others": round(plan.devices * WELL),
        "integrations": INTEGRATIONS,
        "partitions": PARTITIONS,
    }
    found = []
    for what, seconds in ((REPORTED, within), *sorted(late.items(), reverse=True)):
        bound = f"<= {BOUNDS[what]:g}" if what in BOUNDS else ""
        found.append(Figure(what, "s", seconds, better="lower", bound=bound, details=details))
    return found


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--devices", type=int, default=20_000)
    options.add_argument("--repeats", type=int, default=3)
    plan = options.parse_args()
    configure_logging("bench", stream=sys.stderr)
    with (
        own_servers(PARTITIONS) as environment,
        tempfile.TemporaryDirectory() as folder,
        running(environment),
        processes(environment, Path(folder)),
    ):
        found = asyncio.run(measure(environment, plan))
    report("Lateness with all timers due in one second", found, "timer_burst")
    return 0 if all(figure.worst <= BOUNDS.get(figure.name, figure.worst) for figure in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
