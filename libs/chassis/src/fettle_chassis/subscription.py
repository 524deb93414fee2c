"""What a service says about the records it wants."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from fettle_chassis.records import Record
from fettle_chassis.unit_of_work import UnitOfWork

M = TypeVar("M")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription(Generic[M]):
    """What a service does with the records of some topics.

    name: stable for ever: consumer group (`settings.group(name)`), inbox and fence key. Say `ticket-service.commands`.
    topics: names of the topic table, without prefix.
    decode: pure; raises `BadRecord` for data that is wrong (`Unreadable` of contracts and UnicodeDecodeError are
        taken so too), returns None for what is none of our business (it is passed over and counted).
    handle: one batch of one or more messages, partition order kept, inside one transaction. May run again after a
        failure, in smaller batches. Raises as `failures.py` says. Never publishes to Kafka, never commits.
    identity: `(source, id)` by which a message has one effect, or None for a message without; a repeat, also inside
        the batch and by another topic of the subscription, never reaches `handle`. Without `identity` the handler sees
        every redelivery and must know repeats by itself.
    max_records: the most that one transaction takes.
    own_topic: only Fettle writes these topics; a bad record means a wrong deploy and stops the service.
    """

    name: str
    topics: tuple[str, ...]
    decode: Callable[[Record], M | None]
    handle: Callable[[UnitOfWork, Sequence[M]], Awaitable[None]]
    identity: Callable[[M], tuple[str, str] | None] | None = None
    max_records: int = 200
    own_topic: bool = False
