"""The batch consumer: one transaction per batch (fence, inbox, handler, outbox), then an explicit offset commit.

What happens to a record that fails stands in `failures.py`; what is promised: every record that is not bad has its
effect exactly once in the database, in partition order, whatever is killed when.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from fettle_chassis.database import Database
from fettle_chassis.service import Part
from fettle_chassis.settings import ServiceSettings
from fettle_chassis.slots import Slot
from fettle_chassis.unit_of_work import UnitOfWork

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Record:
    """A Kafka record as it came. `topic` is without prefix; `timestamp_ms` is the topic's kind of time; a header value
    that is not UTF-8 stands as it is, a null one as `b""`."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription(Generic[M]):
    """What a service does with records of some topics.

    name: stable for ever: consumer group (`settings.group(name)`), inbox and fence key. Say `ticket-service.commands`.
    topics: names of the topic table, without prefix.
    decode: pure; raises `BadRecord` for data that is wrong (also `Unreadable` of contracts is taken so), returns None
        for what is none of our business (it is passed over and counted).
    handle: one batch of one or more messages, partition order kept, inside one transaction. May run again after a
        failure, in smaller batches. Raises as `failures.py` says. Never publishes to Kafka, never commits.
    identity: `(source, id)` by which a message has one effect, or None for a message without; a repeat, also inside
        the batch and by another topic of the subscription, never reaches `handle`. Without `identity` the handler sees
        every redelivery and must know repeats by itself.
    own_topic: only Fettle writes these topics; a bad record means a wrong deploy and stops the service.
    """

    name: str
    topics: tuple[str, ...]
    decode: Callable[[Record], M | None]
    handle: Callable[[UnitOfWork, Sequence[M]], Awaitable[None]]
    identity: Callable[[M], tuple[str, str] | None] | None = None
    max_records: int = 200
    own_topic: bool = False


class Consumers(Part):
    """Runs subscriptions, each in its own consumer group with static membership.

    Ready when every subscription has joined its group. Stop finishes the batch in hand and leaves its slot to
    the next start.
    """

    name = "consumers"

    def __init__(
        self, settings: ServiceSettings, database: Database, slot: Slot, *subscriptions: Subscription[M]
    ) -> None:
        raise NotImplementedError
