"""How many shards there are, and where an org's judgements come."""

from fettle_chassis.topics import Topics
from fettle_contracts.partitions import partition_for
from fettle_contracts.topics import HEARTBEATS, JUDGEMENTS


class Partitions:
    """Answers once the topics have been checked at start."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics

    def shards(self) -> int:
        """Partitions of `device.heartbeats`."""
        return self._topics.partitions(HEARTBEATS)

    def of_org(self, org: str) -> int:
        """The partition of `health.judgements` that holds everything about this org."""
        return partition_for(org.encode(), self._topics.partitions(JUDGEMENTS))
