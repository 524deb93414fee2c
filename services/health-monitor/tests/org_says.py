"""What the shards of an org's log say of each subject by itself, naively: the judge's own oracle, record by record, and
how much of a log could be observed."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from judge_log import LogRecord
from judge_oracle import Oracle
from judge_subjects import SILENT, Rules, Subject, Told
from org_words import FIRING

from fettle_health_monitor.domain.control import Policy

STEP_MS = 50


class Event(NamedTuple):
    """What a record brings of a subject, or that another policy holds: that it was heard, and what it said; which
    change its shard tells; and whether it is silent for too long by then. `heard`: when that was, if it was while its
    shard did not judge."""

    at: int
    name: str = ""
    beat: str | None = None
    told: Told | None = None
    silent: bool = False
    version: int = 0
    heard: int = 0


class ShardSays(Oracle):
    """One shard's log, and all that it brings, in its order."""

    step = STEP_MS
    settled = 2_000

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []
        self.observed: list[int] = []
        """When there was a record and somebody was judged."""
        self._beat: str | None = None
        self._heard: dict[str, int] = {}
        self._rules: dict[tuple[str, str | None, int], Rules] = {}

    def rules(self, subject: Subject) -> Rules:
        """By nothing but its name, its integration and the policy: all are of one model."""
        which = (subject.key, subject.says("integration"), self.policies["acme"].version)
        if which not in self._rules:
            self._rules[which] = super().rules(subject)
        return self._rules[which]

    def _settle(self, instant: int) -> None:
        """Of what is overdue by another policy the first comes first."""
        while self.judging and (due := [(when, key.encode()) for key, when in self._overdue(instant)]):
            self._step(self.subjects[min(due)[1].decode()], instant)

    def _overdue(self, instant: int) -> Iterator[tuple[str, int]]:
        for key, subject in self.subjects.items():
            if self._enabled(subject):
                yield from ((key, when) for when, _ in self._pending(subject, instant) if when <= instant)

    def _tell(self, subject: Subject, to: str | None, flap_count: int) -> None:
        super()._tell(subject, to, flap_count)
        told = subject.told[-1]
        fires_on = told.from_state == told.to_state == FIRING
        silent = subject.reading == SILENT and (subject.reported[-1] == "ok" or fires_on)
        is_silent = silent and subject.means(SILENT) == told.condition
        heard = self._heard.pop(subject.key, 0) if self._beat is not None else 0
        self.events.append(Event(self._at, _name(subject.key), self._beat, told, is_silent, heard=heard))
        self._beat = None

    def _hear(self, key: str, said: dict[str, str]) -> None:
        if not self.policies["acme"].enabled:
            return
        self._beat = said["status"]
        super()._hear(key, said)
        if self.judging:
            self._tell_of_beat(key)
        else:
            self._heard[key] = self._at
        self._beat = None

    def _heard_meanwhile(self, subject: Subject, reads: str) -> None:
        self._beat = subject.reported[-1]
        super()._heard_meanwhile(subject, reads)
        self._tell_of_beat(subject.key)
        self._beat = None

    def _tell_of_beat(self, key: str) -> None:
        if self._beat is not None:
            self.events.append(Event(self._at, _name(key), self._beat, heard=self._heard.pop(key, 0)))

    def _take(self, record: LogRecord) -> None:
        super()._take(record)
        if self.judging:
            self.observed.append(record.timestamp)

    def _put(self, policy: Policy) -> None:
        self.events.append(Event(self._at, version=policy.version))
        super()._put(policy)


def _name(key: str) -> str:
    return key.partition("/")[2]


class Observed:
    """A shard's log, as far as it could be observed: when there were records by which somebody was judged. Instants are
    broker milliseconds."""

    def __init__(self, records: Sequence[int]) -> None:
        self.records = records
        pauses = [after - before for before, after in pairwise(self.records)]
        self._seen = [0, *accumulate(min(pause, 2_000) for pause in pauses)]
        self.holes = [(before, after) for before, after in pairwise(self.records) if after - before >= 5_000]

    def seen(self, at: int) -> int:
        """How much of it was observed by then: of a pause between two records two seconds at most."""
        last = bisect_right(self.records, at) - 1
        return 0 if last < 0 else self._seen[last] + min(at - self.records[last], 2_000)

    def is_blind(self, at: int) -> bool:
        """Whether nobody could be heard then: the log has a hole."""
        return any(before < at < after for before, after in self.holes)

    def back(self, at: int) -> int:
        """Since when everybody could be heard again: the end of the last hole by then."""
        return max((after for _, after in self.holes if after <= at), default=0)

    def ends(self, after: int, until: int) -> list[int]:
        """When the holes ended that did so between these instants."""
        return [end for _, end in self.holes if after < end <= until]
