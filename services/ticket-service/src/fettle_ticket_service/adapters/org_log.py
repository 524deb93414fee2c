"""The topic `orgs` as a place to have come to: who writes a command about an org has read of the org there."""

from aiokafka import TopicPartition

from fettle_chassis.kafka import build_consumer
from fettle_chassis.patience import patiently
from fettle_chassis.service import Part
from fettle_chassis.settings import ServiceSettings
from fettle_chassis.topics import Topics
from fettle_contracts.topics import ORGS

SUBSCRIPTION = "ticket-service.orgs"
"""The subscription, of all replicas together, that takes the topic in."""


class OrgLog(Part):
    """Asks the broker how far the topic has been taken in; reads no record itself. Starts after `topics`."""

    name = "org-log"

    def __init__(self, settings: ServiceSettings, topics: Topics) -> None:
        self._settings, self._topics = settings, topics

    async def start(self) -> None:
        self._consumer = build_consumer(
            self._settings, client_id=f"{SUBSCRIPTION}-end", group=self._settings.group(SUBSCRIPTION)
        )
        await patiently(self._consumer.start)

    async def stop(self) -> None:
        await self._consumer.stop()

    async def is_taken_in(self) -> bool:
        """Whether all that the topic holds now is in the database. Raises what passes when Kafka is away."""
        name = self._settings.topic(ORGS)
        places = [TopicPartition(name, number) for number in range(self._topics.partitions(ORGS))]
        ends = await self._consumer.end_offsets(places)
        return all([await self._consumer.committed(place) == end for place, end in ends.items() if end > 0])
