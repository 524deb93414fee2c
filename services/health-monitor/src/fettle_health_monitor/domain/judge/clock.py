"""The only clock there is: time that the log has seen pass.

Broker time can stand still (no records), step back or leap (another broker leads). So the clock is a sum: each record
adds what has passed since the one before it, at least nothing and at most `STEP_MAX_MS`. Pulses come every second, so
whatever that cuts off is time in which nobody could have been heard. It is not counted by any timer.

What is told outside is broker time, and that never decreases. Where the broker's clock has leapt ahead and is put right
again, what is told goes on at half pace until the broker's has caught up: if it stood, no verdict would ever have an
instant that all shards have passed.
"""

from typing import Final

STEP_MAX_MS: Final = 2_000
HOLE_MS: Final = 5_000
"""A stretch without records of this length is on record as not observed."""


class ObservedClock:
    """Milliseconds that the log has seen pass (`now`), and the broker time that corresponds to any of them.

    `record` is the broker time of the last record. `resumed` is the instant at which records came back after the last
    hole: silence never counts from before it. `said` is the latest broker time given out: it never decreases, and while
    it is ahead of the records it goes on at half their pace.
    """

    __slots__ = ("_from_now", "_from_record", "_from_said", "now", "record", "resumed", "said")

    def __init__(self, now: int = 0, record: int = 0, resumed: int = 0, said: int = 0) -> None:
        self.now = self._from_now = now
        self.record = self._from_record = record
        self.resumed = resumed
        self.said = self._from_said = said

    def advance(self, timestamp: int) -> tuple[int, int] | None:
        """Take in the broker time of the next record. Returns the hole before it, in broker time, if there was one.

        Until `arrive` is called the clock is on its way from the last record to this one: that is when timers run.
        """
        before = self.record or timestamp
        self._from_now, self._from_record = self.now, before
        self.now += min(max(timestamp - before, 0), STEP_MAX_MS)
        self.record = timestamp
        if timestamp - before < HOLE_MS:
            return None
        self.resumed = self.now
        return before, timestamp

    def begin(self, timestamp: int) -> None:
        """Take in the broker time of a record before any that counts: the last of these is where time begins."""
        self.record = self._from_record = timestamp

    def stand(self, timestamp: int) -> None:
        """Take in the broker time of the next record while nobody is judged: none of it is counted until `go_on`."""
        self.record = timestamp
        self.arrive()

    def go_on(self, since: int) -> tuple[int, int] | None:
        """Somebody is judged again, who was until the broker time `since`. The time in between counts as a stretch
        without records does. Returns the hole that it was, if it was one."""
        self.now = self._from_now = self.now + min(max(self.record - since, 0), STEP_MAX_MS)
        self.arrive()
        if self.record - since < HOLE_MS:
            return None
        self.resumed = self.now
        return since, self.record

    def arrive(self) -> None:
        """Everything that was due on the way has happened; the time is now that of the record itself."""
        self.said = max(self.said, self._slowed(self.now), self.record)
        self._from_now, self._from_record, self._from_said = self.now, self.record, self.said

    @property
    def departed(self) -> int:
        """The earliest instant at which something can still happen: that of the last record, or of this one if the
        clock has arrived."""
        return self._from_now

    def at(self, instant: int) -> int:
        """The broker time that corresponds to an observed instant, never before one that was given out earlier."""
        self.said = max(self.said, self._slowed(instant), self._from_record + instant - self._from_now)
        return self.said

    def _slowed(self, instant: int) -> int:
        """What is told of an observed instant at least, however far the broker's clock is behind what was told."""
        return self._from_said + instant // 2 - self._from_now // 2
