"""Workflows and what they did."""

from typing import Any, Literal, NotRequired, TypedDict

RunState = Literal["running", "done", "failed", "refused", "cancelled"]


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
    condition_problem: str | None


class Workflow(ListedWorkflow):
    """A workflow with its document as it was saved."""

    document: str


class Fault(TypedDict):
    """What is wrong with a document, and where; `suggestion` is the name that was probably meant."""

    line: int
    column: int
    message: str
    suggestion: str | None


class CheckedWorkflow(TypedDict):
    """A document that could be saved."""

    workflow: str
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
    error: dict[str, Any] | None
    rerun_of: str | None


class Step(TypedDict):
    """One node of a run. A wait has `wake_at`, when it is over at the latest, and may have `watches`, the ticket whose
    change ends it."""

    node: str
    state: str
    input: Any
    output: Any
    error: dict[str, Any] | None
    command_id: str | None
    attempts: int
    started_at: str
    ended_at: str | None
    wake_at: str | None
    watches: dict[str, Any] | None


class Run(ListedRun):
    """A run with the event that started it and its nodes, in the order in which it reached them."""

    event: dict[str, Any]
    nodes: list[Step]


class WorkflowPolicy(TypedDict):
    """Whether the org's workflows start runs, and who said so last."""

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
