"""Which log a partition really is. A topic that was deleted and created again has the same name and offsets that mean
something else; a consumer reads it on from its old position, or waits behind its end, and nobody notices.

So a log is known by its topic's id on the broker, and one that the subscription has not had yet is read from its
beginning: committed offset first, then the row that says so, then the position.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from aiokafka import TopicPartition
from sqlalchemy import text

from fettle_chassis.database import Database
from fettle_chassis.failures import TransientError
from fettle_chassis.topic_ids import TopicIds

log = structlog.get_logger(__name__)

_KNOWN = text("SELECT topic, partition, log FROM partition_owner WHERE subscription = :subscription")
_REMEMBER = text("""
    INSERT INTO partition_owner (subscription, topic, partition, log, epoch)
    SELECT :subscription, topic, partition, log, 0
    FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:logs AS text[]))
         AS place (topic, partition, log)
    ORDER BY topic, partition
    ON CONFLICT DO NOTHING
""")


class LogIdentity:
    """The logs of one subscription. `ids` maps topics (without prefix) to the ids of the present logs."""

    def __init__(
        self, subscription: str, topics: Sequence[str], prefix: str, database: Database, topic_ids: TopicIds
    ) -> None:
        self.ids: dict[str, str] = {}
        self._subscription = subscription
        self._topics = topics
        self._prefix = prefix
        self._database = database
        self._topic_ids = topic_ids
        self._checked: object = None
        self._voided = False
        self._lock = asyncio.Lock()

    async def changed(self) -> bool:
        """Asks the broker; whether any topic has become another log since the last check."""
        present = await self._present()
        return any(self.ids.get(topic, id) != id for topic, id in present.items())

    def doubt(self) -> None:
        """The next check looks, whatever was checked before."""
        self._checked = None

    async def check(self, consumer: Any, assignment: object, void: Callable[[], None]) -> None:
        """Makes sure that every assigned partition is read from the beginning of its log, or from where this
        subscription stopped in this very log. Does so once per `assignment`, a mark of the caller's.

        Calls `void` where what was fetched before must neither take effect nor be committed any more: before it commits
        anything itself, and again right behind the change of positions, with no pause between, so that nothing is
        thrown away that would not come again. Raises what passes when broker, topic or database are away.
        """
        async with self._lock:
            if self._checked == assignment:
                return
            present = {**self.ids, **await self._present()}
            missing = set(self._topics) - present.keys()
            if missing:
                raise TransientError(f"topics are not there: {sorted(missing)}")
            fresh = await self._unknown(consumer.assignment(), present)
            self.ids.update(present)
            if fresh:
                self._voided = True
                void()
                await self._begin(consumer, fresh)
            if self._voided:
                stopped_at = await self._stopped_at(consumer)
                for place in consumer.assignment() & stopped_at.keys():
                    consumer.seek(place, stopped_at[place])
                self._voided = False
                void()
            self._checked = assignment

    async def _present(self) -> dict[str, str]:
        found = await self._topic_ids.of([self._prefix + topic for topic in self._topics])
        return {name.removeprefix(self._prefix): id for name, id in found.items()}

    async def _unknown(self, assigned: set[TopicPartition], ids: Mapping[str, str]) -> list[TopicPartition]:
        async with self._database.reading() as connection:
            rows = await connection.execute(_KNOWN, {"subscription": self._subscription})
            known = {(topic, partition, id) for topic, partition, id in rows}
        return [place for place in assigned if self._identity(place, ids) not in known]

    async def _begin(self, consumer: Any, places: Sequence[TopicPartition]) -> None:
        """From now on the subscription stands at the beginning of these logs, also if it ends here."""
        await consumer.commit(await consumer.beginning_offsets(places))
        await self._remember(places)
        log.info("consumer.new_log", subscription=self._subscription, places=[f"{t}[{p}]" for t, p in places])

    async def _stopped_at(self, consumer: Any) -> dict[TopicPartition, int]:
        """Where the subscription has come to in each log; in one where it was never, the beginning."""
        committed = {place: await consumer.committed(place) for place in consumer.assignment()}
        nowhere = [place for place, offset in committed.items() if offset is None]
        beginnings = await consumer.beginning_offsets(nowhere) if nowhere else {}
        return {**committed, **beginnings}

    async def _remember(self, places: Sequence[TopicPartition]) -> None:
        topics, partitions, ids = zip(*(self._identity(place, self.ids) for place in places), strict=True)
        async with self._database.engine.begin() as connection:
            await connection.execute(
                _REMEMBER,
                {
                    "subscription": self._subscription,
                    "topics": list(topics),
                    "partitions": list(partitions),
                    "logs": list(ids),
                },
            )

    def _identity(self, place: TopicPartition, ids: Mapping[str, str]) -> tuple[str, int, str]:
        topic = place.topic.removeprefix(self._prefix)
        return topic, place.partition, ids[topic]
