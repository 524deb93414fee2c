"""High-water marks: which messages of `health.judgements` are news.

A shard writes in the order of its places and may write any message again; per partition of the topic and shard, what is
not above the highest place seen is a repeat. So one row per partition and shard does what an inbox does with a row per
message.
"""

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias, TypeVar

from fettle_health_monitor.domain.judgements import Judged

Mark: TypeAlias = tuple[int, int, int]
"""Generation, offset of the heartbeat record, index among the messages of that record."""

NOTHING: Final[Mark] = (-1, -1, -1)
"""Before all messages."""

J = TypeVar("J", bound=Judged)


def mark_of(judgement: Judged) -> Mark:
    offset, index = judgement.place
    return (judgement.generation, offset, index)


def news(marks: Mapping[int, Mark], judgements: Iterable[J]) -> tuple[list[J], dict[int, Mark]]:
    """The messages that are not repeats, in their order, and the marks (by shard) after them."""
    after = dict(marks)
    fresh = []
    for judgement in judgements:
        mark = mark_of(judgement)
        known = after.get(judgement.shard)
        if known is None or mark > known:
            after[judgement.shard] = mark
            fresh.append(judgement)
    return fresh, after
