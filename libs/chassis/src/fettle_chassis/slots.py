"""A static membership slot, so that a restarted process gets its partitions back at once instead of after a timeout."""

from fettle_chassis.database import Database
from fettle_chassis.service import Part
from fettle_chassis.settings import ServiceSettings


class Slot(Part):
    """The lowest free number among the running processes of `service`, held by a session advisory lock (or
    `FETTLE_SLOT`, which wins).

    A lease whose connection breaks is taken again at the same number; if another process was faster, this one stops.
    """

    name = "slot"

    def __init__(self, service: str, settings: ServiceSettings, database: Database) -> None:
        raise NotImplementedError

    @property
    def number(self) -> int:
        """Known after start; raises `RuntimeError` before."""
        raise NotImplementedError

    @property
    def instance_id(self) -> str:
        """`<service>-<number>`: Kafka's `group.instance.id`."""
        raise NotImplementedError
