"""Exact timers for a million subjects: a heap that learns late that a deadline has moved.

A heartbeat only moves its subject's deadline; the heap is not touched. When an old entry comes up, the subject is asked
when it is really due and is entered again if that is later. So each subject has one live entry, never later than its
real deadline, and costs one push per timeout instead of one per heartbeat.
"""

from array import array
from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from typing import Final

_ROW_BITS: Final = 24
_ROW_MASK: Final = (1 << _ROW_BITS) - 1
NOT_QUEUED: Final = -1

DueAt = Callable[[int], int | None]
"""When a row is really due, on the observed clock; None: no timer of its runs."""


class Timers:
    """The queue of rows by due instant. `queued` is the column of each row's live entry (`NOT_QUEUED`: none).

    An entry is one int, instant and row packed; entries that are not the row's live one are dropped when they come up.
    """

    __slots__ = ("_heap", "_queued")

    def __init__(self, queued: "array[int]") -> None:
        self._heap: list[int] = []
        self._queued = queued

    def __len__(self) -> int:
        """Entries, those included that will be dropped when they come up."""
        return len(self._heap)

    def rebuild(self, rows: Iterable[int], due_at: DueAt) -> None:
        """Enter every row afresh."""
        self._heap = []
        for row in rows:
            due = due_at(row)
            if due is not None:
                self._queued[row] = due
                self._heap.append((due << _ROW_BITS) | row)
        heapify(self._heap)

    def queue(self, row: int, due: int | None) -> None:
        """See to it that the row comes up at `due` at the latest."""
        if due is None:
            return
        live = self._queued[row]
        if live == NOT_QUEUED or due < live:
            self._queued[row] = due
            heappush(self._heap, (due << _ROW_BITS) | row)

    def anything_by(self, until: int) -> bool:
        """Whether it is worth asking which rows are due."""
        return bool(self._heap) and self._heap[0] >> _ROW_BITS <= until

    def next_due(self, until: int, due_at: DueAt) -> int | None:
        """The instant at which the next row is really due, if that is not after `until`. Looks at no row whose entry is
        later, so it does no work that would not be due by then anyway."""
        heap = self._heap
        while heap and heap[0] >> _ROW_BITS <= until:
            due = heap[0] >> _ROW_BITS
            row = self._settle(due, due_at)
            if row is not None:
                self._queued[row] = due
                heappush(heap, (due << _ROW_BITS) | row)
                return due
        return None

    def take_due(self, until: int, due_at: DueAt) -> tuple[int, list[int]] | None:
        """The rows that are due at the earliest instant not after `until`, with that instant. They have no live entry
        any more; the caller queues them again."""
        heap = self._heap
        while heap and heap[0] >> _ROW_BITS <= until:
            due = heap[0] >> _ROW_BITS
            rows = []
            while heap and heap[0] >> _ROW_BITS == due:
                row = self._settle(due, due_at)
                if row is not None:
                    rows.append(row)
            if rows:
                return due, rows
        return None

    def _settle(self, due: int, due_at: DueAt) -> int | None:
        """Take the first entry off the heap: the row if it is really due, else it is entered where it belongs."""
        row = heappop(self._heap) & _ROW_MASK
        if self._queued[row] != due:
            return None
        self._queued[row] = NOT_QUEUED
        real = due_at(row)
        if real is None:
            return None
        if real > due:
            self.queue(row, real)
            return None
        return row
