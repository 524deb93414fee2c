"""A consumer that hands out records as the C parser made them.

Half of `getmany`'s time goes into wrapping each record once more, for fields that a reader of one topic does not need.
aiokafka has no switch for that, so this replaces one method of one consumer's records, in aiokafka 0.14 and only if it
looks as expected; anywhere else the ordinary records come, which have the same fields under the same names.
"""

import inspect
from typing import Any

import structlog
from aiokafka.consumer import fetcher

log = structlog.get_logger(__name__)


class _BareRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka has no types
    def _consumer_record(self, _tp: object, record: Any) -> Any:
        return record


def hand_out_bare_records() -> bool:
    """From now on every consumer of this process hands out bare records: offset, timestamp, key, value and headers.
    Returns whether it does. For processes that read nothing but heartbeats."""
    if fetcher.PartitionRecords is _BareRecords:
        return True
    seam = getattr(fetcher.PartitionRecords, "_consumer_record", None)
    if seam is None or list(inspect.signature(seam).parameters) != ["self", "tp", "record"]:
        log.warning("judge.ordinary_records", why="this aiokafka makes its records in another way")
        return False
    fetcher.PartitionRecords = _BareRecords
    return True
