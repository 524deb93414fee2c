"""A consumer that gets past records which the client cannot even read.

The name of a header may hold any bytes on the wire. aiokafka decodes names while it takes records out of a fetch; one
that is not UTF-8 raises there, and takes everything with it that the same call had taken out before. Called again, it
goes on behind those and fails at the same place, for ever.
"""

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

_NEXT_WITHIN_S = 1.0


class UnreadableRecord(ConsumerRecord):  # type: ignore[misc]  # aiokafka has no types
    """Stands for a record that could not be read: only its place is known. In a compacted log its offset may be that
    of a record before it which is gone."""

    @classmethod
    def at(cls, place: TopicPartition, offset: int) -> "UnreadableRecord":
        return cls(place.topic, place.partition, offset, -1, -1, None, None, None, -1, -1, ())


class TolerantConsumer(AIOKafkaConsumer):  # type: ignore[misc]
    """`getmany` gives every record once, in order; an `UnreadableRecord` where one cannot be read."""

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[Any]]:
        before = self._positions()
        try:
            found: dict[TopicPartition, list[Any]] = await super().getmany(
                *partitions, timeout_ms=timeout_ms, max_records=max_records
            )
        except UnicodeDecodeError:
            for place, offset in before.items():
                self.seek(place, offset)
            return await self._one_by_one(before, max_records or 200)
        return found

    def _positions(self) -> dict[TopicPartition, int]:
        subscription = self._subscription.subscription
        assignment = None if subscription is None else subscription.assignment
        known = {} if assignment is None else assignment.all_consumed_offsets()
        return {place: consumed.offset for place, consumed in known.items()}

    async def _one_by_one(self, places: dict[TopicPartition, int], most: int) -> dict[TopicPartition, list[Any]]:
        """What the first partition that has anything gives, up to the record that cannot be read, or just that."""
        for place in places:
            records: list[Any] = []
            try:
                while len(records) < most:
                    async with asyncio.timeout(_NEXT_WITHIN_S):
                        records.append(await self.getone(place))
            except TimeoutError:
                pass
            except UnicodeDecodeError:
                if not records:
                    offset = await self.position(place)
                    self.seek(place, offset + 1)
                    records.append(UnreadableRecord.at(place, offset))
            if records:
                return {place: records}
        return {}
