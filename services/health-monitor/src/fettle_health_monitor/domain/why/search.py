"""The smallest change of one number that turns an answer.

What a number means for a log has steps: between two of them nothing that happens is another, only when. So a stretch
whose two ends have the same happenings is taken to have them throughout, and every other is cut in half until the step
stands between two neighbours.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from math import floor
from typing import NamedTuple


class Try(NamedTuple):
    """What came of one value: whether the answer has turned, and what happened."""

    turned: bool
    happened: Hashable


class Spent(Exception):
    """More has been tried than may be."""


@dataclass(slots=True)
class Allowance:
    """How many records may yet be folded. Whoever asked and has gone away sets it to nothing."""

    records: int

    def spend(self, records: int) -> None:
        """Raises Spent."""
        if self.records < records:
            raise Spent
        self.records -= records


def nearest(present: float, low: int, high: int, attempt: Callable[[int], Try]) -> int | None:
    """The value from `low` to `high` that is nearest to `present` (or is it, wherever that is) and turns the answer,
    while its neighbour on the side of `present` does not, or is beyond `present`, `low` or `high`; None when none does.
    Of two that are as near it is the greater. Raises what `attempt` raises."""
    known: dict[int, Try] = {}

    def tried(value: int) -> Try:
        if value not in known:
            known[value] = attempt(value)
        return known[value]

    start = floor(present + 0.5)
    if start == present and tried(start).turned:
        return start
    if low > high:
        return None
    start = min(max(start, low), high)
    if tried(start).turned:
        return start
    before, distance = 0, 1
    while start + before < high or start - before > low:
        found = [
            value
            for direction, end in ((1, high), (-1, low))
            if (value := _between(start, before, distance, direction, end, tried)) is not None
        ]
        if found:
            return min(found, key=lambda value: (abs(value - present), -value))
        before, distance = distance, distance * 2
    return None


def _between(
    start: int, before: int, distance: int, direction: int, end: int, tried: Callable[[int], Try]
) -> int | None:
    nearer, farther = start + direction * before, start + direction * distance
    if direction * farther > direction * end:
        farther = end
    if direction * nearer >= direction * farther:
        return None
    return _first_step(nearer, farther, tried)


def _first_step(nearer: int, farther: int, tried: Callable[[int], Try]) -> int | None:
    """The first value behind `nearer`, which does not turn the answer, that does."""
    if tried(nearer).happened == tried(farther).happened and not tried(farther).turned:
        return None
    if abs(farther - nearer) == 1:
        return farther if tried(farther).turned else None
    middle = (nearer + farther) // 2
    found = _first_step(nearer, middle, tried)
    return found if found is not None else _first_step(middle, farther, tried)
