"""How long does a command take from the broker to its trigger at the broker, at 200 commands a second?

Broker time of the trigger's record minus broker time of the command's, at a steady rate, service and relay as their two
processes; beside it people start tickets and comment on them by HTTP, in turns, 100 a second, each counted from the
moment at which it was due. The processes have just started: the first seconds, in which statements are prepared and
connections opened, have a figure of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import count, islice

import httpx2
from confluent_kafka import Consumer, Producer, TopicPartition

from bench.report import Figure, report
from bench.tickets.processes import installation, running
from bench.tickets.traffic import ORGS, Sent, opened, producer
from fettle_chassis.settings import ServiceSettings
from fettle_chassis.tokens import Caller, Role, issue
from fettle_contracts.topics import COMMANDS
from fettle_ticket_service.settings import TicketSettings

Body = dict[str, str]

TRIGGER = "ticket.opened"
WAITS_AT_MOST_S = 60.0


def send_steadily(client: Producer, topic: str, commands: Iterable[Sent], per_second: int) -> None:
    """One command after another, each at its own instant however long the one before took. Blocks."""
    began = time.perf_counter()
    for number, command in enumerate(commands):
        while (wait := began + number / per_second - time.perf_counter()) > 0:
            client.poll(wait)
        client.produce(topic, command.value, command.org, headers=list(command.headers))
    client.flush(30)


def broker_times(settings: ServiceSettings, name: str, header: str, count: int) -> dict[str, int]:
    """Broker time in milliseconds of the topic's first `count` records, by the text of a header. Blocks."""
    consumer = Consumer(
        {"bootstrap.servers": settings.kafka_bootstrap_servers, "group.id": "bench", "enable.auto.commit": False}
    )
    topic = settings.topic(name)
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        return dict(_read(consumer, header, count))
    finally:
        consumer.close()


def _read(consumer: Consumer, header: str, count: int) -> Iterator[tuple[str, int]]:
    seen = 0
    while seen < count:
        messages = consumer.consume(min(1000, count - seen), timeout=WAITS_AT_MOST_S)
        if not messages:
            raise RuntimeError(f"only {seen} of {count} records")
        seen += len(messages)
        for message in messages:
            found = dict(message.headers() or [])[header]
            yield found.decode() if isinstance(found, bytes) else str(found), message.timestamp()[1]


class People(threading.Thread):
    """Orgs in turn, one ticket of each after the other: it is started, then commented on; at a steady rate until
    `stop`."""

    def __init__(self, settings: TicketSettings, per_second: int) -> None:
        super().__init__()
        self._settings, self._per_second = settings, per_second
        self._stopped = threading.Event()
        self.took: list[float] = []
        """Milliseconds of each write, from when it was due."""

    def run(self) -> None:
        asyncio.run(self._write())

    def stop(self) -> list[float]:
        self._stopped.set()
        self.join()
        return self.took

    async def _write(self) -> None:
        began, writes = time.perf_counter(), set[asyncio.Task[None]]()
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{self._settings.tickets_port}") as http:
            tokens = [self._token(org) for org in ORGS]
            for number in count():
                due = began + number / self._per_second
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                if self._stopped.is_set():
                    break
                turn, place = divmod(number, len(ORGS))
                path, body = _written(turn + place % 2)
                url = f"/api/v1/orgs/{ORGS[place]}/tickets/{path}"
                writes.add(asyncio.create_task(self._write_one(http, url, body, tokens[place], due)))
            await asyncio.gather(*writes)

    async def _write_one(self, http: httpx2.AsyncClient, url: str, body: Body, token: str, due: float) -> None:
        answer = await http.post(url, json=body, headers={"Authorization": f"Bearer {token}"})
        answer.raise_for_status()
        self.took.append((time.perf_counter() - due) * 1000)

    def _token(self, org: str) -> str:
        caller = Caller(org, Role.OPERATOR, "ann@acme.test", "Ann")
        return issue(self._settings.signing_keys, caller, datetime.now(UTC), ttl_s=3600)


def _written(turn: int) -> tuple[str, Body]:
    """What is written on an org's tickets in its turn: path and body."""
    number, again = divmod(turn, 2)
    if again:
        return f"{number + 1}/comments", {"comment": "Called the vendor."}
    return f"{number + 1}/start", {}


def percentile(values: Sequence[float], share: float) -> float:
    return statistics.quantiles(values, n=1000, method="inclusive")[round(share * 1000) - 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--warm-up", type=int, default=3, help="seconds before that, counted apart")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--people", type=int, default=100, help="starts and comments by HTTP a second")
    asked = parser.parse_args()
    p50: list[float] = []
    p99: list[float] = []
    cold: list[float] = []
    said: list[float] = []
    total = asked.rate * (asked.warm_up + asked.seconds)
    for repeat in range(asked.repeats):
        with installation() as environment, running(environment):
            settings = TicketSettings.load(environment)
            client = producer(settings.kafka_bootstrap_servers)
            commands_topic = settings.topic(COMMANDS)
            warming, counted = asked.rate * asked.warm_up, iter(opened(total))
            send_steadily(client, commands_topic, islice(counted, warming), asked.rate)
            people = People(settings, asked.people)
            people.start()
            send_steadily(client, commands_topic, counted, asked.rate)
            said.append(percentile(people.stop(), 0.99))
            triggers = broker_times(settings, TRIGGER, "ce_causationid", total)
            commands = broker_times(settings, COMMANDS, "ce_id", total)
        in_order = sorted(commands, key=commands.__getitem__)
        all_took = [triggers[id] - commands[id] for id in in_order]
        first, took = all_took[: asked.rate * asked.warm_up], all_took[asked.rate * asked.warm_up :]
        cold.append(percentile(first, 0.99))
        p50.append(percentile(took, 0.5))
        p99.append(percentile(took, 0.99))
        figures = f"p50 {p50[-1]:.0f} ms, p99 {p99[-1]:.0f} ms, at first {cold[-1]:.0f} ms, HTTP {said[-1]:.0f} ms"
        print(f"repeat {repeat + 1}: {figures}", flush=True)
    details = {"rate": asked.rate, "people": asked.people, "seconds": asked.seconds}
    report(
        f"From the command at the broker to its trigger at the broker, at {asked.rate} commands a second",
        [
            Figure("p50", "ms", p50, better="lower", details=details),
            Figure("p99", "ms", p99, better="lower", bound="≤ 50", details=details),
            Figure("p99 of starts and comments by HTTP", "ms", said, better="lower", bound="≤ 100", details=details),
            Figure(f"p99 of the first {asked.warm_up} s", "ms", cold, better="lower", details=details),
        ],
        "ticket_latency",
    )


if __name__ == "__main__":
    main()
