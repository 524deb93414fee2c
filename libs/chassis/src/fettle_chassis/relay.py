"""Publishes outbox rows to Kafka in order and deletes them once every topic has acknowledged."""

from fettle_chassis.database import Database
from fettle_chassis.service import Part
from fettle_chassis.settings import ServiceSettings


class Relay(Part):
    """The outbox's only reader. One is active per database (session advisory lock); others stand by and take over in
    about two seconds.

    At least once; per key in commit order (an explicit partition: in commit order per partition). Rebuilds producer
    and connection by itself, for ever; only a bug stops it. Also deletes inbox rows older than 30 days, hourly.
    Runs inside a service or as a process of its own.
    """

    name = "relay"

    def __init__(self, database: Database, settings: ServiceSettings) -> None:
        raise NotImplementedError
