"""Outgoing messages and the table that holds them until Kafka has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from fettle_contracts.cloudevents import CloudEvent


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message for one or more topics, published at least once, in commit order per key.

    `topics` are names of the topic table, without prefix. Without `partition` Kafka's murmur2 of `key` decides; a
    key is needed then. `value` None is a tombstone.
    """

    topics: tuple[str, ...]
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    partition: int | None = None

    @classmethod
    def of(cls, event: CloudEvent, *topics: str, partition: int | None = None) -> Self:
        """A CloudEvent in binary mode, keyed by `event.key`, to every one of `topics` with one `ce_id`."""
        raise NotImplementedError
