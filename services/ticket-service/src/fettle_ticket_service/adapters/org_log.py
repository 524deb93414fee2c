"""The topic `orgs` as a place to have come to: who writes a command about an org has read of the org there."""

from aiokafka import TopicPartition
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.database import Database
from fettle_chassis.kafka import build_consumer
from fettle_chassis.patience import patiently
from fettle_chassis.service import Part
from fettle_chassis.settings import ServiceSettings
from fettle_chassis.topics import Topics
from fettle_contracts.topics import ORGS

SUBSCRIPTION = "ticket-service.orgs"
"""The subscription, of all replicas together, that takes the topic in."""

_READ = text("SELECT count(*) FROM partition_owner WHERE subscription = :subscription")
_FORGET = text("DELETE FROM partition_owner WHERE subscription = :subscription")


async def read_again(connection: AsyncConnection) -> None:
    """Whoever takes the topic in next begins at its beginning."""
    await connection.execute(_FORGET, {"subscription": SUBSCRIPTION})


class OrgLog(Part):
    """Asks the broker how far the topic has been taken in; reads no record itself. Starts after `topics`."""

    name = "org-log"

    def __init__(self, settings: ServiceSettings, database: Database, topics: Topics) -> None:
        self._settings, self._database, self._topics = settings, database, topics

    async def start(self) -> None:
        self._consumer = build_consumer(
            self._settings, client_id=f"{SUBSCRIPTION}-end", group=self._settings.group(SUBSCRIPTION)
        )
        await patiently(self._consumer.start)

    async def stop(self) -> None:
        await self._consumer.stop()

    async def is_taken_in(self) -> bool:
        """Whether all that the topic holds now is in the database. What the group has committed says so only of a
        database that has met the topic: this may be another one. Raises what passes when either is away."""
        name = self._settings.topic(ORGS)
        places = [TopicPartition(name, number) for number in range(self._topics.partitions(ORGS))]
        async with self._database.reading() as connection:
            met = await connection.scalar(_READ, {"subscription": SUBSCRIPTION})
        if met < len(places):
            return False
        ends = await self._consumer.end_offsets(places)
        return all([await self._consumer.committed(place) == end for place, end in ends.items() if end > 0])
