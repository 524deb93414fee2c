"""Small numbers that stand for values which many subjects share."""

from array import array
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)
_SPARE = 1024


class Interned(Generic[T]):
    """A table of values, each with a number that a column can hold."""

    __slots__ = ("_numbers", "values")

    def __init__(self, values: Iterable[T] = ()) -> None:
        self.values: list[T] = list(values)
        self._numbers: dict[T, int] = {value: number for number, value in enumerate(self.values)}

    def number(self, value: T) -> int:
        """The value's number; a new value gets the next."""
        number = self._numbers.get(value)
        if number is None:
            number = self._numbers[value] = len(self.values)
            self.values.append(value)
        return number

    def compact(self, column: "array[int]", *, keep: int = 0) -> None:
        """Forget values that `column` no longer holds, once they are the greater part; the column is renumbered.

        The first `keep` numbers stay what they are. Without this a device that reports another model each time would
        fill the memory.
        """
        if len(self.values) <= 2 * len(column) + _SPARE:
            return
        old = self.values
        self.values = old[:keep]
        self._numbers = {value: number for number, value in enumerate(self.values)}
        for row, number in enumerate(column):
            column[row] = self.number(old[number])
