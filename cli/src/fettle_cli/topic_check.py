"""What is wrong with the topics on a broker, beside the table of topics."""

from collections.abc import Mapping
from dataclasses import dataclass

from fettle_cli.kafka import TopicAsIs
from fettle_contracts.topics import SIGNALS, TOPICS, Topic, dead_letters_of

NOT_YET = frozenset({SIGNALS, dead_letters_of(SIGNALS)})
"""Topics that nothing of this release makes; they are no fault when absent."""

SHOWN = ("cleanup.policy", "message.timestamp.type", "retention.ms", "min.insync.replicas")


@dataclass(frozen=True, slots=True)
class TopicReport:
    """A topic of the table (without prefix) as the broker has it; `partitions` None: it is not there."""

    name: str
    partitions: int | None
    config: dict[str, str]
    faults: tuple[str, ...]


def reports(found: Mapping[str, TopicAsIs]) -> list[TopicReport]:
    """One report per topic of the table, in its order; absent dead-letter topics of absent topics are left out."""
    made = (_report(topic, found.get(name)) for name, topic in TOPICS.items())
    return [report for report in made if report.partitions is not None or report.faults]


def _report(topic: Topic, found: TopicAsIs | None) -> TopicReport:
    if found is None:
        faults = () if topic.name in NOT_YET or topic.name.endswith(".dlq") else ("missing: start the services",)
        return TopicReport(topic.name, None, {}, faults)
    config = {name: found.config[name] for name in SHOWN if name in found.config}
    return TopicReport(topic.name, found.partitions, config, tuple(_faults(topic, found)))


def _faults(topic: Topic, found: TopicAsIs) -> list[str]:
    faults = []
    timestamp = found.config.get("message.timestamp.type")
    if topic.timestamp_required and timestamp != topic.timestamp:
        faults.append(f"message.timestamp.type is {timestamp}, must be {topic.timestamp}")
    cleanup = found.config.get("cleanup.policy")
    if cleanup != topic.cleanup:
        faults.append(f"cleanup.policy is {cleanup}, must be {topic.cleanup}")
    if topic.timestamp_required and found.config.get("unclean.leader.election.enable") == "true":
        faults.append("unclean.leader.election.enable must be false")
    return faults
