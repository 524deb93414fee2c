"""What test runs and previews show, for the OpenAPI document (see `shapes.py`)."""

from datetime import date
from typing import Any, Literal

from pydantic import Field

from fettle_contracts.message import Message
from fettle_contracts.times import Instant
from fettle_workflow_engine.domain.run import StepState
from fettle_workflow_engine.entrypoints.http.shapes import Reason


class TriedTrigger(Message):
    """Whether the event fires a trigger, and why not."""

    node: str
    trigger: str
    fires: bool
    why_not: Reason | None


class TriedNode(Message):
    """One node of a test run. `effect` is what would have been sent or waited for; `assumed`: the output is made up."""

    node: str
    state: StepState
    input: Any
    effect: dict[str, Any] | None
    output: Any
    assumed: bool
    error: Reason | None


class Tried(Message):
    """What a run would do; `not_started` when no trigger fires."""

    state: Literal["not_started", "done", "failed"]
    error: Reason | None
    triggers: tuple[TriedTrigger, ...]
    nodes: tuple[TriedNode, ...]


class TriedRun(Tried):
    """A test run with the event that it was made on. A draft has no version."""

    workflow: str
    version: int | None
    trigger: str
    event_id: str
    event: dict[str, Any]


class PreviewedDay(Message):
    """The runs of one day (in UTC): those that would have started, and those that would have been refused."""

    day: date
    started: int
    too_deep: int
    over_budget: int


class FiredDay(Message):
    """How often a trigger would have fired on one day."""

    day: date
    fired: int


class PreviewedTrigger(Message):
    """How many events a trigger would have met, and how many would have fired it. `problem` is why its condition could
    not be decided last, of those `undecided`."""

    node: str
    trigger: str
    events: int
    fired: int
    days: tuple[FiredDay, ...]
    undecided: int
    problem: str | None


class PreviewedEvent(Message):
    """An event that would have started a run; the newest ones with what the run would have done."""

    at: Instant
    trigger: str
    event_id: str
    fired: tuple[str, ...]
    refused: Reason | None
    event: dict[str, Any] | None
    test_run: Tried | None


class Previewed(Message):
    """What would have started a workflow since `from`, from when on all events have been seen."""

    asked_from: Instant
    since: Instant = Field(alias="from")
    until: Instant
    left_out: tuple[Reason, ...]
    events: int
    started: int
    too_deep: int
    over_budget: int
    days: tuple[PreviewedDay, ...]
    triggers: tuple[PreviewedTrigger, ...]
    newest: tuple[PreviewedEvent, ...]
