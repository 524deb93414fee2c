"""The topic `orgs` as a place to have come to: who writes a command about an org has read of the org there."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from aiokafka import TopicPartition
from sqlalchemy import text

from fettle_chassis.database import Database
from fettle_chassis.failures import BadRecord
from fettle_chassis.kafka import build_consumer
from fettle_chassis.patience import patiently
from fettle_chassis.records import read
from fettle_chassis.service import Part
from fettle_chassis.settings import ServiceSettings
from fettle_chassis.told_orgs import OrgDecoder, ToldOrg
from fettle_chassis.topics import Topics
from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work
from fettle_contracts.message import Unreadable
from fettle_contracts.topics import ORGS
from fettle_ticket_service.adapters import log_reading

log = structlog.get_logger(__name__)

SUBSCRIPTION = "ticket-service.orgs"
"""The subscription, of all replicas together, that takes the topic in."""

_READ = text("SELECT count(*) FROM partition_owner WHERE subscription = :subscription")


class OrgLog(Part):
    """Start: takes in what the topic holds, whatever was taken in before. The database may have been put back to an
    older state since, and what the subscription has committed has not gone back with it. The topic is compacted, and
    an older statement changes nothing. Then asks the broker how far it has been taken in. Starts after `topics`."""

    name = "org-log"

    def __init__(
        self,
        settings: ServiceSettings,
        database: Database,
        topics: Topics,
        decode: OrgDecoder,
        handle: Callable[[UnitOfWork, Sequence[ToldOrg]], Awaitable[None]],
    ) -> None:
        self._settings, self._database, self._topics = settings, database, topics
        self._decode, self._handle = decode, handle

    async def start(self) -> None:
        await patiently(self._take_in)
        self._consumer = build_consumer(
            self._settings, client_id=f"{SUBSCRIPTION}-end", group=self._settings.group(SUBSCRIPTION)
        )
        await patiently(self._consumer.start)

    async def stop(self) -> None:
        await self._consumer.stop()

    async def is_taken_in(self) -> bool:
        """Whether all that the topic holds now is in the database. What the group has committed says so only of a
        database that has met the topic: this may be another one. Raises what passes when either is away."""
        places = self._places()
        async with self._database.reading() as connection:
            met = await connection.scalar(_READ, {"subscription": SUBSCRIPTION})
        if met < len(places):
            return False
        ends = await self._consumer.end_offsets(places)
        return all([await self._consumer.committed(place) == end for place, end in ends.items() if end > 0])

    async def _take_in(self) -> None:
        consumer, places = build_consumer(self._settings, client_id=f"{SUBSCRIPTION}-start"), self._places()
        try:
            await consumer.start()
            begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
            async for records in log_reading.between(consumer, begins, ends):
                told = [each for record in records if (each := self._told(record)) is not None]
                if told:
                    async with unit_of_work(self._database) as work:
                        await self._handle(work, told)
        except log_reading.FellSilent as error:
            # Compaction may have emptied the end of a partition (somebody's tombstone): nothing is there to come to.
            log.warning("orgs.silent", error=str(error))
        finally:
            await consumer.stop()

    def _told(self, record: Any) -> ToldOrg | None:
        """None also for what is bad: the subscription sets it aside."""
        try:
            return self._decode(read(record, self._settings.topic_prefix))
        except (BadRecord, Unreadable):
            return None

    def _places(self) -> list[TopicPartition]:
        name = self._settings.topic(ORGS)
        return [TopicPartition(name, number) for number in range(self._topics.partitions(ORGS))]
