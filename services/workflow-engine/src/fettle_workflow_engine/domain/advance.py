"""What a run does next: `advance(definition, run, result) -> run', effects`. Pure, so it can be resumed anywhere.

Nodes run one at a time, in document order. A node is due once all that its `after` names have ended or been skipped;
it runs if at least one of the ways that it names was taken, else it is skipped. A failed node is followed by way of
its `.error`; without one the run fails. An `if` ends at once, by its `.true` or its `.false`. Every node ends exactly
once: done, failed or skipped.

While the org's workflows are `off`, no node is begun: the run fails at the one that would be next, so that a person may
have it go on from there.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from fettle_workflow_engine.domain.admission import Refused
from fettle_workflow_engine.domain.conditions import judge
from fettle_workflow_engine.domain.definition import After, Branch, Definition, Follower, Way
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.run import (
    SWITCHED_OFF,
    Advance,
    Cause,
    Failure,
    Result,
    Run,
    RunState,
    Step,
    StepState,
)
from fettle_workflow_engine.domain.sizes import LIMIT_BYTES, beginning_of
from fettle_workflow_engine.domain.starting import STOPPED, scope_of, start

OUTPUT_TOO_LARGE = "output_too_large"
NOT_BEGUN = Failure(SWITCHED_OFF, "The org's workflows were switched off before it began.")


def run_id_for(org: str, workflow: str, event_source: str, event_id: str) -> UUID:
    """The id of the one run that an event can start of a workflow."""
    return uuid5(UUID(int=0), "\n".join((org, workflow, event_source, event_id)))


def begin(
    definition: Definition,
    matched: Collection[str],
    cause: Cause,
    *,
    run_id: UUID,
    org: str,
    version: int,
    now: datetime,
    rerun_of: UUID | None = None,
) -> Run:
    """A run whose triggers have ended (`matched` fired, the others are skipped) and whose actions are still ahead."""
    steps = {
        trigger.name: Step(trigger.name, StepState.DONE if trigger.name in matched else StepState.SKIPPED, now, now)
        for trigger in definition.triggers
    }
    deadline = now + timedelta(seconds=definition.timeout_s)
    return Run(run_id, org, definition.workflow, version, cause, now, deadline, steps=steps, rerun_of=rerun_of)


def refuse(
    definition: Definition, reason: Refused, cause: Cause, *, run_id: UUID, org: str, version: int, now: datetime
) -> Run:
    """A run that is on record and never starts."""
    run = begin(definition, (), cause, run_id=run_id, org=org, version=version, now=now)
    return replace(run, steps={}, state=RunState.REFUSED, error=Failure(reason.code, reason.message), ended_at=now)


def advance(
    definition: Definition,
    run: Run,
    result: Result | None = None,
    *,
    now: datetime,
    languages: Languages,
    off: bool = False,
) -> Advance:
    """Takes the result in and goes on until the run waits again or has ended.

    A result that the run does not wait for changes nothing, nor does asking a waiting run to go on.
    """
    waiting = run.waiting
    if run.state is not RunState.RUNNING or (waiting.command_id if waiting else None) != (
        result.command_id if result else None
    ):
        return Advance(run)
    if waiting and result:
        run = _with(_without_the_rest_of(waiting, run, now), _answered(waiting, result, now))
    return go_on(definition, run, now, languages, off=off)


def go_on(
    definition: Definition,
    run: Run,
    now: datetime,
    languages: Languages,
    again: Step | None = None,
    *,
    off: bool = False,
) -> Advance:
    """The run as far as it goes by itself; `again` is how the node that is due first ended before."""
    while (node := _due(definition, run)) is not None:
        if _fatal_failure(definition, run):
            break
        if not any(_taken(run, after) for after in node.after):
            run = _with(run, Step(node.name, StepState.SKIPPED, now, now))
            continue
        if off:
            run = _with(run, Step(node.name, StepState.FAILED, now, now, error=NOT_BEGUN))
            continue
        if isinstance(node, Branch):
            run = _with(run, _branch(node, run, now, languages))
            continue
        step, effects = start(definition, node, run, now, languages, again)
        again = None
        run = _with(run, step)
        if step.wake_at:
            run = replace(run, timeout_at=run.timeout_at + (step.wake_at - now))
        if step.state is StepState.WAITING:
            return Advance(run, effects)
    return Advance(ended(definition, run, _fatal_failure(definition, run), now))


def ended(definition: Definition | None, run: Run, failure: Failure | None, now: datetime) -> Run:
    """The run, over; nodes that it did not reach are skipped."""
    for node in definition.followers if definition else ():
        if node.name not in run.steps:
            run = _with(run, Step(node.name, StepState.SKIPPED, now, now))
    return replace(run, state=RunState.FAILED if failure else RunState.DONE, error=failure, ended_at=now)


def _due(definition: Definition, run: Run) -> Follower | None:
    """The first node in document order that has not ended and waits for no other."""
    return next(
        (
            node
            for node in definition.followers
            if node.name not in run.steps and all(after.node in run.steps for after in node.after)
        ),
        None,
    )


def _taken(run: Run, after: After) -> bool:
    step = run.steps[after.node]
    if after.way in (Way.TRUE, Way.FALSE):
        return step.output is not None and step.output.get("holds") is (after.way is Way.TRUE)
    return step.state is (StepState.FAILED if after.way is Way.ERROR else StepState.DONE)


def _branch(branch: Branch, run: Run, now: datetime, languages: Languages) -> Step:
    judged = judge(branch, scope_of(run), languages, now)
    return Step(branch.name, StepState.DONE, now, now, input=judged.input, output=judged.output, attempts=1)


def _answered(waiting: Step, result: Result, now: datetime) -> Step:
    outcome = result.outcome
    if isinstance(outcome, Failure):
        return replace(waiting, state=StepState.FAILED, error=outcome, ended_at=now)
    if (beginning := beginning_of(outcome)) is not None:
        error = Failure(OUTPUT_TOO_LARGE, f"The output is longer than {LIMIT_BYTES // 1024} KiB.", unsure=True)
        return replace(waiting, state=StepState.FAILED, output=beginning, error=error, ended_at=now)
    return replace(waiting, state=StepState.DONE, output=outcome, error=None, ended_at=now)


def _without_the_rest_of(waiting: Step, run: Run, now: datetime) -> Run:
    """A run may take its timeout besides the time that it lets pass: what is left of a wait is taken off again."""
    if waiting.wake_at is None or waiting.wake_at <= now:
        return run
    return replace(run, timeout_at=run.timeout_at - (waiting.wake_at - now))


def _fatal_failure(definition: Definition, run: Run) -> Failure | None:
    """Why a node failed that nothing follows by its error, or that was there to end the run."""
    if not any(step.error for step in run.steps.values()):
        return None
    heeded = {after.node for node in definition.followers for after in node.after if after.way is Way.ERROR}
    for step in run.steps.values():
        if step.error is None:
            continue
        if step.error.code == STOPPED:
            return step.error
        if step.node not in heeded or step.error.code == SWITCHED_OFF:
            return replace(step.error, message=f"{step.node}: {step.error.message}")
    return None


def _with(run: Run, step: Step) -> Run:
    return replace(run, steps={**run.steps, step.node: step})
