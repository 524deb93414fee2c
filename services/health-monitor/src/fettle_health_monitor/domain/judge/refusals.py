"""Records that cannot count, and why."""

from typing import NamedTuple

from fettle_contracts.codes import DeadLetterCode


class Refused(Exception):
    """This record's data is wrong. `message` is for people."""

    def __init__(self, code: DeadLetterCode, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Refusal(NamedTuple):
    """A refused record, to be dead-lettered. `org` is empty when no org with a policy sent it."""

    offset: int
    org: str
    code: DeadLetterCode
    message: str


class RefusalBudget:
    """How many dead letters may be written: so many a minute for each org and reason. One misconfigured fleet must not
    fill a disk; every refusal is counted all the same."""

    def __init__(self, per_minute: int = 60) -> None:
        self._per_minute = per_minute
        self._minute = -1
        self._spent: dict[tuple[str, DeadLetterCode], int] = {}

    def allows(self, refusal: Refusal, at_ms: int) -> bool:
        """Whether this one may be written. `at_ms` is the record's broker time."""
        if at_ms // 60_000 != self._minute:
            self._minute, self._spent = at_ms // 60_000, {}
        key = (refusal.org, refusal.code)
        spent = self._spent[key] = self._spent.get(key, 0) + 1
        return spent <= self._per_minute
