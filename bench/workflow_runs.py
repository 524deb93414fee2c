"""How many runs a second does the engine take from their event to their end, and past how many events can it look?

A run: trigger, condition, a comment on the ticket with its result, done; every row of it stays. The engine is the one
process that it is in operation, over a backlog of events of fifty orgs: with somebody on Kafka who answers in the
ticket service's place, beside the same rows in batched SQL written by hand; with the real ticket service and its relay;
and over events that none of their org's hundred workflows is for.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import time
from collections.abc import Iterator, Mapping
from itertools import islice

import asyncpg
from confluent_kafka import Consumer, TopicPartition

from bench.report import Figure, report
from bench.ticket_commands import Readers
from bench.tickets import processes as tickets
from bench.tickets import traffic
from bench.tickets.traffic import ORGS, producer, send
from bench.workflows import by_hand, events
from bench.workflows.documents import ANSWERED, save, unmatched
from bench.workflows.processes import all_done, emptied, engine, installation, processor_s
from bench.workflows.responder import Responder
from fettle_chassis.logs import configure_logging
from fettle_contracts.topics import COMMANDS, EVENTS, RESULTS
from fettle_ticket_service.settings import TicketSettings
from fettle_workflow_engine.app import NAME
from fettle_workflow_engine.settings import WorkflowSettings

WAITS_AT_MOST_S = 120.0
_EVERY_S = 0.05


def answered_by_responder(environment: Mapping[str, str], runs: int, first: int) -> tuple[float, float, float]:
    """Runs a second of the engine, ms of processor that each cost it, and runs a second of the same rows by hand."""
    settings = WorkflowSettings.load(environment)
    dsn = settings.database_dsn("workflows")
    asyncio.run(emptied(settings))
    asyncio.run(save(settings, ((org, ANSWERED) for org in ORGS)))
    backlog = list(events.opened(runs, ORGS, first))
    responder = Responder(settings)
    responder.start()
    with engine(environment) as process:
        before = processor_s(process.pid)
        send(producer(settings.kafka_bootstrap_servers), settings.topic(events.OPENED), iter(backlog))
        while len(responder.given) < runs:
            time.sleep(_EVERY_S)
        began, ended = asyncio.run(all_done(settings, runs))
        took = processor_s(process.pid) - before
    responder.stop()
    batches = asyncio.run(by_hand.left(dsn, responder.given))
    return runs / (ended - began), took * 1000 / runs, asyncio.run(by_hand.runs_per_second(dsn, batches))


def with_tickets(environment: dict[str, str], runs: int, first: int) -> float:
    """Runs a second, their tickets opened before the engine is there."""
    settings, of_tickets = WorkflowSettings.load(environment), TicketSettings.load(environment)
    asyncio.run(emptied(settings))
    asyncio.run(save(settings, ((org, ANSWERED) for org in ORGS)))
    with tickets.running(environment):
        readers = Readers(of_tickets)
        try:
            opens = islice(traffic.opened(first + runs), first, None)
            send(producer(settings.kafka_bootstrap_servers), settings.topic(COMMANDS), opens)
            readers.wait({RESULTS: runs, EVENTS: runs})
        finally:
            readers.close()
        with engine(environment):
            began, ended = asyncio.run(all_done(settings, runs))
    return runs / (ended - began)


def none_matches(environment: Mapping[str, str], count: int, first: int) -> tuple[float, float]:
    """Events a second that are looked at and start nothing, from when the first of them were through; and ms of
    processor that each cost the engine."""
    settings = WorkflowSettings.load(environment)
    asyncio.run(emptied(settings))
    asyncio.run(save(settings, (("acme", document) for document in unmatched())))
    topic, backlog = settings.topic(events.OPENED), list(events.opened(count, ["acme"], first))
    progress = Progress(settings, topic)
    try:
        with engine(environment) as process:
            before = processor_s(process.pid)
            send(producer(settings.kafka_bootstrap_servers), topic, iter(backlog))
            passed = list(progress.until(count))
            took = processor_s(process.pid) - before
    finally:
        progress.close()
    assert asyncio.run(_runs(settings)) == 0, "an event has started a run"
    (began, at_first), (ended, at_last) = passed[0], passed[-1]
    return (at_last - at_first) / (ended - began), took * 1000 / count


class Progress:
    """How far the engine's subscription to the triggers has come on one topic, by the offsets that it commits."""

    def __init__(self, settings: WorkflowSettings, topic: str) -> None:
        group = settings.group(f"{NAME}.triggers")
        self._consumer = Consumer({"bootstrap.servers": settings.kafka_bootstrap_servers, "group.id": group})
        partitions = self._consumer.list_topics(topic, timeout=10).topics[topic].partitions
        self._places = [TopicPartition(topic, partition) for partition in partitions]
        self._ends = sum(self._consumer.get_watermark_offsets(place, timeout=10)[1] for place in self._places)

    def until(self, count: int) -> Iterator[tuple[float, int]]:
        """How many records that came after this was made are through, whenever it is another number, and at which
        second. Blocks."""
        seen, begun = 0, time.monotonic()
        while seen < count:
            offsets = [place.offset for place in self._consumer.committed(self._places, timeout=10)]
            come = sum(max(offset, 0) for offset in offsets) - self._ends
            if come > seen:
                yield time.perf_counter(), come
                seen = come
            if time.monotonic() - begun > WAITS_AT_MOST_S:
                raise RuntimeError(f"only {seen} of {count} events are through")
            time.sleep(_EVERY_S)

    def close(self) -> None:
        self._consumer.close()


async def _runs(settings: WorkflowSettings) -> int:
    connection = await asyncpg.connect(settings.database_dsn("workflows"))
    try:
        found: int = await connection.fetchval("SELECT count(*) FROM run")
        return found
    finally:
        await connection.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--with-tickets", type=int, default=5_000, help="runs with the real ticket service")
    parser.add_argument("--events", type=int, default=50_000, help="that start nothing")
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    runs: list[tuple[float, float, float]] = []
    past: list[tuple[float, float]] = []
    ticketed: list[float] = []
    configure_logging("bench", stream=io.StringIO())  # fifty saves are no news
    with installation() as environment:
        for repeat in range(asked.repeats):
            runs.append(answered_by_responder(environment, asked.runs, repeat * asked.runs))
            rate, took, hand = runs[-1]
            print(f"{rate:,.0f} runs/s, {took:.2f} ms each, by hand {hand:,.0f}/s: {rate / hand:.3f}", flush=True)
        first = asked.repeats * asked.runs
        for repeat in range(asked.repeats):
            past.append(none_matches(environment, asked.events, first + repeat * asked.events))
            print("{:,.0f} events/s that start nothing, {:.3f} ms each".format(*past[-1]), flush=True)
    with tickets.installation() as environment:
        _know_orgs(environment)
        for repeat in range(asked.repeats):
            ticketed.append(with_tickets(environment, asked.with_tickets, repeat * asked.with_tickets))
            print(f"{ticketed[-1]:,.0f} runs/s with the ticket service", flush=True)
    ratios = [rate / hand for rate, _, hand in runs]
    of_runs, of_events = {"runs": asked.runs}, {"events": asked.events}
    figures = [
        Figure("runs, a responder on Kafka", "runs/s", [rate for rate, _, _ in runs], details=of_runs),
        Figure("hand-written SQL", "runs/s", [hand for _, _, hand in runs], details=of_runs),
        Figure("ratio", "", ratios, bound="≥ 0.20", details=of_runs),
        Figure("the engine's processor, a run", "ms", [took for _, took, _ in runs], better="lower", details=of_runs),
        Figure("runs, the ticket service", "runs/s", ticketed, bound="≥ 600"),
        Figure("events that start nothing", "events/s", [rate for rate, _ in past], bound="≥ 8,000", details=of_events),
        Figure("the engine's processor, an event", "ms", [took for _, took in past], better="lower", details=of_events),
    ]
    report("Runs from their event to their end, and events that start none", figures, "workflow_runs")
    return 0 if min(ratios) >= 0.2 and min(ticketed) >= 600 and figures[5].worst >= 8_000 else 1


def _know_orgs(environment: Mapping[str, str]) -> None:
    """The engine runs once until it has heard of every org, and has given it the ready-made workflows."""
    settings = WorkflowSettings.load(environment)
    with engine(environment):
        asyncio.run(_told(settings))


async def _told(settings: WorkflowSettings) -> None:
    connection = await asyncpg.connect(settings.database_dsn("workflows"))
    try:
        async with asyncio.timeout(WAITS_AT_MOST_S):
            while await connection.fetchval("SELECT count(*) FROM org") < len(ORGS):  # noqa: ASYNC110 - another's
                await asyncio.sleep(_EVERY_S)
    finally:
        await connection.close()


if __name__ == "__main__":
    raise SystemExit(main())
