"""A Kafka record as a service sees it, and what decoding made of a batch of them."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fettle_chassis.failures import BadRecord
from fettle_chassis.tolerant_consumer import UnreadableRecord

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Record:
    """A Kafka record as it came. `topic` is without prefix; `timestamp_ms` is the topic's kind of time. Header values
    are raw bytes, UTF-8 or not, or None."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


class IllegibleRecord(Record):
    """A record that the client could not read; only its place is known."""

    WHY = "the name of a header is not UTF-8: the record could not be read"


@dataclass(slots=True)
class Entry(Generic[M]):
    """One record of a batch on its way: `message` is None when it is none of our business, `fault` says why it
    becomes a dead letter."""

    record: Record
    decoded: bool = False
    message: M | None = None
    fault: BadRecord | None = None
    buried: bool = False

    @property
    def place(self) -> tuple[str, int]:
        return self.record.topic, self.record.partition


def read(raw: Any, prefix: str) -> Record:
    """A client's record as ours."""
    kind = IllegibleRecord if isinstance(raw, UnreadableRecord) else Record
    return kind(
        raw.topic.removeprefix(prefix),
        raw.partition,
        raw.offset,
        raw.timestamp,
        raw.key,
        raw.value,
        tuple(raw.headers),
    )
