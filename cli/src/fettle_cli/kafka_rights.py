"""The least rights that each kind of Kafka client needs, from the table of topics and what the services read.

Kafka grants Describe along with Read and Write. An idempotent producer needs no right of its own since Kafka 2.8
(KIP-679), and creating one topic only a right on that topic (KIP-277).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from fettle_chassis.settings import ServiceSettings
from fettle_contracts.ticket_events import TRIGGERS
from fettle_contracts.topics import (
    COMMANDS,
    EVENTS,
    HEARTBEATS,
    JUDGEMENTS,
    ORGS,
    RESULTS,
    SIGNALS,
    TOPICS,
    TRANSITIONS,
    Topic,
)

TRIGGER_TOPICS = tuple(f"ticket.{entry.value}" for entry in TRIGGERS)


@dataclass(frozen=True, slots=True)
class Right:
    """Operations on one topic or group (its full name), or on all whose names begin so (`prefixed`)."""

    resource: Literal["topic", "group"]
    name: str
    operations: tuple[str, ...]
    prefixed: bool = False


@dataclass(frozen=True, slots=True)
class Client:
    """A kind of client. `name` is what its user on the broker might be called."""

    name: str
    summary: str
    rights: tuple[Right, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """What a service reads: topics by consumer group, and `tails` without one. What it writes is in the table. Of
    `redriven` it shows the dead letters, and sends them again."""

    summary: str
    groups: Mapping[str, tuple[str, ...]]
    tails: tuple[str, ...] = ()
    redriven: tuple[str, ...] = ()


SERVICES: Mapping[str, Service] = MappingProxyType(
    {
        "health-monitor": Service(
            "Fettle's judge and correlator",
            {
                "health-judge": (HEARTBEATS,),
                "health-monitor.judgements": (JUDGEMENTS,),
                "health-monitor.ticket-events": (EVENTS,),
                "health-monitor.command-results": (RESULTS,),
                "health-monitor.orgs": (ORGS,),
            },
        ),
        "ticket-service": Service(
            "Fettle's ticket service and its relay",
            {"ticket-service.commands": (COMMANDS,), "ticket-service.orgs": (ORGS,)},
        ),
        "workflow-engine": Service(
            "Fettle's workflow engine",
            {
                "workflow-engine.orgs": (ORGS,),
                "workflow-engine.triggers": TRIGGER_TOPICS,
                "workflow-engine.signals": (SIGNALS,),
                "workflow-engine.transitions": (TRANSITIONS,),
                "workflow-engine.results": (RESULTS,),
                "workflow-engine.tickets": (EVENTS,),
            },
        ),
        "console": Service(
            "Fettle's API and pages",
            {},
            tails=(EVENTS, TRANSITIONS),
            redriven=tuple(name for name, topic in TOPICS.items() if topic.dlq and not topic.internal),
        ),
    }
)
"""By the names that stand in the topics' `writers`. A test holds them against the services themselves."""

WRITERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "devices and gateways": ("heartbeat-writers", "devices and gateways that write heartbeats"),
        "other services": ("command-writers", "systems that send commands"),
        "other systems": ("signal-writers", "systems that send signals"),
    }
)
"""Name and summary of the clients outside, by how the topics' `writers` call them."""

READERS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("trigger-readers", "teams that read the five trigger topics", TRIGGER_TOPICS),
    ("event-readers", "teams that read all ticket events", (EVENTS,)),
    ("transition-readers", "teams that read health transitions", (TRANSITIONS,)),
    ("result-readers", "systems that read what became of commands", (RESULTS,)),
)


def clients(settings: ServiceSettings) -> list[Client]:
    """Every kind of client with its rights, under the prefixes in force. Services may create their topics only if
    `FETTLE_KAFKA_MANAGE_TOPICS` is on."""
    return [
        *(Client(name, service.summary, tuple(_of_service(settings, name))) for name, service in SERVICES.items()),
        *(
            Client(name, summary, tuple(_topic(settings, topic, {"Write"}) for topic in _written_by(writer)))
            for writer, (name, summary) in WRITERS.items()
        ),
        *(Client(name, summary, tuple(_of_reader(settings, name, topics))) for name, summary, topics in READERS),
        Client(
            "operators", "people with `fettle doctor`, `fettle dlq`, `fettle kafka`", tuple(_of_operators(settings))
        ),
    ]


def _of_service(settings: ServiceSettings, name: str) -> Iterator[Right]:
    """At its start a service also looks at the dead-letter topics of all that it reads and writes."""
    service = SERVICES[name]
    grouped = {topic for topics in service.groups.values() for topic in topics}
    read, written = grouped.union(service.tails), {topic.name for topic in _written_by(name)}
    again = set(service.redriven) - {HEARTBEATS}
    create = {"Create"} if settings.kafka_manage_topics else set()
    touched = [topic for topic in TOPICS.values() if topic.name in read | written | again]
    for topic in touched:
        own = topic.name in read | written
        does = {word for word, names in (("Read", read), ("Write", written | again)) if topic.name in names}
        judged_by = {"DescribeConfigs"} if topic.timestamp_required else set()
        yield _topic(settings, topic, does | judged_by | (create if own else set()))
    for topic in touched:
        if topic.dlq:
            own = topic.name in read | written
            looks = {"Read"} if topic.name in service.redriven else {"Describe"}
            does = {"Write"} if topic.name in grouped else looks
            yield _topic(settings, TOPICS[topic.dlq], does | (create if own else set()))
    for group in service.groups:
        yield Right("group", settings.group(group), ("Read",))


def _of_reader(settings: ServiceSettings, name: str, topics: Iterable[str]) -> Iterator[Right]:
    """Groups of the reader's own, whose names begin with its own."""
    for topic in topics:
        yield _topic(settings, TOPICS[topic], {"Read"})
    yield Right("group", f"{name}.", ("Read",), prefixed=True)


def _of_operators(settings: ServiceSettings) -> Iterator[Right]:
    letters = {topic.dlq for topic in TOPICS.values()}
    for topic in TOPICS.values():
        yield _topic(settings, topic, {"Read" if topic.name in letters else "Describe", "DescribeConfigs"})


def _written_by(writer: str) -> list[Topic]:
    """Dead letters are left out: who reads the source writes them."""
    letters = {topic.dlq for topic in TOPICS.values()}
    return [topic for topic in TOPICS.values() if writer in topic.writers and topic.name not in letters]


def _topic(settings: ServiceSettings, topic: Topic, operations: Collection[str]) -> Right:
    return Right("topic", settings.topic(topic.name), tuple(sorted(operations)))
