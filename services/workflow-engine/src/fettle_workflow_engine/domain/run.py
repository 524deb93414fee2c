"""A run and its steps: what is known of one execution of one version of a workflow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from fettle_contracts.commands import Command, Verb


class RunState(StrEnum):
    """`refused`: recorded, but never started."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"


class StepState(StrEnum):
    """`waiting`: the command is given, its result is not there yet."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a node or a run failed. `code` is stable, `message` is for people; later nodes see both."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Step:
    """One node of one run: what went in, what came out, how often it was tried, and when."""

    node: str
    state: StepState
    started_at: datetime
    ended_at: datetime | None = None
    input: Mapping[str, Any] | None = None
    output: Mapping[str, Any] | None = None
    error: Failure | None = None
    command_id: UUID | None = None
    attempts: int = 0


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

    @property
    def waiting(self) -> Step | None:
        """The step whose result the run waits for; there is at most one."""
        return next((step for step in self.steps.values() if step.state is StepState.WAITING), None)


@dataclass(frozen=True, slots=True)
class Effect:
    """A command that the run gives. Its id comes from run and node alone: given again, it is the same command."""

    id: UUID
    node: str
    verb: Verb
    command: Command


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a command: an output for later nodes, or why it was rejected."""

    command_id: UUID
    outcome: Mapping[str, Any] | Failure


@dataclass(frozen=True, slots=True)
class Advance:
    """The run as it is now, and what it asks for."""

    run: Run
    effects: tuple[Effect, ...] = ()
