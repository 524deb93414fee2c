"""What a run does next: `advance(definition, run, result) -> run', effects`. Pure, so it can be resumed anywhere.

Nodes run one at a time, in document order. A node is due once all that its `after` names have ended or been skipped;
it runs if at least one of the ways that it names was taken, else it is skipped. A failed node is followed by way of
its `.error`; without one the run fails. Every node ends exactly once: done, failed or skipped.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from fettle_workflow_engine.domain.admission import Refused
from fettle_workflow_engine.domain.commands import Author, command_for
from fettle_workflow_engine.domain.definition import Action, After, Definition, Way
from fettle_workflow_engine.domain.languages import Templates
from fettle_workflow_engine.domain.resolve import InputFailed, resolve
from fettle_workflow_engine.domain.run import (
    Advance,
    Cause,
    Effect,
    Failure,
    Result,
    Run,
    RunState,
    Step,
    StepState,
)

TIMED_OUT = "timeout"


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
) -> Run:
    """A run whose triggers have ended (`matched` fired, the others are skipped) and whose actions are still ahead."""
    steps = {
        trigger.name: Step(trigger.name, StepState.DONE if trigger.name in matched else StepState.SKIPPED, now, now)
        for trigger in definition.triggers
    }
    deadline = now + timedelta(seconds=definition.timeout_s)
    return Run(run_id, org, definition.workflow, version, cause, now, deadline, steps=steps)


def refuse(
    definition: Definition, reason: Refused, cause: Cause, *, run_id: UUID, org: str, version: int, now: datetime
) -> Run:
    """A run that is on record and never starts."""
    run = begin(definition, (), cause, run_id=run_id, org=org, version=version, now=now)
    return replace(run, steps={}, state=RunState.REFUSED, error=Failure(reason.code, reason.message), ended_at=now)


def advance(
    definition: Definition, run: Run, result: Result | None = None, *, now: datetime, templates: Templates
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
        run = _with(run, _answered(waiting, result, now))
    while (action := _due(definition, run)) is not None:
        if _unheeded_failure(definition, run):
            break
        if not any(_taken(run, after) for after in action.after):
            run = _with(run, Step(action.name, StepState.SKIPPED, now, now))
            continue
        step, effects = _start(definition, action, run, now, templates)
        run = _with(run, step)
        if effects:
            return Advance(run, effects)
    return Advance(_ended(definition, run, _unheeded_failure(definition, run), now))


def time_out(definition: Definition | None, run: Run, *, now: datetime) -> Run:
    """The run ended by its timeout; a run that has ended already is left as it is. Without the definition (this version
    does not understand it any more) nodes that were not reached are not told of."""
    if run.state is not RunState.RUNNING:
        return run
    timeout_s = round((run.timeout_at - run.started_at).total_seconds())
    failure = Failure(TIMED_OUT, f"The run took longer than its {timeout_s} s.")
    if run.waiting:
        run = _with(run, replace(run.waiting, state=StepState.FAILED, error=failure, ended_at=now))
    return _ended(definition, run, failure, now)


def _due(definition: Definition, run: Run) -> Action | None:
    """The first action in document order that has not ended and waits for no other."""
    return next(
        (
            action
            for action in definition.actions
            if action.name not in run.steps and all(after.node in run.steps for after in action.after)
        ),
        None,
    )


def _taken(run: Run, after: After) -> bool:
    state = run.steps[after.node].state
    return state is (StepState.DONE if after.way is Way.DONE else StepState.FAILED)


def _start(
    definition: Definition, action: Action, run: Run, now: datetime, templates: Templates
) -> tuple[Step, tuple[Effect, ...]]:
    """The action's command, or its failure when its fields have no usable value."""
    started = Step(action.name, StepState.WAITING, now, attempts=1)
    scope = _scope(run)
    try:
        given = {name: resolve(value, scope, templates) for name, value in action.fields.items()}
        started = replace(started, input=given)
        author = Author(run.org, run.workflow, definition.title, run.version, run.id, action.name, run.cause.trigger)
        verb, command = command_for(action.does, given, author)
    except InputFailed as failure:
        error = Failure(failure.code, failure.message)
        return replace(started, state=StepState.FAILED, error=error, ended_at=now), ()
    command_id = uuid5(run.id, action.name)
    return replace(started, command_id=command_id), (Effect(command_id, action.name, verb, command),)


def _answered(waiting: Step, result: Result, now: datetime) -> Step:
    if isinstance(result.outcome, Failure):
        return replace(waiting, state=StepState.FAILED, error=result.outcome, ended_at=now)
    return replace(waiting, state=StepState.DONE, output=result.outcome, ended_at=now)


def _scope(run: Run) -> Mapping[str, Any]:
    """What later nodes can name: `event`, outputs of nodes that are done, `error` of those that failed."""
    scope: dict[str, Any] = {"event": run.cause.event}
    for name, step in run.steps.items():
        if step.output is not None:
            scope[name] = step.output
        elif step.error is not None:
            scope[name] = {"error": {"code": step.error.code, "message": step.error.message}}
    return scope


def _unheeded_failure(definition: Definition, run: Run) -> Failure | None:
    """Why a node failed that nothing follows by its error."""
    heeded = {after.node for action in definition.actions for after in action.after if after.way is Way.ERROR}
    for step in run.steps.values():
        if step.error is not None and step.node not in heeded:
            return Failure(step.error.code, f"{step.node}: {step.error.message}")
    return None


def _ended(definition: Definition | None, run: Run, failure: Failure | None, now: datetime) -> Run:
    for action in definition.actions if definition else ():
        if action.name not in run.steps:
            run = _with(run, Step(action.name, StepState.SKIPPED, now, now))
    return replace(run, state=RunState.FAILED if failure else RunState.DONE, error=failure, ended_at=now)


def _with(run: Run, step: Step) -> Run:
    return replace(run, steps={**run.steps, step.node: step})
