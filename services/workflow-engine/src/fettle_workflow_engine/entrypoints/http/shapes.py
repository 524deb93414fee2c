"""What answers about workflows look like, for the OpenAPI document. Answers are written straight from rows and are not
held against these models on their way out; tests do that. What test runs and previews show: `trial_shapes.py`."""

from typing import Any
from uuid import UUID

from fettle_contracts.message import Message
from fettle_contracts.times import Instant
from fettle_workflow_engine.domain.channels import Kind
from fettle_workflow_engine.domain.definition import Way
from fettle_workflow_engine.domain.difference import LineKind
from fettle_workflow_engine.domain.outline import NodeKind
from fettle_workflow_engine.domain.run import RunState, StepState


class Reason(Message):
    """A stable code, and words for people."""

    code: str
    message: str


class Failed(Reason):
    """Why a node or a run failed. `unsure`: what the node asked for may have been done all the same."""

    unsure: bool = False


class ConditionProblem(Message):
    """Why a trigger's condition could not be decided, over which event."""

    at: Instant
    trigger: str
    event_id: str
    message: str


class ListedWorkflow(Message):
    """A workflow. `condition_problem` is why its condition could not be decided last, if it could not."""

    workflow: str
    title: str
    description: str
    enabled: bool
    version: int
    triggers: tuple[str, ...]
    saved_at: Instant
    saved_by: str
    condition_problem: ConditionProblem | None


class Workflow(ListedWorkflow):
    """A workflow with its document as it was saved."""

    document: str


class WorkflowOfList(ListedWorkflow):
    """A workflow of a list, with its document if `documents` asks for them."""

    document: str | None = None


class WorkflowPage(Message):
    """A page of workflows, by name."""

    items: tuple[WorkflowOfList, ...]
    next_cursor: str | None


class DocumentFault(Message):
    """What is wrong with a document, and where; `suggestion` is the name that was probably meant."""

    line: int
    column: int
    message: str
    suggestion: str | None


class WorkflowEdge(Message):
    """That a node follows another by this way out of it."""

    node: str
    way: Way


class WorkflowNode(Message):
    """A node as it is drawn: `does` is its trigger or action (null for an `if`), `line` where that stands."""

    node: str
    kind: NodeKind
    does: str | None
    after: tuple[WorkflowEdge, ...]
    line: int


class WorkflowGraph(Message):
    """A workflow's nodes in the order of its document."""

    workflow: str
    nodes: tuple[WorkflowNode, ...]


class CheckedWorkflow(WorkflowGraph):
    """A document that could be saved, with what it would do."""

    faults: tuple[DocumentFault, ...]


class WorkflowVersion(Message):
    """What a version was made of."""

    version: int
    saved_at: Instant
    saved_by: str
    document: str


class VersionPage(Message):
    """A page of versions, the newest first."""

    items: tuple[WorkflowVersion, ...]
    next_cursor: str | None


class DifferentLine(Message):
    """A line of a document, and what became of it."""

    kind: LineKind
    text: str


class DifferentLines(Message):
    """Lines that stand together: from which line on (from 1; 0 where there is none), and how many, in each document."""

    old_start: int
    old_lines: int
    new_start: int
    new_lines: int
    lines: tuple[DifferentLine, ...]


class WorkflowDifference(Message):
    """How a version's document differs from an earlier one's (from nothing when `from_version` is null)."""

    from_version: int | None
    version: int
    text: str
    hunks: tuple[DifferentLines, ...]


class ListedRun(Message):
    """A run: what started it, and how it ended. `rerun_of` is the run whose event a person had it start with."""

    id: UUID
    workflow: str
    version: int
    state: RunState
    trigger: str
    event_id: str
    depth: int
    started_at: Instant
    timeout_at: Instant
    ended_at: Instant | None
    error: Failed | None
    rerun_of: UUID | None


class RunPage(Message):
    """A page of runs, the newest first."""

    items: tuple[ListedRun, ...]
    next_cursor: str | None


class Watched(Message):
    """The ticket that a wait waits for, and the change of it that is newer than the version `since`."""

    ticket: UUID
    change: str
    since: int | None


class ShownStep(Message):
    """One node of a run. A wait has `wake_at`, when it is over at the latest, and may watch a ticket."""

    node: str
    state: StepState
    input: Any
    output: Any
    error: Failed | None
    command_id: UUID | None
    attempts: int
    started_at: Instant
    ended_at: Instant | None
    wake_at: Instant | None
    watches: Watched | None


class ShownRun(ListedRun):
    """A run with the event that started it and its nodes, in the order in which it reached them."""

    event: dict[str, Any]
    nodes: tuple[ShownStep, ...]


class Secret(Message):
    """What may be known of a secret; its value is never shown. `key_id` names the key that it is sealed under."""

    name: str
    key_id: str
    saved_at: Instant
    saved_by: str


class SecretPage(Message):
    """A page of secrets, by name."""

    items: tuple[Secret, ...]
    next_cursor: str | None


class ShownChannel(Message):
    """Where messages go. `sent_last_hour` counts for `hourly_cap`, `held_back` waits for a digest; `digest_error` is
    why that could not be sent last."""

    name: str
    kind: Kind
    settings: dict[str, Any]
    hourly_cap: int
    saved_at: Instant
    saved_by: str
    sent_last_hour: int
    held_back: int
    digest_error: Reason | None


class ChannelPage(Message):
    """A page of channels, by name."""

    items: tuple[ShownChannel, ...]
    next_cursor: str | None
