"""Header names that are not UTF-8, made legible.

The name of a header may hold any bytes on the wire. aiokafka's parser decodes names as UTF-8 and raises where it
cannot, in the middle of a fetch: everybody who reads that partition would stand before that record for ever. There is
no switch for it. So the class with which the client's fetcher takes batches out of a response is replaced by one that
reads such a batch again, with aiokafka's own slower parser and `\\xff` for what is no UTF-8.
"""

import struct
from collections.abc import Iterator
from typing import Any

import structlog
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchPy

log = structlog.get_logger(__name__)

_LENGTH_AT, _OVERHEAD = 8, 12
"""A batch is its base offset (8 bytes), the length of what follows (4 bytes), and that."""

_ordinary: Any = fetcher.MemoryRecords


def make_names_legible() -> None:
    """From now on consumers of this process get past such records."""
    fetcher.MemoryRecords = LegibleRecords


class LegibleRecords:
    """The batches of one partition in a fetch's response."""

    def __init__(self, data: Any) -> None:
        self._data = data
        self._at = 0
        self._records = _ordinary(data)

    def size_in_bytes(self) -> int:
        return int(self._records.size_in_bytes())

    def has_next(self) -> bool:
        return bool(self._records.has_next())

    def next_batch(self) -> Any:
        batch = self._records.next_batch()
        if batch is None:
            return None
        begin = self._at
        (length,) = struct.unpack_from(">i", self._data, begin + _LENGTH_AT)
        self._at = begin + _OVERHEAD + length
        return _Batch(batch, memoryview(self._data)[begin : self._at])


class _Batch:
    """A batch as the client made it, but for its records."""

    def __init__(self, batch: Any, data: memoryview) -> None:
        self._batch, self._data = batch, data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        try:
            return iter(list(self._batch))
        except (UnicodeDecodeError, CorruptRecordException) as error:
            if not isinstance(error.__cause__ or error, UnicodeDecodeError):  # the parser in Python wraps it
                raise
            log.debug("batch.read_leniently", offset=self._batch.base_offset)
            return _leniently(self._data)


def _leniently(data: memoryview) -> Iterator[Any]:
    batch = _DefaultRecordBatchPy(data)
    batch._maybe_uncompress()
    batch._buffer = _Lenient(batch._buffer)
    yield from batch


class _Lenient(bytearray):
    """A buffer whose parts decode whatever they hold."""

    def __getitem__(self, where: Any) -> Any:
        part = super().__getitem__(where)
        return _Part(part) if isinstance(where, slice) else part


class _Part(bytes):
    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002 - always this way
        return super().decode(encoding, "backslashreplace")
