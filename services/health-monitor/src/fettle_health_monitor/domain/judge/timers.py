"""Exact timers for a million subjects: a heap that learns late that a deadline has moved.

A heartbeat only moves its subject's deadline; the heap is not touched. When an old entry comes up, the subject is asked
when it is really due and is entered again if that is later. So each subject has one live entry, never later than its
real deadline, and costs one entry per timeout instead of one per heartbeat. Only what is due soon stands in the heap,
40 bytes each; what is due later waits as a bare row number, 4 bytes, with everybody of the same eight seconds, and is
asked when these are near.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from itertools import islice
from typing import Final

_ROW_BITS: Final = 24
_ROW_MASK: Final = (1 << _ROW_BITS) - 1
_SPAN_BITS: Final = 13
NOT_QUEUED: Final = -1

DueAt = Callable[[int], int | None]
"""When a row is really due, on the observed clock; None: no timer of its runs."""


class Timers:
    """The queue of rows by due instant. `queued` is the column of each row's live entry (`NOT_QUEUED`: none).

    An entry is one int, instant and row packed; entries that are not the row's live one are dropped when they come up.
    """

    __slots__ = ("_heap", "_later", "_near", "_queued")

    def __init__(self, queued: "array[int]") -> None:
        self._heap: list[int] = []
        self._later: dict[int, array[int]] = {}
        """Rows by the span of time that they are due in, each once or more."""
        self._near = 0
        """What is due in earlier spans than this stands in the heap."""
        self._queued = queued

    def __len__(self) -> int:
        """Entries, those included that will be dropped when they come up."""
        return len(self._heap) + sum(map(len, self._later.values()))

    def rebuild(self, rows: Iterable[int], due_at: DueAt) -> None:
        """Enter every row afresh; none has a live entry."""
        self._heap, self._later, self._near = [], {}, 0
        for row in rows:
            self.queue(row, due_at(row))

    def queue(self, row: int, due: int | None) -> None:
        """See to it that the row comes up at `due` at the latest."""
        if due is None:
            return
        live = self._queued[row]
        if live == NOT_QUEUED or due < live:
            self._queued[row] = due
            span = due >> _SPAN_BITS
            if span < self._near:
                heappush(self._heap, (due << _ROW_BITS) | row)
            elif span in self._later:
                self._later[span].append(row)
            else:
                self._later[span] = array("I", (row,))

    def anything_by(self, until: int, due_at: DueAt) -> bool:
        """Whether it is worth asking which rows are due."""
        self._draw_near(until, due_at)
        return bool(self._heap) and self._heap[0] >> _ROW_BITS <= until

    def next_due(self, until: int, due_at: DueAt) -> int | None:
        """The instant at which the next row is really due, if that is not after `until`. Looks at no row whose entry is
        later, so it does no work that would not be due by then anyway."""
        self._draw_near(until, due_at)
        heap = self._heap
        while heap and heap[0] >> _ROW_BITS <= until:
            due = heap[0] >> _ROW_BITS
            row = self._settle(due, due_at)
            if row is not None:
                self._queued[row] = due
                heappush(heap, (due << _ROW_BITS) | row)
                return due
        return None

    def count_due(self, until: int, due_at: DueAt, at_most: int) -> int:
        """How many rows are really due by then, as far as `at_most` entries show, those that were moved among them.
        Changes nothing: what is due later stays out of the heap however far ahead `until` is."""
        entered = islice(self._entered_by(until), at_most)
        return len({row for row in entered if (due := due_at(row)) is not None and due <= until})

    def _entered_by(self, until: int) -> Iterator[int]:
        """The rows that have an entry not after `until` or shortly behind it, live or not, some of them twice."""
        heap, places = self._heap, [0]
        while places:
            place = places.pop()
            if place < len(heap) and heap[place] >> _ROW_BITS <= until:
                places += (2 * place + 2, 2 * place + 1)
                yield heap[place] & _ROW_MASK
        for span in [each for each in self._later if each <= until >> _SPAN_BITS]:
            yield from self._later[span]

    def take_due(self, until: int, due_at: DueAt) -> tuple[int, list[int]] | None:
        """The rows that are due at the earliest instant not after `until`, with that instant. They have no live entry
        any more; the caller queues them again."""
        self._draw_near(until, due_at)
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

    def _draw_near(self, until: int, due_at: DueAt) -> None:
        """Let the heap hold whatever is due by then. Most rows were put off since they were entered: they wait on for
        when they are really due, and never come into the heap."""
        span = until >> _SPAN_BITS
        if span < self._near:
            return
        self._near = span + 1
        for past in [each for each in self._later if each <= span]:
            for row in self._later.pop(past):
                if self._queued[row] >> _SPAN_BITS == past:
                    self._queued[row] = NOT_QUEUED
                    self.queue(row, due_at(row))

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
