"""Outgoing messages, and the table that holds them until Kafka has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.copying import MANY, copy_rows
from fettle_chassis.failures import MessageTooLarge
from fettle_contracts.cloudevents import CloudEvent, to_binary

CHANNEL = "fettle_outbox"
"""The NOTIFY channel that wakes the relay, once per transaction."""

SIZE_LIMIT = 900_000
"""Bytes of key, value and headers together; the broker's own limit is a little over a million."""

# The transaction has its id before it draws the first row's: `outbox_queue.py` says why.
_INSERT = text(f"""
    WITH written AS (
        INSERT INTO outbox (topics, key, partition, headers, value)
        SELECT topics, key, partition, headers, value
        FROM unnest(CAST(:topics AS text[]), CAST(:keys AS bytea[]), CAST(:partitions AS integer[]),
                    CAST(:headers AS text[]), CAST(:bodies AS bytea[]))
             WITH ORDINALITY AS message (topics, key, partition, headers, value, place)
        WHERE pg_current_xact_id() IS NOT NULL
        ORDER BY place
    )
    SELECT pg_notify('{CHANNEL}', '')
""")  # noqa: S608 - the channel is a constant

_BEGIN_COPY = text(f"SELECT pg_current_xact_id(), pg_notify('{CHANNEL}', '')")
_COLUMNS = ("topics", "key", "partition", "headers", "value")


_BACKLOG = text("""
    SELECT count(*), coalesce(extract(epoch FROM now() - min(written_at)), 0)
    FROM (SELECT written_at FROM outbox WHERE id > :floor ORDER BY id LIMIT 100000) AS waiting
""")


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

    def __post_init__(self) -> None:
        if not self.topics:
            raise ValueError("a message needs a topic")
        if self.key is None and self.partition is None:
            raise ValueError("a message needs a key or a partition")

    @classmethod
    def of(cls, event: CloudEvent, *topics: str, partition: int | None = None) -> Self:
        """A CloudEvent in binary mode, keyed by `event.key`, to every one of `topics` with one `ce_id`."""
        headers, value = to_binary(event)
        key = None if event.key is None else event.key.encode()
        return cls(topics=topics, key=key, value=value, headers=headers, partition=partition)

    def check_size(self) -> None:
        """Raises `MessageTooLarge`."""
        size = len(self.key or b"") + len(self.value or b"")
        size += sum(len(name) + len(value) for name, value in self.headers)
        if size > SIZE_LIMIT:
            raise MessageTooLarge(self.topics[0], size, SIZE_LIMIT)


async def backlog(connection: AsyncConnection, floor: int) -> tuple[int, float]:
    """How many rows wait above `floor` (at most 100,000 are counted) and the age of the oldest in seconds."""
    count, age_s = (await connection.execute(_BACKLOG, {"floor": floor})).one()
    return int(count), float(age_s)


async def write(connection: AsyncConnection, messages: Sequence[Outgoing]) -> None:
    """Writes outbox rows, one at least, in this order and notifies the relay when the transaction commits."""
    rows = [
        (",".join(message.topics), message.key, message.partition, headers_to_text(message.headers), message.value)
        for message in messages
    ]
    if len(rows) >= MANY:
        await connection.execute(_BEGIN_COPY)
        await copy_rows(connection, "outbox", _COLUMNS, rows)
        return
    topics, keys, partitions, headers, bodies = map(list, zip(*rows, strict=True))
    parameters = {"topics": topics, "keys": keys, "partitions": partitions, "headers": headers, "bodies": bodies}
    await connection.execute(_INSERT, parameters)


def headers_to_text(headers: Sequence[tuple[str, bytes]]) -> str:
    """Headers as JSON text that keeps every byte."""
    return msgspec.json.encode([(name, value.decode("latin-1")) for name, value in headers]).decode()


def headers_from_text(stored: str) -> list[tuple[str, bytes]]:
    return [(name, value.encode("latin-1")) for name, value in msgspec.json.decode(stored)]
