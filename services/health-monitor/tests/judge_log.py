"""A heartbeat partition written by hand: records with times, and the shard that folds them."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from fettle_contracts.codes import DeadLetterCode
from fettle_health_monitor.domain.control import (
    CONTROL_HEADER,
    NUMBER_HEADER,
    Announced,
    Forget,
    Hello,
    Policy,
    Pulse,
    Register,
    Statement,
    decode,
    encode,
    kind,
    shard_key,
)
from fettle_health_monitor.domain.judge.folded import Folded
from fettle_health_monitor.domain.judge.refusals import WrongRecord
from fettle_health_monitor.domain.judge.shard import HeartbeatRecord, Numbered, Shard
from fettle_health_monitor.domain.judgements import Change, Judgement

T0 = 1_790_000_000_000
DEVICE = "acme/device/t17"
GATEWAY = "acme/integration/hue-1"


class LogRecord(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


def read_control(record: HeartbeatRecord) -> Numbered | None:
    """What the adapter does, with the word `forged` for a signature that is wrong."""
    headers = dict(record.headers)
    header = headers.get(CONTROL_HEADER)
    if header is None:
        return None
    if header == b"forged":
        raise WrongRecord(DeadLetterCode.CONTROL_FORGED, "bad_signature")
    number = int(headers[NUMBER_HEADER] or b"0")
    return Numbered(number, (record.key or b"").decode(), decode(header.decode(), record.value or b""))


def policy(org: str = "acme", version: int = 1, **fields: Any) -> Policy:
    known: dict[str, Any] = {
        "enabled": True,
        "discover": "judge",
        "subject_cap": 200_000,
        "timeout_s": None,
        "default_interval_s": 60,
        "open_debounce_s": 60,
        "resolve_debounce_s": 60,
        "flap_threshold": 5,
        "flap_flips_threshold": 12,
        "flap_window_s": 600,
        "flap_stable_s": 600,
    }
    return Policy(org=org, version=version, **(known | fields))


class Log:
    """Appends records at a time that the test moves; times are seconds after T0."""

    def __init__(self, partition: int = 0) -> None:
        self.partition = partition
        self.records: list[LogRecord] = []
        self.ms = T0
        self._number = 0

    def at(self, seconds: float) -> "Log":
        """Move the broker's clock there, without a record."""
        self.ms = T0 + round(seconds * 1000)
        return self

    def pulsed(self, seconds: float) -> "Log":
        """Time passes as it does in operation: a pulse every second, the last one there."""
        end = T0 + round(seconds * 1000)
        while self.ms + 1000 < end:
            self.ms += 1000
            self.pulse()
        self.ms = end
        return self.pulse()

    def raw(self, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]] = ()) -> "Log":
        self.records.append(LogRecord(len(self.records), self.ms, key, value, headers))
        return self

    def beat(self, key: str = DEVICE, **said: Any) -> "Log":
        return self.raw(key.encode(), json.dumps(said).encode() if said else b"")

    def state(self, statement: Statement, key: str, number: int | None = None) -> "Log":
        if number is None:
            unnumbered = isinstance(statement, Hello | Pulse)
            self._number += not unnumbered
            number = 0 if unnumbered else self._number
        headers = [(CONTROL_HEADER, kind(statement).encode()), (NUMBER_HEADER, str(number).encode())]
        return self.raw(key.encode(), encode(statement), headers)

    def policy(self, org: str = "acme", **fields: Any) -> "Log":
        return self.state(policy(org, **fields), org)

    def register(self, key: str = DEVICE, **fields: Any) -> "Log":
        return self.state(Register(**fields), key)

    def forget(self, key: str = DEVICE) -> "Log":
        return self.state(Forget(), key)

    def pulse(self) -> "Log":
        return self.state(Pulse(owner="judge-0", beat=len(self.records)), shard_key(self.partition))

    def hello(self, nonce: str) -> "Log":
        return self.state(Hello(nonce=nonce), shard_key(self.partition))

    def announced(self, nonce: str) -> "Log":
        return self.state(Announced(nonce=nonce), shard_key(self.partition))


class Judged:
    """A shard and all that has come of the log so far."""

    def __init__(self, shard: Shard | None = None) -> None:
        self.shard = shard or Shard(0, 1, 1)
        self.judgements: list[Judgement] = []
        self.folded = Folded()

    def fold(self, log: Log, upto: int | None = None) -> "Judged":
        """Fold what the shard has not seen yet, up to an offset."""
        seen = -1 if self.shard.place is None else self.shard.place.offset
        self.folded = self.shard.fold(log.records[seen + 1 : upto], read_control)
        self.judgements += self.folded.judgements
        return self

    @property
    def changes(self) -> list[Change]:
        return [judgement for judgement in self.judgements if isinstance(judgement, Change)]

    def steps(self, subject: str = "device/t17") -> list[tuple[float, str | None, str | None, str]]:
        """Its changes as (seconds after T0, from, to, reason)."""
        return list(self._steps(subject))

    def _steps(self, subject: str) -> Iterator[tuple[float, str | None, str | None, str]]:
        for change in self.changes:
            if change.subject == subject:
                yield (change.at - T0) / 1000, change.from_state, change.to_state, change.reason


def judge(log: Log) -> Judged:
    return Judged().fold(log)


def announced_shard(nonce: str = "n1") -> Judged:
    shard = Shard(0, 1, 2)
    shard.await_announcement(nonce)
    return Judged(shard)
