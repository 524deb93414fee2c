"""A run and its steps: what is known of one execution of one version of a workflow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias
from uuid import UUID

from fettle_contracts.commands import Command, Verb


class RunState(StrEnum):
    """`refused`: recorded, but never started. `cancelled`: a person ended it."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"


SWITCHED_OFF = "switched_off"
"""The code of a node that was not begun, or not called again, since the org's workflows were switched off."""


class StepState(StrEnum):
    """`waiting`: it has begun, and what ends it is still to come: a result, an outcome, a moment, a change."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a node or a run failed. `code` is stable, `message` is for people; later nodes see both.

    `unsure`: what the node asked for may have been done all the same. Asked for again, it must be under the same id.
    """

    code: str
    message: str
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Watch:
    """A ticket that a step waits for: until a change of the kind `change` (or `any`) that is newer than the version
    `since`. None: newer than what the engine had seen of it when the step went to sleep."""

    ticket: UUID
    change: str
    since: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One node of one run: what went in, what came out, how often it was tried, and when.

    A step that waits has the id of what it waits for: of a command, of a call, of a wait. `error` of a waiting step is
    why the last attempt failed. `wake_at` is when a wait is over, `watches` what else ends it.
    """

    node: str
    state: StepState
    started_at: datetime
    ended_at: datetime | None = None
    input: Mapping[str, Any] | None = None
    output: Mapping[str, Any] | None = None
    error: Failure | None = None
    command_id: UUID | None = None
    attempts: int = 0
    wake_at: datetime | None = None
    watches: Watch | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """What started a run. `depth` is the run's place in the chain of causes, from 1."""

    trigger: str
    event: Mapping[str, Any]
    event_id: str
    depth: int
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of one version of a workflow. `steps` are the nodes reached so far, in the order of reaching."""

    id: UUID
    org: str
    workflow: str
    version: int
    cause: Cause
    started_at: datetime
    timeout_at: datetime
    state: RunState = RunState.RUNNING
    steps: Mapping[str, Step] = field(default_factory=dict)
    error: Failure | None = None
    ended_at: datetime | None = None
    rerun_of: UUID | None = None

    @property
    def waiting(self) -> Step | None:
        """The step whose end the run waits for; there is at most one."""
        return next((step for step in self.steps.values() if step.state is StepState.WAITING), None)


@dataclass(frozen=True, slots=True)
class GiveCommand:
    """A command that the run gives. Its id comes from run and node: given again, it is the same command."""

    id: UUID
    node: str
    verb: Verb
    command: Command


@dataclass(frozen=True, slots=True)
class Call:
    """Something that leaves the system. `kind` is the action's name, `request` its resolved fields with what is to be
    known of the run. Its id comes from run and node: whoever is called can tell a repeat by it."""

    id: UUID
    node: str
    kind: str
    request: Mapping[str, Any]


Effect: TypeAlias = GiveCommand | Call


@dataclass(frozen=True, slots=True)
class Result:
    """What a step that waits by this id has waited for: an output for later nodes, or why there is none."""

    command_id: UUID
    outcome: Mapping[str, Any] | Failure


@dataclass(frozen=True, slots=True)
class Advance:
    """The run as it is now, and what it asks for. A run that waits for a moment or a ticket asks for nothing."""

    run: Run
    effects: tuple[Effect, ...] = ()
