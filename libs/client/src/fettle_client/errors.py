"""What does not end well, and how an answer says so (RFC 9457, problem details)."""

import json
from collections.abc import Mapping
from typing import Any


class FettleError(Exception):
    """A call that did not end well. The text is for people and holds no secret."""


class Refused(FettleError):
    """The API said no.

    `code` is stable (docs/codes.md), `message` is for people, `field` names what broke the rule, if one did; `problem`
    is all that was said, such as the present text of a description that has changed (412) or the `faults` of a
    workflow. An answer that is no problem detail has an empty `code` and an empty `problem`. `retry_after_s` is in how
    many seconds the API asks to be tried again, if it does.
    """

    def __init__(
        self, status: int, message: str, problem: Mapping[str, Any], *, retry_after_s: float | None = None
    ) -> None:
        self.status, self.message, self.problem = status, message, problem
        self.code = str(problem.get("code") or "")
        self.field: str | None = problem.get("field")
        self.retry_after_s = retry_after_s
        where = f"{self.field}: " if self.field else ""
        super().__init__(f"{where}{message}" + (f" [{self.code}]" if self.code else ""))


class Unreachable(FettleError):
    """Nobody was there, the connection broke, or time ran out before an answer began. Whether a write had its effect
    is not known; sending it again under the same `key` is safe.

    `again`: trying again soon makes sense, as nobody was there or the connection broke; False when time ran out.
    """

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


class BrokenOff(FettleError):
    """An answer began and did not come to its end."""


def refusal(status: int, phrase: str, url: str, headers: Mapping[str, str], content: bytes) -> Refused:
    """What an error answer says; `headers` are looked up in lower case."""
    wait = headers.get("retry-after", "")
    retry_after_s = float(wait) if wait.isascii() and wait.isdigit() else None
    try:
        problem = json.loads(content)
        message = str(problem["detail"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return Refused(status, f"{url} answered {status} {phrase}", {}, retry_after_s=retry_after_s)
    return Refused(status, message, problem, retry_after_s=retry_after_s)
