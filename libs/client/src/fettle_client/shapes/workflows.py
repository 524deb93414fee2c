"""Workflows and what they did."""

from typing import Any, Literal, NotRequired, TypedDict

RunState = Literal["running", "done", "failed", "refused", "cancelled"]
StepState = Literal["waiting", "done", "failed", "skipped"]


class Reason(TypedDict):
    """Why something is as it is: a stable code, and words for people."""

    code: str
    message: str


class Failed(Reason):
    """Why a node or a run failed. `unsure`: what the node asked for may have been done all the same."""

    unsure: NotRequired[bool]


class ConditionProblem(TypedDict):
    """Why a trigger's condition could not be decided, over which event."""

    at: str
    trigger: str
    event_id: str
    message: str


class ListedWorkflow(TypedDict):
    """A workflow in a list. `condition_problem` is why its condition could not be decided last, if it could not."""

    workflow: str
    title: str
    description: str
    enabled: bool
    version: int
    triggers: list[str]
    saved_at: str
    saved_by: str
    condition_problem: ConditionProblem | None


class Workflow(ListedWorkflow):
    """A workflow with its document as it was saved."""

    document: str


class Fault(TypedDict):
    """What is wrong with a document, and where; `suggestion` is the name that was probably meant."""

    line: int
    column: int
    message: str
    suggestion: str | None


class WorkflowEdge(TypedDict):
    """That a node follows another by this way out of it."""

    node: str
    way: Literal["done", "error", "true", "false"]


class WorkflowNode(TypedDict):
    """A node: `does` is its trigger or action (None for an `if`), `line` where that stands in the document."""

    node: str
    kind: Literal["trigger", "if", "action"]
    does: str | None
    after: list[WorkflowEdge]
    line: int


class WorkflowGraph(TypedDict):
    """A workflow's nodes in the order of its document."""

    workflow: str
    nodes: list[WorkflowNode]


class CheckedWorkflow(WorkflowGraph):
    """A document that could be saved, with what it would do."""

    faults: list[Fault]


class WorkflowVersion(TypedDict):
    """What a version was made of."""

    version: int
    saved_at: str
    saved_by: str
    document: str


class DifferentLine(TypedDict):
    """A line of a document, and what became of it."""

    kind: Literal["kept", "removed", "added"]
    text: str


class DifferentLines(TypedDict):
    """Lines that stand together: from which line on (from 1; 0 where there is none), and how many, in each document."""

    old_start: int
    old_lines: int
    new_start: int
    new_lines: int
    lines: list[DifferentLine]


class WorkflowDifference(TypedDict):
    """How a version's document differs from an earlier one's (from nothing when `from_version` is null): as `diff -u`
    shows it, and as data."""

    from_version: int | None
    version: int
    text: str
    hunks: list[DifferentLines]


class ListedRun(TypedDict):
    """A run of a workflow: what started it, and how it ended. `rerun_of` is the run whose event a person had it start
    with."""

    id: str
    workflow: str
    version: int
    state: RunState
    trigger: str
    event_id: str
    depth: int
    started_at: str
    timeout_at: str
    ended_at: str | None
    error: Failed | None
    rerun_of: str | None


class Watched(TypedDict):
    """The ticket that a wait waits for, and the change of it that is newer than the version `since`."""

    ticket: str
    change: str
    since: int | None


class Step(TypedDict):
    """One node of a run. A wait has `wake_at`, when it is over at the latest, and may have `watches`, the ticket whose
    change ends it."""

    node: str
    state: StepState
    input: Any
    output: Any
    error: Failed | None
    command_id: str | None
    attempts: int
    started_at: str
    ended_at: str | None
    wake_at: str | None
    watches: Watched | None


class Run(ListedRun):
    """A run with the event that started it and its nodes, in the order in which it reached them."""

    event: dict[str, Any]
    nodes: list[Step]


class GivenOutcome(TypedDict):
    """What becomes of a node in a test run: an output or an error."""

    output: NotRequired[dict[str, Any]]
    error: NotRequired[Reason]


class TriedTrigger(TypedDict):
    """Whether an event fires a trigger, and why not."""

    node: str
    trigger: str
    fires: bool
    why_not: Reason | None


class TriedNode(TypedDict):
    """One node of a test run. `effect` is what would have been sent or waited for; `assumed`: the output is made up."""

    node: str
    state: StepState
    input: Any
    effect: dict[str, Any] | None
    output: Any
    assumed: bool
    error: Reason | None


class Trial(TypedDict):
    """What a run would do; `not_started` when no trigger fires."""

    state: Literal["not_started", "done", "failed"]
    error: Reason | None
    triggers: list[TriedTrigger]
    nodes: list[TriedNode]


class TestRun(Trial):
    """A test run with the event that it was made on. A draft has no version."""

    workflow: str
    version: int | None
    trigger: str
    event_id: str
    event: dict[str, Any]


class PreviewedDay(TypedDict):
    """The runs of one day (in UTC): those that would have started, and those that would have been refused."""

    day: str
    started: int
    too_deep: int
    over_budget: int


class FiredDay(TypedDict):
    """How often a trigger would have fired on one day."""

    day: str
    fired: int


class PreviewedTrigger(TypedDict):
    """How many events a trigger would have met, and how many would have fired it. `problem` is why its condition could
    not be decided last, of those `undecided`."""

    node: str
    trigger: str
    events: int
    fired: int
    days: list[FiredDay]
    undecided: int
    problem: str | None


class PreviewedEvent(TypedDict):
    """An event that would have started a run; the newest ones with what the run would have done."""

    at: str
    trigger: str
    event_id: str
    fired: list[str]
    refused: Reason | None
    event: dict[str, Any] | None
    test_run: Trial | None


WorkflowPreview = TypedDict(
    "WorkflowPreview",
    {
        "asked_from": str,
        "from": str,
        "until": str,
        "left_out": list[Reason],
        "events": int,
        "started": int,
        "too_deep": int,
        "over_budget": int,
        "days": list[PreviewedDay],
        "triggers": list[PreviewedTrigger],
        "newest": list[PreviewedEvent],
    },
)
"""What would have started a workflow since `from`, from when on all events have been seen."""


class WorkflowPolicy(TypedDict):
    """Whether the org's workflows run, and who said so last."""

    enabled: bool
    changed_at: str | None
    changed_by: str | None


class HookSecret(TypedDict):
    """A secret of a hook, without its text. One that is not `usable` has outlived the key that it came from."""

    id: str
    made_at: str
    made_by: str
    ends_at: str | None
    usable: bool


class NewHookSecret(HookSecret):
    """A new secret with its text. The answer to a repeat is without it, as it is kept nowhere."""

    secret: NotRequired[str]


class Hook(TypedDict):
    """Where to post, and the secrets that hold, the newest first."""

    path: str
    secrets: list[HookSecret]


class Knocked(TypedDict):
    """The run that a request to a hook started, or why it started none."""

    run: str | None
    reason: Literal["unknown", "switched_off", "disabled", "no_trigger", "not_matched"] | None
