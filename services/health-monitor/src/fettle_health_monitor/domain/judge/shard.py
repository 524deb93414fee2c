"""The fold: one partition of `device.heartbeats`, record by record, into changes.

A shard knows nothing that does not stand in its partition: no setting, no database, no wall clock. The same records
give the same changes, however often and in whichever runs they are folded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from zlib import crc32

from fettle_contracts.codes import DeadLetterCode
from fettle_contracts.heartbeat import HEARTBEAT_MAX_BYTES
from fettle_contracts.identity import HeartbeatKey
from fettle_contracts.partitions import partition_for
from fettle_health_monitor.domain.control import Announced, Forget, Hello, Policy, Pulse, Register, Skip, Statement
from fettle_health_monitor.domain.judge import statements
from fettle_health_monitor.domain.judge.clock import ObservedClock
from fettle_health_monitor.domain.judge.folded import Folded, Ignored
from fettle_health_monitor.domain.judge.heartbeats import Heartbeat, gist, read
from fettle_health_monitor.domain.judge.held import Held, Said
from fettle_health_monitor.domain.judge.judge import Judge
from fettle_health_monitor.domain.judge.newcomers import Newcomers
from fettle_health_monitor.domain.judge.policies import OrgPolicy, Profile
from fettle_health_monitor.domain.judge.profiles import learn
from fettle_health_monitor.domain.judge.refusals import Refusal, WrongRecord
from fettle_health_monitor.domain.judge.scribe import Scribe
from fettle_health_monitor.domain.judge.states import Reading, Reason
from fettle_health_monitor.domain.judge.subjects import Subjects, checksums


class HeartbeatRecord(Protocol):
    """A record of the partition, as a Kafka client gives it. `timestamp` is broker time in milliseconds."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


class Kept(NamedTuple):
    """What is kept of a record that is to be refused: of a value that is too long as much as shows that."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes | None]] = ()


class Numbered(NamedTuple):
    """A control record whose signature is right."""

    number: int
    key: str
    statement: Statement


class ControlReader(Protocol):
    def __call__(self, record: HeartbeatRecord) -> Numbered | None:
        """The statement of a control record, None for any other record with headers. Raises `WrongRecord` when it is
        forged or unreadable."""


class Place(NamedTuple):
    """A record of the log: where it stands and what it is. The checksum tells another log from this one."""

    offset: int
    timestamp: int
    checksum: int


@dataclass(slots=True)
class Announcement:
    """A shard that waits to be told what is in force. `since`: the broker time up to which it has judged, 0 for one
    that knows nothing. `greeted`: its own hello stands in the log and has been read. `began`: the broker time of the
    first record read while it waits, 0 before that."""

    nonce: str
    since: int
    greeted: bool = False
    began: int = 0


class Shard:
    """One partition, judged record by record. `generation` numbers the logs that this partition has had.

    Not to be used from two threads. `number` is that of the highest control record read, `place` where the last record
    stands that was folded (None: none yet). These, `judge` and `newcomers` are open to the checkpoint, which restores
    them.
    """

    def __init__(self, partition: int, partitions: int, generation: int) -> None:
        self.partition = partition
        self.partitions = partitions
        self.number = 0
        self.newcomers = Newcomers()
        self.scribe = Scribe(partition, generation)
        self.judge = Judge(ObservedClock(), Subjects(), self.scribe, judging=True)
        self.place: Place | None = None
        self.stumbled_over: int | None = None
        """The record at which the fold has raised what it should never raise. The shard is then of no use any more."""
        self.announcement: Announcement | None = None
        self._held = Held()
        self._folded = Folded()

    @property
    def generation(self) -> int:
        return self.scribe.generation

    @property
    def judged_until(self) -> int:
        """The broker time up to which it has judged; of one that knows nothing yet, from which on it is to."""
        waiting = self.announcement
        return self.judge.clock.said if waiting is None else waiting.since or waiting.began

    def await_announcement(self, nonce: str) -> None:
        """Hear but do not judge until `announced` with this nonce has been read, behind a `hello` with it."""
        since = self.judge.clock.record if self.announcement is None else self.announcement.since
        self.announcement = Announcement(nonce, since)
        self.judge.judging = False
        self.judge.subjects.look_again_at_all()

    def fold(self, records: Sequence[HeartbeatRecord], read_control: ControlReader) -> Folded:
        """Take in the next records of the log, in order. Whatever is known to change nothing costs one look-up here,
        and a parser's time where only what is never judged by has changed (`reason`, `at`, `seq`)."""
        folded = self._folded = Folded()
        clock, subjects = self.judge.clock, self.judge.subjects
        row_of, same, alike = subjects.rows.get, subjects.same, subjects.alike
        silent_from, heard_at = subjects.silent_from, subjects.heard_at
        timestamp, now = clock.record, clock.now
        try:
            for record in records:
                if record.timestamp != timestamp:
                    self._advance(record)
                    timestamp, now = clock.record, clock.now
                row = row_of(record.key)  # type: ignore[arg-type]  # a record without a key is in no dictionary
                value = record.value
                if (
                    row is not None
                    and not record.headers
                    and (same[row] == hash(value) or (value and alike[row] == gist(value)))
                ):
                    silent_from[row] = now
                    heard_at[row] = timestamp
                else:
                    self._look_at(record, read_control)
                    now = clock.now
        except Exception:
            self.stumbled_over = record.offset
            raise
        if records:
            self.place = place_of(records[-1])
        folded.judgements = self.scribe.take()
        return folded

    def _advance(self, record: HeartbeatRecord) -> None:
        """Time passes up to the record: what was due on the way happens first. While nobody is judged who was before,
        nothing is due, and the time is not observed; nor is it of a shard that knows nothing, before its hello."""
        self.scribe.turn_to(record.offset)
        waiting = self.announcement
        if waiting is not None:
            waiting.began = waiting.began or record.timestamp
            if waiting.since:
                self.judge.clock.stand(record.timestamp)
                return
            if not waiting.greeted:
                self.judge.clock.begin(record.timestamp)
                return
        hole = self.judge.clock.advance(record.timestamp)
        if hole is not None:
            self.scribe.unobserved(*hole)
        self.judge.run_timers()
        self.judge.clock.arrive()

    def _look_at(self, record: HeartbeatRecord, read_control: ControlReader) -> None:
        self.scribe.turn_to(record.offset)
        try:
            control = read_control(record) if record.headers else None
            if control is not None:
                self._obey(control)
            elif self.announcement is not None and not self.announcement.greeted:
                self._folded.ignored[Ignored.BEFORE_HELLO] += 1
            else:
                self._hear(record)
        except WrongRecord as refused:
            org = _org_of(record.key)
            known = org if org in self.judge.policies else ""
            self._folded.refusals.append(Refusal(record, known, refused.code, refused.message))
        self.judge.run_timers()

    def _hear(self, record: HeartbeatRecord) -> None:
        row = self.judge.subjects.rows.get(record.key)  # type: ignore[arg-type]
        if row is None:
            self._meet(record)
            return
        if not self.judge.subjects.timing[row]:
            self._folded.ignored[Ignored.SWITCHED_OFF] += 1
            return
        said, reading = read(record.value, self.judge.subjects.keys[row])
        self._heard(row, said, reading, hash(record.value))

    def _heard(self, row: int, said: Heartbeat, reading: Reading, same: int) -> None:
        if learn(self.judge, row, said) or not self.judge.subjects.heard_at[row]:
            self.judge.say_profile(row, said)
        self.judge.heard(row, reading, same, hash(said))

    def _meet(self, record: HeartbeatRecord) -> None:
        """A subject that is not watched: take it in, or say why not."""
        try:
            key = HeartbeatKey.parse(record.key)
        except ValueError as error:
            raise WrongRecord(DeadLetterCode.KEY_INVALID, str(error)) from None
        policy = self.judge.policies.get(key.org)
        if self._may_be_told_of(policy) and self._hold(record, key):
            return
        if policy is None:
            self._folded.ignored[Ignored.UNKNOWN_ORG] += 1 if self._held.take(key.encode()) is None else 2
        elif not policy.statement.enabled:
            self._folded.ignored[Ignored.SWITCHED_OFF] += 1
        else:
            said = self._read(record, key)
            earlier = self._held.take(said.key)
            self._take_in(key, policy, said if earlier is None else said.behind(earlier))

    def _may_be_told_of(self, policy: OrgPolicy | None) -> bool:
        """While the shard is told what is in force, newcomers wait: their policy may come yet, or their registration,
        and a shard that knows nothing does not know either how many there are."""
        if self.announcement is None:
            return False
        if policy is None or not self.announcement.since:
            return True
        return self.newcomers.turned_away(policy, self.partitions) is not None

    def _read(self, record: HeartbeatRecord, key: HeartbeatKey) -> Said:
        belongs = partition_for(key.encode(), self.partitions)
        if belongs != self.partition:
            raise WrongRecord(
                DeadLetterCode.WRONG_PARTITION,
                f"this key belongs in partition {belongs}: the sender must use the partitioner murmur2_random",
            )
        return Said(key.encode(), record.timestamp, *read(record.value, key.encode()), hash(record.value))

    def _take_in(self, key: HeartbeatKey, policy: OrgPolicy, said: Said) -> None:
        judge, heartbeat = self.judge, said.heartbeat
        at = judge.clock.at(judge.clock.now)
        ignored = self.newcomers.turned_away(policy, self.partitions)
        if ignored is not None:
            self._folded.ignored[ignored] += 1
            if self.newcomers.list(key.org, str(key), ignored):
                self.scribe.unwatched(str(key), ignored, at)
            return
        profile = Profile(key.org, heartbeat.integration or None, heartbeat.model or None, heartbeat.interval_s)
        timing = policy.timing(profile, str(key.subject))
        row = judge.subjects.add(said.key, profile, timing, judge.clock.now, at)
        self.newcomers.watched[key.org] += 1
        judge.subjects.set_said(row, checksums(heartbeat))
        judge.say_profile(row, heartbeat)
        judge.subjects.heard_at[row] = said.timestamp
        judge.appear(row, said.reading, Reason.FIRST_HEARD)
        judge.subjects.same[row], judge.subjects.alike[row] = said.same, hash(heartbeat)

    def _hold(self, record: HeartbeatRecord, key: HeartbeatKey) -> bool:
        """Whether there is room for it until all is told. Whether it counts at all, and where it is refused, its org's
        policy tells."""
        try:
            return self._held.hold(self._read(record, key))
        except WrongRecord as refused:
            value = bytes((record.value or b"")[: HEARTBEAT_MAX_BYTES + 1])
            kept = Kept(record.offset, record.timestamp, key.encode(), value)
            return self._held.refuse(Refusal(kept, key.org, refused.code, refused.message))

    def _obey(self, control: Numbered) -> None:
        statement = control.statement
        if isinstance(statement, Pulse):
            self._folded.pulse = statement
        elif isinstance(statement, Hello):
            self._greet(statement)
        elif isinstance(statement, Skip):
            return  # for whoever reads ahead: the record that it names stands before it
        elif control.number <= self.number:
            self._folded.ignored[Ignored.CONTROL_REPEATED] += 1
        else:
            self.number = control.number
            if self.announcement is None or self.announcement.greeted:
                self._apply(control.key, statement)

    def _greet(self, hello: Hello) -> None:
        waiting = self.announcement
        if waiting is None or waiting.greeted or waiting.nonce != hello.nonce:
            self._folded.ignored[Ignored.CONTROL_REPEATED] += 1
            return
        waiting.greeted = True
        self.scribe.hello(hello.nonce)

    def _apply(self, key: str, statement: Statement) -> None:
        if isinstance(statement, Policy):
            statements.put_in_force(self.judge, self.newcomers, statement)
        elif isinstance(statement, Register):
            policy = self.judge.policies.get(_org_of(key.encode()))
            if policy is None:
                self._folded.ignored[Ignored.UNKNOWN_ORG] += 1
            else:
                statements.register(self.judge, self.newcomers, policy, key, statement)
                if (said := self._held.take(key.encode())) is not None:
                    self._hear_held(said)
        elif isinstance(statement, Forget):
            self.newcomers.unlist(_org_of(key.encode()), key)
            self._held.take(key.encode())
            row = self.judge.subjects.rows.get(key.encode())
            if row is not None:
                self.newcomers.watched[_org_of(key.encode())] -= 1
                self.judge.disappear(row)
        elif isinstance(statement, Announced) and self.announcement and statement.nonce == self.announcement.nonce:
            since, self.announcement = self.announcement.since, None
            for held in self._held.take_all():
                self._hear_held(held)
            if since and (hole := self.judge.clock.go_on(since)) is not None:
                self.scribe.unobserved(*hole)
            self.judge.judge_from_now()

    def _hear_held(self, held: Said | Refusal) -> None:
        """Hear now, as it was when the broker took it, what has been held until all was told."""
        key = held.key if isinstance(held, Said) else held.record.key
        policy = self.judge.policies.get(_org_of(key))
        if policy is None:
            self._folded.ignored[Ignored.UNKNOWN_ORG] += 1
        elif not policy.statement.enabled:
            self._folded.ignored[Ignored.SWITCHED_OFF] += 1
        elif isinstance(held, Refusal):
            self._folded.refusals.append(held)
        elif (row := self.judge.subjects.rows.get(held.key)) is None:
            self._take_in(HeartbeatKey.parse(held.key), policy, held)
        else:
            self._heard(row, held.heartbeat, held.reading, held.same)
            self.judge.subjects.heard_at[row] = held.timestamp


def place_of(record: HeartbeatRecord) -> Place:
    return Place(record.offset, record.timestamp, content_checksum(record.key, record.value))


def content_checksum(key: bytes | None, value: bytes | None) -> int:
    return crc32((key or b"") + b"\0" + (value or b""))


def _org_of(key: bytes | None) -> str:
    return (key or b"").partition(b"/")[0].decode(errors="replace")
