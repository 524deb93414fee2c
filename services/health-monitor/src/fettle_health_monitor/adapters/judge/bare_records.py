"""A consumer that hands out records as the C parser made them.

Half of `getmany`'s time goes into wrapping each record once more, for fields that a reader of one topic does not need.
aiokafka has no switch for that. So one method of its records is replaced, if it looks as expected; it does otherwise
only for consumers that ask, by giving `bare` as their `key_deserializer`. Where it does not look as expected the
ordinary records come, which have the same fields under the same names, and `bare` is a deserializer that changes
nothing.
"""

import inspect
from typing import Any

import structlog
from aiokafka.consumer import fetcher

log = structlog.get_logger(__name__)


def bare(key: bytes | None) -> bytes | None:
    """The `key_deserializer` of a consumer that takes bare records: offset, timestamp, key, value and headers."""
    return key


class _Records(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka has no types
    def _consumer_record(self, tp: Any, record: Any) -> Any:
        return record if self._key_deserializer is bare else super()._consumer_record(tp, record)


def offer_bare_records() -> bool:
    """From now on consumers of this process can ask for bare records. Returns whether they will get them."""
    if fetcher.PartitionRecords is _Records:
        return True
    seam = getattr(fetcher.PartitionRecords, "_consumer_record", None)
    if seam is None or list(inspect.signature(seam).parameters) != ["self", "tp", "record"]:
        log.warning("judge.ordinary_records", why="this aiokafka makes its records in another way")
        return False
    fetcher.PartitionRecords = _Records
    return True
