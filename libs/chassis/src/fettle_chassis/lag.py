"""How far a subscription is behind what the broker has, as metrics."""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from fettle_chassis import metrics
from fettle_chassis.membership import Membership

_ASK_WITHIN_S = 1.0


class Lag:
    """Measures one membership. A partition that has been let go is shown no more: it is for its new owner to say."""

    def __init__(self, member: Membership) -> None:
        self._member = member
        self._shown: set[TopicPartition] = set()

    async def look(self, now: float) -> None:
        """`now` in seconds since 1970. The broker is asked for the ends of the log: what the client knows of them
        is as old as its last fetch. While it does not answer, what it said last stays."""
        in_hand = self._member.in_hand
        age_s = now - min(record.timestamp for record in in_hand) / 1000 if in_hand else 0.0
        metrics.OLDEST_IN_HAND.labels(self._member.name).set(max(age_s, 0.0))
        consumer = self._member.consumer
        assigned = consumer.assignment() if consumer is not None and self._member.joined else frozenset()
        self._show_no_more(self._shown - assigned)
        if not assigned:
            return
        with contextlib.suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(_ASK_WITHIN_S):
                ends = await consumer.end_offsets(assigned)
                next_ = {place: await consumer.position(place) for place in assigned}
            next_ |= _firsts(self._member.in_hand)
            for place in assigned:
                metrics.LAG.labels(*self._labels(place)).set(max(ends[place] - next_[place], 0))
                self._shown.add(place)

    def _show_no_more(self, places: Iterable[TopicPartition]) -> None:
        for place in places:
            metrics.LAG.remove(*self._labels(place))
            self._shown.discard(place)

    def _labels(self, place: TopicPartition) -> tuple[str, str, str]:
        return self._member.name, place.topic.removeprefix(self._member.topic_prefix), str(place.partition)


def _firsts(in_hand: Sequence[Any]) -> dict[TopicPartition, int]:
    """Where each partition's part of the batch begins, which the client has passed already."""
    return {TopicPartition(record.topic, record.partition): record.offset for record in reversed(in_hand)}
