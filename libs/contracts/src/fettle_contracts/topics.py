"""The one table of topics. Names are without the installation's prefix (`FETTLE_TOPIC_PREFIX`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from fettle_contracts.commands import Verb
from fettle_contracts.orgs import ORG
from fettle_contracts.results import COMMAND_RESULT
from fettle_contracts.ticket_events import TRIGGERS, EntryType
from fettle_contracts.transitions import TRANSITION

HEARTBEATS = "device.heartbeats"
COMMANDS = "ticket.commands"
RESULTS = "ticket.command-results"
EVENTS = "ticket.events"
TRANSITIONS = "health.transitions"
SIGNALS = "signals"
JUDGEMENTS = "health.judgements"
ORGS = "orgs"

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as it is created and checked.

    `messages` are the `ce_type`s it carries (none: values that are no CloudEvents, or any CloudEvent).
    `timestamp_required`: a topic with another timestamp type stops the service at start.
    `partitions_fixed`: the count of creation stays for the life of the topic. Said to who runs an installation; what
    holds to it is the judge, which refuses another count than its checkpoints have.
    `internal`: between Fettle's own services, no promise to the outside.
    `dlq`: the topic that takes its dead letters, if somebody reads it with care.
    """

    name: str
    key: str
    summary: str
    owner: str
    writers: tuple[str, ...]
    partitions: int = 12
    retention_days: int = 7
    messages: tuple[str, ...] = ()
    timestamp: Literal["LogAppendTime", "CreateTime"] = "LogAppendTime"
    timestamp_required: bool = False
    partitions_fixed: bool = False
    cleanup: Literal["delete", "compact"] = "delete"
    internal: bool = False
    dlq: str | None = None

    def config(self) -> dict[str, str]:
        """Topic-level settings of Kafka; replication and `min.insync.replicas` are the installation's to add."""
        settings = {
            "cleanup.policy": self.cleanup,
            "message.timestamp.type": self.timestamp,
            "unclean.leader.election.enable": "false",
        }
        if self.cleanup == "delete":
            settings["retention.ms"] = str(self.retention_days * DAY_MS)
        return settings


def dead_letters_of(topic: str) -> str:
    """The name of the topic that takes the dead letters of `topic`; works with and without the prefix."""
    return f"{topic}.dlq"


def _trigger(entry: EntryType) -> Topic:
    return Topic(
        f"ticket.{entry.value}",
        key="org/<ticket id>",
        summary=f"Tickets' `{entry.value}` events alone, for those who want no others.",
        owner="ticket-service",
        writers=("ticket-service",),
        retention_days=30,
        messages=(entry.ce_type,),
        dlq=dead_letters_of(f"ticket.{entry.value}"),
    )


_TABLE = (
    Topic(
        HEARTBEATS,
        key="org/type/id",
        summary="Reports from and for devices and integrations; beside them Fettle's signed control records.",
        owner="health-monitor",
        writers=("devices and gateways", "health-monitor", "console"),
        timestamp_required=True,
        partitions_fixed=True,
        dlq=dead_letters_of(HEARTBEATS),
    ),
    Topic(
        COMMANDS,
        key="org",
        summary="What anyone allowed to write asks of tickets.",
        owner="ticket-service",
        writers=("other services", "health-monitor", "workflow-engine"),
        messages=tuple(verb.ce_type for verb in Verb),
        dlq=dead_letters_of(COMMANDS),
    ),
    Topic(
        RESULTS,
        key="org",
        summary="What became of each command.",
        owner="ticket-service",
        writers=("ticket-service",),
        messages=(COMMAND_RESULT,),
        dlq=dead_letters_of(RESULTS),
    ),
    Topic(
        EVENTS,
        key="org/<ticket id>",
        summary="Everything that happens to tickets, in order per ticket.",
        owner="ticket-service",
        writers=("ticket-service",),
        retention_days=30,
        messages=tuple(entry.ce_type for entry in EntryType),
        dlq=dead_letters_of(EVENTS),
    ),
    *(_trigger(entry) for entry in TRIGGERS),
    Topic(
        TRANSITIONS,
        key="org",
        summary="Subjects moving from one health state to another.",
        owner="health-monitor",
        writers=("health-monitor",),
        retention_days=30,
        messages=(TRANSITION,),
        dlq=dead_letters_of(TRANSITIONS),
    ),
    Topic(
        SIGNALS,
        key="starts with org/",
        summary="Any CloudEvent of another system, with a JSON object as data.",
        owner="workflow-engine",
        writers=("other systems",),
        dlq=dead_letters_of(SIGNALS),
    ),
    Topic(
        JUDGEMENTS,
        key="org",
        summary="What the judges saw, for the correlator.",
        owner="health-monitor",
        writers=("health-monitor",),
        internal=True,
        dlq=dead_letters_of(JUDGEMENTS),
    ),
    Topic(
        ORGS,
        key="org",
        summary="The organizations of this installation.",
        owner="console",
        writers=("console",),
        partitions=1,
        cleanup="compact",
        messages=(ORG,),
        internal=True,
        dlq=dead_letters_of(ORGS),
    ),
)


def _dead_letters(topic: Topic) -> Topic:
    return Topic(
        dead_letters_of(topic.name),
        key=topic.key,
        summary=f"Records of `{topic.name}` that could not be handled, as they came, with the reason in headers.",
        owner=topic.owner,
        writers=(topic.owner,),
        partitions=1,
        retention_days=30,
        internal=topic.internal,
    )


TOPICS: Mapping[str, Topic] = MappingProxyType(
    {topic.name: topic for topic in (*_TABLE, *(_dead_letters(topic) for topic in _TABLE if topic.dlq))}
)
"""Every topic by its name without prefix, dead-letter topics included."""
