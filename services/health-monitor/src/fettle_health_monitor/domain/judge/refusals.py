"""Records that cannot count, and why."""

from typing import TYPE_CHECKING, Final, NamedTuple

from fettle_contracts.codes import DeadLetterCode

if TYPE_CHECKING:
    from fettle_health_monitor.domain.judge.shard import HeartbeatRecord

_MINUTES: Final = 10_080
"""As many as heartbeats are kept."""


class WrongRecord(Exception):
    """This record's data is wrong. `message` is for people."""

    def __init__(self, code: DeadLetterCode, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Refusal(NamedTuple):
    """A refused record, to be dead-lettered: one that was held for its policy came with an earlier batch. `org` is
    empty when no org with a policy sent it."""

    record: "HeartbeatRecord"
    org: str
    code: DeadLetterCode
    message: str


class RefusalBudget:
    """How many dead letters may be written: so many a minute for each org and reason. One misconfigured fleet must not
    fill a disk; every refusal is counted all the same. Minutes are the records' own, and may come in any order:
    partitions that catch up are at different ones."""

    def __init__(self, per_minute: int = 60) -> None:
        self._per_minute = per_minute
        self._spent: dict[int, dict[tuple[str, DeadLetterCode], int]] = {}

    def allows(self, refusal: Refusal, at_ms: int) -> bool:
        """Whether this one may be written. `at_ms` is the record's broker time."""
        spent = self._spent.setdefault(at_ms // 60_000, {})
        if len(self._spent) > _MINUTES:
            del self._spent[min(self._spent)]
        key = (refusal.org, refusal.code)
        spent[key] = spent.get(key, 0) + 1
        return spent[key] <= self._per_minute
