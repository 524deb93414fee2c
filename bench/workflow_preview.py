"""How long does a preview of the last seven days take over 100,000 ticket events of an org?

Counted are the events that the answer says it has looked at: each of them stands once on the log, and nothing else does
(`--others` adds as many of each of so many further orgs, which are read and passed over). They lie evenly over the
seven days on a topic of twelve partitions, with a condition that holds for every second one.
Beside it, how long the same records take to be decoded and judged when they are in memory already: the floor.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from aiokafka.admin import NewTopic

from bench.report import Figure, report
from bench.servers import own_servers
from fettle_chassis.garbage import collect_rarely
from fettle_chassis.kafka import build_admin, build_producer
from fettle_chassis.logs import configure_logging
from fettle_chassis.records import Record
from fettle_contracts.cloudevents import CloudEvent, to_binary
from fettle_contracts.times import rfc3339, to_ms
from fettle_workflow_engine.adapters.conditions import CelConditions
from fettle_workflow_engine.adapters.past_events import PastEvents
from fettle_workflow_engine.adapters.templates import JinjaTemplates
from fettle_workflow_engine.app import DECODERS
from fettle_workflow_engine.domain.definition import Trigger
from fettle_workflow_engine.domain.examples import example_event
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.preview import PastEvent, Tally
from fettle_workflow_engine.domain.trial import Around
from fettle_workflow_engine.domain.validate import load
from fettle_workflow_engine.entrypoints.kafka_triggers import decode_trigger
from fettle_workflow_engine.settings import WorkflowSettings
from fettle_workflow_engine.trying import Subject, Trying

TOPIC = "ticket.opened"
WEEK = timedelta(days=7)
DOCUMENT = """\
workflow: counted
budget_per_hour: 100000
nodes:
  opened: {trigger: ticket.opened, where: event.ticket.number % 2 == 0}
  told: {after: [opened], action: ticket.comment, with: {ticket: {ref: event.ticket.id}, text: Seen.}}
"""
LANGUAGES = Languages(JinjaTemplates(), CelConditions())


def made(org: str, number: int, at: datetime) -> Record:
    """The event that a ticket was opened, as the ticket service writes it."""
    event = example_event(Trigger("opened", TOPIC), org, at)
    id = str(UUID(int=number))
    whole = {**event, "entry": {**event["entry"], "id": id}, "ticket": {**event["ticket"], "id": id, "number": number}}
    data = json.dumps({name: value for name, value in whole.items() if value is not None}).encode()
    kind, key = "fettle.ticket.opened.v1", f"{org}/{id}"
    headers, value = to_binary(CloudEvent(id, "fettle/ticket-service", kind, at, data, key=key))
    return Record(TOPIC, 0, 0, to_ms(at), key.encode(), value, tuple(headers))


async def fill(settings: WorkflowSettings, plan: argparse.Namespace, until: datetime) -> list[Record]:
    """Writes the log, in the order of time; returns the org's part of it."""
    topic = settings.topic(TOPIC)
    admin = build_admin(settings)
    await admin.start()
    config = {"message.timestamp.type": "CreateTime", "retention.ms": str(30 * 86_400_000)}
    await admin.create_topics([NewTopic(topic, 12, 1, topic_configs=config)])
    await admin.close()
    producer = build_producer(settings, client_id="bench")
    await producer.start()
    own, of = [], 1 + plan.others
    for number in range(1, plan.events * of + 1):
        at = until - WEEK + WEEK * number / (plan.events * of + 1)
        record = made("acme" if number % of == 0 else f"org-{number % of}", number, at)
        if number % of == 0:
            own.append(record)
        await producer.send(
            topic, record.value, record.key, headers=list(record.headers), timestamp_ms=record.timestamp_ms
        )
    await producer.stop()
    return own


def in_memory(records: list[Record]) -> float:
    """Seconds."""
    tally = Tally(load(DOCUMENT, LANGUAGES), LANGUAGES.conditions)
    begun = time.perf_counter()
    for record in records:
        event = decode_trigger(record)
        tally.take([PastEvent(datetime.now(UTC), event.trigger, event.source, event.id, event.data)])
    return time.perf_counter() - begun


async def measure(environment: Mapping[str, str], plan: argparse.Namespace) -> list[Figure]:
    settings = WorkflowSettings.load(environment)
    until = datetime.now(UTC)
    own = await fill(settings, plan, until)
    collect_rarely()  # as the engine does, which does not hold a hundred thousand records besides
    trying = Trying(PastEvents(settings), DECODERS, LANGUAGES, lambda: until, "http://console")
    subject = Subject(load(DOCUMENT, LANGUAGES), Around("acme", 1, frozenset(), frozenset(), ""))
    took, seen, floor = [], [], []
    for _ in range(plan.repeats):
        begun = time.perf_counter()
        found = await trying.preview(subject, 7)
        took.append(time.perf_counter() - begun)
        seen.append(found["events"])
        floor.append(in_memory(own))
        if found["from"] != rfc3339(until - WEEK):
            print(f"seen back to {found['from']} only: {found['left_out']}", file=sys.stderr)
    return [
        Figure(f"preview of {plan.events} events{_among(plan)}", "s", took, better="lower", bound="<= 10"),
        Figure("events that it has looked at", "events", seen, bound=f">= {plan.events}"),
        Figure("the same records in memory, decoded and judged", "s", floor, better="lower"),
    ]


def _among(plan: argparse.Namespace) -> str:
    return f" among {plan.others} other orgs' as many" if plan.others else ""


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=100_000)
    options.add_argument("--others", type=int, default=0, help="further orgs that have as many events each")
    options.add_argument("--repeats", type=int, default=3)
    plan = options.parse_args()
    configure_logging("bench", stream=sys.stderr)
    with own_servers(12) as environment:
        found = asyncio.run(measure(environment, plan))
    report("Previews of workflows", found, "workflow_preview")
    return 0 if found[0].worst <= 10 and found[1].worst >= plan.events else 1


if __name__ == "__main__":
    raise SystemExit(main())
