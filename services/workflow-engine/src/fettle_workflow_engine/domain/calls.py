"""Calls to what is outside: what is asked for, what can become of it, and when it is tried again."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias
from uuid import UUID

from fettle_workflow_engine.domain.run import SWITCHED_OFF, Failure, Result

RETRIES = 8
"""After the first attempt."""
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 600.0
_GROWTH = 2.5
"""1 s, 2.5 s, 6 s, 16 s, 39 s, 98 s, 4 min, 10 min."""


@dataclass(frozen=True, slots=True)
class OutsideCall:
    """One call. `id` is the same however often it is made; `attempt` counts from 1. `request` has the resolved fields
    of the action, and of its run `org`, `run`, `node`, `workflow`, `title` and `depth`. `off`: it is due while the
    org's workflows are switched off."""

    id: UUID
    org: str
    kind: str
    request: Mapping[str, Any]
    attempt: int = 1
    off: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """It went well; later nodes can use `output`."""

    output: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Retry:
    """It may go well later: after `after_s` seconds if the other side has said so."""

    failure: Failure
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """Trying the same again is of no use."""

    failure: Failure


Outcome: TypeAlias = Done | Retry | Failed


class Caller(Protocol):
    """Makes calls. One may be made more than once: a process that dies in the middle leaves it to the next."""

    def perform(self, call: OutsideCall) -> Awaitable[Outcome]:
        """Blocks for as long as the call takes, a minute at most. What can go wrong outside is in the outcome."""


@dataclass(frozen=True, slots=True)
class Again:
    """The call is made again in `in_s` seconds; until then its step shows why the last attempt failed."""

    in_s: float
    failure: Failure


def after(call: OutsideCall, outcome: Outcome, *, jitter: float) -> Result | Again:
    """What follows from an attempt. `jitter` is from 0 to 1 and takes up to a quarter off a pause, except off one that
    the other side has asked for: that is kept, up to ten minutes."""
    match outcome:
        case Done(output):
            return Result(call.id, output)
        case Failed(failure):
            return Result(call.id, failure)
        case Retry(failure) if call.attempt > RETRIES:
            return Result(call.id, replace(failure, unsure=True))
        case Retry(failure, after_s):
            return Again(_pause(call.attempt, jitter) if after_s is None else _bounded(after_s), failure)


def switched_off(call: OutsideCall) -> Result | None:
    """The end of a call that is due while the org's workflows are switched off: it is not made. If it was before, that
    may have done what it asks for."""
    if not call.off:
        return None
    said = "The org's workflows were switched off before it was made."
    return Result(call.id, Failure(SWITCHED_OFF, said, unsure=call.attempt > 1))


def worn_out(call: OutsideCall) -> Result | None:
    """The end of a call that has had all of its attempts without an outcome: whoever makes it dies of it, or is killed
    each time. It is not made again."""
    if call.attempt <= RETRIES + 1:
        return None
    return Result(call.id, Failure("interrupted", "None of its attempts came to an end.", unsure=True))


def _pause(attempt: int, jitter: float) -> float:
    return _bounded(FIRST_PAUSE_S * _GROWTH ** (attempt - 1)) * (1 - jitter / 4)


def _bounded(pause_s: float) -> float:
    return min(max(pause_s, 0.0), LONGEST_PAUSE_S)
