"""How many ticket commands a second go from the topic to committed tickets and published events?

The service and its relay run as their two processes on a backlog of mixed commands; broker time from the first result
to the last event counts. Beside it, in the same run, the rows of the same commands in batched SQL written by hand.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Mapping, Sequence

import asyncpg
from confluent_kafka import Consumer, TopicPartition

from bench.report import Figure, report
from bench.tickets import by_hand
from bench.tickets.processes import installation, running
from bench.tickets.traffic import ORGS, Sent, mixed, producer, send
from fettle_contracts.topics import COMMANDS, EVENTS, RESULTS
from fettle_ticket_service.settings import TicketSettings

WAITS_AT_MOST_S = 120.0


class Readers:
    """Consumers that stand at the end of the topics that the service writes.

    They read when everything is there: who reads along takes a seventh of the time of both cores away from the service.
    """

    def __init__(self, settings: TicketSettings) -> None:
        self._places: dict[str, list[TopicPartition]] = {}
        self._consumers = {topic: self._at_the_end(settings, topic) for topic in (RESULTS, EVENTS)}

    def wait(self, counts: Mapping[str, int]) -> None:
        """Until each topic has so many messages more. Blocks."""
        until = time.monotonic() + WAITS_AT_MOST_S
        while any(self._come(topic) < count for topic, count in counts.items()):
            if time.monotonic() > until:
                raise RuntimeError(f"only {[self._come(topic) for topic in counts]} messages of {counts}")
            time.sleep(0.1)

    def _come(self, topic: str) -> int:
        consumer = self._consumers[topic]
        return sum(consumer.get_watermark_offsets(place, timeout=10)[1] - place.offset for place in self._places[topic])

    def _at_the_end(self, settings: TicketSettings, name: str) -> Consumer:
        consumer = Consumer({"bootstrap.servers": settings.kafka_bootstrap_servers, "group.id": "bench"})
        topic = settings.topic(name)
        places = []
        for partition in consumer.list_topics(topic, timeout=10).topics[topic].partitions:
            _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
            places.append(TopicPartition(topic, partition, end))
        self._places[name] = places
        return consumer

    def read(self, topic: str, count: int) -> tuple[int, int]:
        """Broker times, in milliseconds, of the first and the last of the next `count` messages. Blocks."""
        first, last, seen = None, 0, 0
        self._consumers[topic].assign(self._places[topic])
        while seen < count:
            messages = self._consumers[topic].consume(min(1000, count - seen), timeout=WAITS_AT_MOST_S)
            if not messages:
                raise RuntimeError(f"only {seen} of {count} messages on {topic}")
            for message in messages:
                last = max(last, message.timestamp()[1])
                first = last if first is None else min(first, message.timestamp()[1])
            seen += len(messages)
        return first or last, last

    def ends(self, topic: str) -> Mapping[int, int]:
        """Where each partition stood at the beginning."""
        return {place.partition: place.offset for place in self._places[topic]}

    def close(self) -> None:
        for consumer in self._consumers.values():
            consumer.close()


def through_the_service(environment: dict[str, str], commands: Sequence[Sent], events: int) -> float:
    """Commands a second, from the first result to the last of all results and events."""
    settings = TicketSettings.load(environment)
    readers = Readers(settings)
    asyncio.run(_forget_all(settings.database_dsn("tickets"), readers.ends(EVENTS)))
    try:
        send(producer(settings.kafka_bootstrap_servers), settings.topic(COMMANDS), iter(commands))
        with running(environment):
            readers.wait({RESULTS: len(commands), EVENTS: events})
        first, answered = readers.read(RESULTS, len(commands))
        _, published = readers.read(EVENTS, events)
        return len(commands) / (max(answered, published) - first) * 1000
    finally:
        readers.close()


async def _forget_all(dsn: str, published: Mapping[int, int]) -> None:
    """Empties everything but the orgs, so that the next commands find what they expect. What is published of it by now
    is marked as known, as numbers are given on from there otherwise."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            "TRUNCATE ticket, ticket_order, ticket_search, checklist_member, entry, command, outbox"
        )
        await connection.execute(
            "UPDATE org SET next_number = 1, open = 0, in_progress = 0, resolved = 0, place = 0, head = ''"
        )
        marks = "UPDATE number_mark SET next_offset = $2 WHERE partition = $1"
        await connection.executemany(marks, published.items())
    finally:
        await connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    service: list[float] = []
    alone: list[float] = []
    hand: list[float] = []
    with installation() as environment:
        dsn = TicketSettings.load(environment).database_dsn("tickets")
        for repeat in range(asked.repeats):
            commands = list(mixed(asked.commands, asked.seed + repeat))
            rows = list(by_hand.rows_of(commands))
            hand.append(asyncio.run(by_hand.commands_per_second(dsn, rows)))
            events = sum(len(batch.entries) for batch in rows)
            service.append(through_the_service(environment, commands, events))
            of_one = list(mixed(asked.commands, asked.seed + repeat, ORGS[:1]))
            events = sum(len(batch.entries) for batch in by_hand.rows_of(of_one))
            alone.append(through_the_service(environment, of_one, events))
            rates = f"service {service[-1]:,.0f}/s, one org {alone[-1]:,.0f}/s, by hand {hand[-1]:,.0f}/s"
            print(f"repeat {repeat + 1}: {rates}", flush=True)
    shares = [mine / other for mine, other in zip(alone, service, strict=True)]
    ratios = [mine / other for mine, other in zip(service, hand, strict=True)]
    details = {"commands": asked.commands, "seed": asked.seed}
    report(
        "Ticket commands from the topic to published events, beside hand-written SQL for the same rows",
        [
            Figure("ticket commands", "commands/s", service, details=details),
            Figure("of one org", "commands/s", alone, details=details),
            Figure("one org over fifty", "", shares, bound="≥ 0.5", details=details),
            Figure("hand-written SQL", "commands/s", hand, details=details),
            Figure("ratio", "", ratios, bound="≥ 0.30", details=details),
        ],
        "ticket_commands",
    )


if __name__ == "__main__":
    main()
