"""One subject's part of a shard's log, from which it can be judged again without the rest.

What others send matters to a subject only by the time at which the broker took it: that makes the clock go on. So all
that is kept besides the subject's own records, and the control records that concern it, are the records on both sides
of a gap in which the clock stands still, leaps or steps back. A trial then costs as much as the subject has sent.
"""

from array import array
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from msgspec.structs import replace

from fettle_health_monitor.domain.control import CONTROL_HEADER, Forget, Policy, Pulse, Register, Skip
from fettle_health_monitor.domain.judge import statements
from fettle_health_monitor.domain.judge.checkpoint import Greeting, Snapshot, begin, restore
from fettle_health_monitor.domain.judge.clock import STEP_MAX_MS, ObservedClock
from fettle_health_monitor.domain.judge.folded import Folded
from fettle_health_monitor.domain.judge.policies import NOT_JUDGED
from fettle_health_monitor.domain.judge.refusals import WrongRecord
from fettle_health_monitor.domain.judge.shard import ControlReader, HeartbeatRecord, Numbered, Shard
from fettle_health_monitor.domain.judgements import Change, Judgement

_TICK: Final = Numbered(0, "", Pulse(owner="", beat=0))
_TICKS: Final = (("tick", b""),)

Gap = tuple[int, int]
"""The broker times of two records that followed each other, further apart than the clock goes at a step."""

Changed = Callable[[Policy], Policy]
"""The org's policy as it could have been."""


class Passed(NamedTuple):
    """A record of the log; `control` is what it states, a tick's is that time has passed."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    control: Numbered | None = None


@dataclass(frozen=True, slots=True)
class SubjectLog:
    """All that a judge needs for one subject, from a kept state up to the instant `at` (broker milliseconds). `sent`
    are the subject's own heartbeats. `listed` is why it was not watched in the kept state, if it is listed there."""

    key: bytes
    at: int
    partition: int
    partitions: int
    generation: int
    saved: Snapshot | Greeting
    records: tuple[Passed, ...]
    gaps: frozenset[Gap]
    sent: int
    listed: str | None = None

    @property
    def subject(self) -> str:
        return self.key.split(b"/", 1)[1].decode()

    @property
    def in_force(self) -> tuple[tuple[int, int], ...]:
        """Since when (broker milliseconds; 0: all along) which version of the org's policy held."""
        before = self.saved.policies if isinstance(self.saved, Snapshot) else ()
        told = [(record.timestamp, record.control.statement) for record in self.records if record.control is not None]
        said = [*((0, policy) for policy in before), *told]
        return tuple((since, each.version) for since, each in said if isinstance(each, Policy))

    @property
    def versions(self) -> set[int]:
        """The versions of the org's policy that held at any time."""
        return {version for _, version in self.in_force}


@dataclass(frozen=True, slots=True)
class Judged:
    """A shard with nothing but the subject, as it is at the instant, and what it has said on the way."""

    shard: Shard
    changes: tuple[Change, ...]
    folded: Folded


class Extraction:
    """Takes in the records of a shard's log behind a kept state, and keeps what matters to one subject."""

    def __init__(
        self,
        key: bytes,
        saved: Snapshot | Greeting,
        *,
        partition: int,
        partitions: int,
        generation: int,
        read_control: ControlReader,
    ) -> None:
        self._key = key
        self._org = key.split(b"/", 1)[0].decode()
        self._shard = (partition, partitions, generation)
        self._saved = only(saved, key) if isinstance(saved, Snapshot) else saved
        self._listed = saved.listed.get(self._org, {}).get(key.decode()) if isinstance(saved, Snapshot) else None
        self._read_control = read_control
        self._number = saved.number if isinstance(saved, Snapshot) else 0
        self._last = saved.clock[1] if isinstance(saved, Snapshot) else 0
        self._passed_over: Passed | None = None
        self._kept: list[Passed] = []
        self._gaps: set[Gap] = set()
        self._sent = 0
        self.named_by_skips: set[int] = set()

    def take(self, records: Iterable[HeartbeatRecord]) -> None:
        """The next records, in order."""
        key = self._key
        for record in records:
            if self._is_apart(record.timestamp):
                self._note_gap(record.timestamp)
                kept = self._of_interest(record) if record.headers or record.key == key else None
                self._keep(kept or _tick(record.offset, record.timestamp))
            elif (record.headers or record.key == key) and (kept := self._of_interest(record)) is not None:
                self._keep(kept)
            else:
                self._passed_over = _tick(record.offset, record.timestamp)
            self._last = record.timestamp

    def upto(self, at: int) -> SubjectLog:
        """What has been kept, with the time that passes until `at`."""
        if self._passed_over is not None:
            self._keep(self._passed_over)
        if at > self._last:
            if self._is_apart(at):
                self._note_gap(at)
            offset = self._kept[-1].offset + 1 if self._kept else self._saved.place.offset + 1
            self._keep(_tick(offset, at))
        partition, partitions, generation = self._shard
        return SubjectLog(
            key=self._key,
            at=at,
            partition=partition,
            partitions=partitions,
            generation=generation,
            saved=self._saved,
            records=tuple(self._kept),
            gaps=frozenset(self._gaps),
            sent=self._sent,
            listed=self._listed,
        )

    def _is_apart(self, timestamp: int) -> bool:
        return self._last > 0 and not 0 <= timestamp - self._last <= STEP_MAX_MS

    def _note_gap(self, timestamp: int) -> None:
        if self._passed_over is not None:
            self._keep(self._passed_over)
        self._gaps.add((self._last, timestamp))

    def _keep(self, record: Passed) -> None:
        self._kept.append(record)
        self._passed_over = None

    def _of_interest(self, record: HeartbeatRecord) -> Passed | None:
        header = dict(record.headers).get(CONTROL_HEADER)
        if header is not None:
            return self._control(record) if header != b"pulse" else None
        if record.key != self._key:
            return None
        self._sent += 1
        return Passed(record.offset, record.timestamp, record.key, record.value, record.headers)

    def _control(self, record: HeartbeatRecord) -> Passed | None:
        try:
            control = self._read_control(record)
        except WrongRecord:
            return None
        if control is None:
            return None
        statement = control.statement
        if isinstance(statement, Skip):
            self.named_by_skips.add(statement.offset)
            return None
        if control.number:
            if control.number <= self._number:
                return None
            self._number = control.number
        if isinstance(statement, Policy) and statement.org != self._org:
            return None
        if isinstance(statement, Register | Forget) and control.key.encode() != self._key:
            return None
        return Passed(record.offset, record.timestamp, record.key, record.value, record.headers, control)


class GappedClock(ObservedClock):
    """The shard's clock, told only of some records: between two of them it has gone on without a break, unless they
    stand on both sides of a gap."""

    __slots__ = ("_gaps",)

    def __init__(self, gaps: Collection[Gap], now: int = 0, record: int = 0, resumed: int = 0, said: int = 0) -> None:
        super().__init__(now, record, resumed, said)
        self._gaps = gaps

    def advance(self, timestamp: int) -> tuple[int, int] | None:
        passed = timestamp - self.record
        if not self.record or 0 <= passed <= STEP_MAX_MS or (self.record, timestamp) in self._gaps:
            return super().advance(timestamp)
        self._from_now, self._from_record = self.now, self.record
        self.now += passed
        self.record = timestamp
        return None


def judged(log: SubjectLog, changed: Changed | None = None) -> Judged:
    """Judge the subject's log; with `changed` as if its org's policy had been that from the kept state on: what is
    overdue by it there happens there."""
    saved, overdue = log.saved, list[Judgement]()
    if isinstance(saved, Snapshot):
        shard = restore(saved)
        shard.judge.clock = GappedClock(log.gaps, *saved.clock)
        if changed is not None:
            for policy in saved.policies:
                statements.put_in_force(shard.judge, shard.newcomers, changed(policy))
            shard.judge.run_timers()
            overdue = shard.scribe.take()
    else:
        shard = begin(log.partition, log.partitions, log.generation, saved.nonce)
        shard.judge.clock = GappedClock(log.gaps)
    records = log.records if changed is None else [_under(record, changed) for record in log.records]
    folded = shard.fold(records, _stated)
    said = (*overdue, *folded.judgements)
    return Judged(shard, tuple(one for one in said if isinstance(one, Change)), folded)


def only(saved: Snapshot, key: bytes) -> Snapshot:
    """The same state with nobody but this subject, and its org's policy, in it. Takes a while for a large shard."""
    keys = saved.keys.split(b"\0") if saved.columns["state"] else []
    row = keys.index(key) if key in keys else None
    org = key.split(b"/", 1)[0].decode()
    policies = tuple(policy for policy in saved.policies if policy.org == org)
    common = replace(saved, policies=policies, listed={}, timings=[NOT_JUDGED], profiles=[])
    if row is None:
        empty = dict.fromkeys(saved.columns, b"")
        return replace(common, keys=b"", columns=empty, flaps={}, turned={})
    columns = {}
    for name, column in saved.columns.items():
        size = len(column) // len(keys)
        columns[name] = column[row * size : (row + 1) * size]
    profile, timing = saved.profiles[_number(columns["profile"])], saved.timings[_number(columns["timing"])]
    columns["profile"] = array("I", [0]).tobytes()
    columns["timing"] = array("I", [int(timing != NOT_JUDGED)]).tobytes()
    return replace(
        common,
        profiles=[profile],
        timings=[NOT_JUDGED] if timing == NOT_JUDGED else [NOT_JUDGED, timing],
        keys=key,
        columns=columns,
        flaps={0: saved.flaps[row]} if row in saved.flaps else {},
        turned={0: saved.turned[row]} if row in saved.turned else {},
    )


def _number(column: bytes) -> int:
    return array("I", column)[0]


def _tick(offset: int, timestamp: int) -> Passed:
    return Passed(offset, timestamp, None, None, _TICKS, _TICK)


def _stated(record: HeartbeatRecord) -> Numbered | None:
    return record.control if isinstance(record, Passed) else None


def _under(record: Passed, changed: Changed) -> Passed:
    control = record.control
    if control is None or not isinstance(control.statement, Policy):
        return record
    return record._replace(control=control._replace(statement=changed(control.statement)))
