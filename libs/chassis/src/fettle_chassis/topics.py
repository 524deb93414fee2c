"""Topics are created and checked at start, from the topic table of contracts."""

from collections.abc import Iterable

from fettle_chassis.service import Part
from fettle_chassis.settings import ServiceSettings


async def ensure_topics(settings: ServiceSettings, names: Iterable[str]) -> dict[str, int]:
    """Creates what is missing of `names` (of the table, without prefix) and their `.dlq`, with the table's settings.

    Returns partition counts by name (without prefix). Raises `StartRefused` with one line: when topics are missing and
    `FETTLE_KAFKA_MANAGE_TOPICS` is off (it prints what to create), or a heartbeats topic has no LogAppendTime or is
    compacted (it names topic, setting, and the command that repairs it). Waits up to 60 s for a broker that is away.
    """
    raise NotImplementedError


class Topics(Part):
    """`ensure_topics` as a part: at start, nothing at stop."""

    name = "topics"

    def __init__(self, settings: ServiceSettings, *names: str) -> None:
        raise NotImplementedError

    def partitions(self, name: str) -> int:
        """How many partitions the topic has; known after start."""
        raise NotImplementedError
