"""What has been published of a shard's changes: on `health.judgements`, and in the history that came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.settings import ServiceSettings
from fettle_contracts.topics import JUDGEMENTS
from fettle_health_monitor.adapters.judge.past_log import past_log
from fettle_health_monitor.domain.correlator.marks import Mark, news
from fettle_health_monitor.domain.judgements import Change, decode

_SLACK_MS = 60_000
"""How far the clocks of two brokers may be apart."""

_HISTORY = text("""
    SELECT id, body FROM transition
    WHERE org = :org AND at >= :from_at AND NOT laid_over AND (body -> 'evidence' ->> 'partition')::integer = :shard
      AND (body -> 'evidence' ->> 'offset')::bigint BETWEEN :first AND :last
    ORDER BY position
""")

_NOT_SHOWN = text("""
    SELECT id::text FROM hidden_change WHERE org = :org AND at >= :from_at
    UNION ALL SELECT judgement ->> 'id' FROM held_judgement WHERE org = :org AND judgement ->> 'kind' = 'change'
""")

_MARK = text("""
    SELECT generation, place_offset, place_index FROM shard_progress WHERE partition = :partition AND shard = :shard
""")


@dataclass(frozen=True, slots=True)
class Span:
    """The changes that records `first` to `last` of a shard's log cause for one org, from `from_at` (broker
    milliseconds) on. `partition` is the one of `health.judgements` by which the org's come."""

    org: str
    partition: int
    shard: int
    generation: int
    from_at: int
    first: int
    last: int

    def covers(self, change: Change) -> bool:
        return (
            change.org == self.org
            and change.shard == self.shard
            and change.generation == self.generation
            and self.first <= change.place[0] <= self.last
        )


async def complete_from(settings: ServiceSettings, partition: int) -> int:
    """The instant from which on this partition still has everything; 0 when nothing of it has been let go."""
    async with past_log(settings, JUDGEMENTS, partition) as log:
        start, _ = await log.bounds()
        oldest = None if start == 0 else await log.place_at(start)
    return 0 if oldest is None else oldest.timestamp + _SLACK_MS


async def judged(settings: ServiceSettings, span: Span) -> list[Change]:
    """As the topic has them, without repeats: what the correlator takes in, in the same order."""
    found, marks = list[Change](), dict[int, Mark]()
    async with past_log(settings, JUDGEMENTS, span.partition) as log:
        _, end = await log.bounds()
        async for records in log.records(await log.first_at(span.from_at - _SLACK_MS), end):
            of_shard = [one for one in (decode(record.value or b"") for record in records) if one.shard == span.shard]
            fresh, marks = news(marks, of_shard)
            found += (one for one in fresh if isinstance(one, Change) and span.covers(one))
    return found


async def history(connection: AsyncConnection, span: Span) -> list[tuple[str, Mapping[str, Any]]]:
    """Ids and bodies of the transitions that a shard has said, in the order in which they were written."""
    values = {
        "org": span.org,
        "from_at": span.from_at,
        "shard": span.shard,
        "first": span.first,
        "last": span.last,
    }
    return [(str(row.id), row.body) for row in await connection.execute(_HISTORY, values)]


async def not_shown(connection: AsyncConnection, span: Span) -> set[str]:
    """The ids of changes that have been taken in and are not shown, or not yet: heartbeats of the org are lost."""
    return set(await connection.scalars(_NOT_SHOWN, {"org": span.org, "from_at": span.from_at}))


async def taken_in(connection: AsyncConnection, partition: int, shard: int) -> Mark:
    """How far the history goes in this shard's log."""
    row = (await connection.execute(_MARK, {"partition": partition, "shard": shard})).one_or_none()
    return (0, 0, 0) if row is None else (row.generation, row.place_offset, row.place_index)
