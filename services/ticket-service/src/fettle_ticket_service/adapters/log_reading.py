"""What a topic holds between two places, read apart from whoever takes it in for good."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiokafka import TopicPartition

from fettle_chassis.failures import TransientError

_POLL_MS = 200
_SILENT_POLLS = 75


class FellSilent(TransientError):
    """For 15 s nothing has come, and the end is not reached."""


async def between(
    consumer: Any, begins: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> AsyncIterator[list[Any]]:
    """The records from `begins` to behind the last before `ends`, a fetch at a time, each partition's in order. The
    consumer is started; it is given the partitions, and keeps them: one that is stopped right after they were taken
    from it never ends. Waits for the broker; raises `FellSilent` and what the client raises."""
    unread = [place for place, end in ends.items() if begins.get(place, 0) < end]
    if not unread:
        return
    consumer.assign(unread)
    for place in unread:
        consumer.seek(place, begins.get(place, 0))
    silent = 0
    while any([await consumer.position(place) < ends[place] for place in unread]):
        found = await consumer.getmany(timeout_ms=_POLL_MS)
        silent = 0 if found else silent + 1
        if silent > _SILENT_POLLS:
            raise FellSilent(f"{unread[0].topic} is not read to its end")
        yield [record for records in found.values() for record in records]
