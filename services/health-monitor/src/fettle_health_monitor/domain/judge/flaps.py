"""Who flaps: what subjects did within their flap windows.

Two counts make a subject flap: its confirmed changes (a debounce has passed, so it fired or is healthy again) and the
flips of its reading (it turned between healthy and unhealthy, whatever turned it). Only who did either of late has an
entry here. Instants are on the observed clock; what is as old as the window is in it no more.
"""

from array import array
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from fettle_health_monitor.domain.judge.policies import Timing
from fettle_health_monitor.domain.judge.states import Reason

_SPARE: Final = 1024


class Counts(NamedTuple):
    changes: int
    flips: int

    def too_many(self, timing: Timing) -> tuple[Reason, int] | None:
        """Which rule makes the subject flap, and the count that is full."""
        if self.changes >= timing.flap_changes:
            return Reason.CHANGED_TOO_OFTEN, self.changes
        if self.flips >= timing.flap_flips:
            return Reason.FLIPPED_TOO_OFTEN, self.flips
        return None


NOTHING: Final = Counts(0, 0)


class Flaps:
    """The histories by row; `window_of` tells a row's flap window in milliseconds (0: it is not judged now).

    A history is one column of numbers, twice the instant each, one more for a confirmed change.
    """

    __slots__ = ("_limit", "_of", "_window_of")

    def __init__(self, window_of: Callable[[int], int]) -> None:
        self._of: dict[int, array[int]] = {}
        self._window_of = window_of
        self._limit = _SPARE

    def __contains__(self, row: int) -> bool:
        """Whether anything that the row has done is remembered."""
        return row in self._of

    def flipped(self, row: int, instant: int) -> None:
        self._add(row, instant * 2, instant)

    def confirmed(self, row: int, instant: int) -> None:
        self._add(row, instant * 2 + 1, instant)

    def counts(self, row: int, instant: int) -> Counts:
        """What the row has done within its window by `instant`."""
        done = self._of.get(row)
        if done is None:
            return NOTHING
        window = self._window_of(row)
        within = [one & 1 for one in done if not window or instant - one // 2 < window]
        changes = sum(within)
        return Counts(changes, len(within) - changes)

    def too_many(self, row: int, instant: int, timing: Timing) -> tuple[Reason, int] | None:
        """As `Counts.too_many`; quick for who has done little."""
        done = self._of.get(row)
        if done is None or len(done) < min(timing.flap_changes, timing.flap_flips):
            return None
        return self.counts(row, instant).too_many(timing)

    def last(self, row: int) -> int:
        """The instant of the latest thing that is remembered of the row."""
        return self._of[row][-1] // 2

    def let_go(self, row: int, instant: int) -> None:
        """Forget what has left the row's window by `instant`; while it is not judged nothing leaves."""
        done = self._of.get(row)
        window = self._window_of(row)
        if done is None or not window or instant - done[0] // 2 < window:
            return
        left = next((place for place, one in enumerate(done) if instant - one // 2 < window), len(done))
        if left == len(done):
            del self._of[row]
        else:
            del done[:left]

    def forget(self, row: int) -> None:
        self._of.pop(row, None)

    def saved(self) -> dict[int, bytes]:
        return {row: done.tobytes() for row, done in self._of.items()}

    def restore(self, saved: Mapping[int, bytes]) -> None:
        self._of = {row: array("q", done) for row, done in saved.items()}

    def _add(self, row: int, entry: int, instant: int) -> None:
        self.let_go(row, instant)
        done = self._of.get(row)
        if done is not None:
            done.append(entry)
            return
        if len(self._of) >= self._limit:
            self._forget_the_calm(instant)
        self._of[row] = array("q", (entry,))

    def _forget_the_calm(self, instant: int) -> None:
        for row in list(self._of):
            self.let_go(row, instant)
        self._limit = 2 * len(self._of) + _SPARE
