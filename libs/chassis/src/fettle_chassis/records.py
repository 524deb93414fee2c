"""A Kafka record as a service sees it, and what decoding made of a batch of them."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fettle_chassis.failures import BadRecord

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
    return Record(
        raw.topic.removeprefix(prefix),
        raw.partition,
        raw.offset,
        raw.timestamp,
        raw.key,
        raw.value,
        tuple(raw.headers),
    )
