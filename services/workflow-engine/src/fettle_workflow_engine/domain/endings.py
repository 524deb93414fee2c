"""How a run ends from outside, by its timeout or by a person, and how a person takes it up again."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from fettle_workflow_engine.domain.advance import ended, go_on
from fettle_workflow_engine.domain.definition import Definition
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.run import Advance, Failure, Run, RunState, Step, StepState

TIMED_OUT = "timeout"
CANCELLED = "cancelled"
NOT_UNDERSTOOD = "not_understood"
INTERNAL = "internal"


def time_out(definition: Definition | None, run: Run, *, now: datetime) -> Run:
    """The run ended by its timeout; a run that has ended already is left as it is. Without the definition (this version
    does not understand it any more) nodes that were not reached are not told of."""
    if run.state is not RunState.RUNNING:
        return run
    timeout_s = definition.timeout_s if definition else round((run.timeout_at - run.started_at).total_seconds())
    return _cut_short(definition, run, Failure(TIMED_OUT, f"The run took longer than its {timeout_s} s."), now)


def cancel(definition: Definition | None, run: Run, by: str, *, now: datetime) -> Run:
    """The run ended by the person `by`; one that has ended already is left as it is. What it waits for changes nothing
    any more."""
    if run.state is not RunState.RUNNING:
        return run
    run = _cut_short(definition, run, Failure(CANCELLED, f"Cancelled by {by}."), now)
    return replace(run, state=RunState.CANCELLED)


def give_up(run: Run, *, now: datetime) -> Run:
    """The run ended because this engine does not understand its version any more, so that it cannot go on."""
    return _cut_short(None, run, Failure(NOT_UNDERSTOOD, "This engine does not understand the run's version."), now)


def internal(bug: Exception) -> Failure:
    """Why something ended that no code of ours could go on with. Only the exception's name: its message may hold
    anything."""
    return Failure(INTERNAL, f"A fault of Fettle itself: {type(bug).__name__}.")


def retry(definition: Definition, run: Run, *, now: datetime, languages: Languages) -> Advance:
    """A failed run goes on from the node that failed it, with a timeout of its own; what went before stays.

    Raises ValueError for a run that has no such node.
    """
    failed = failed_node(run)
    if failed is None:
        raise ValueError(f"run {run.id} has not failed by a node")
    before = dict(list(run.steps.items())[: list(run.steps).index(failed.node)])
    deadline = now + timedelta(seconds=definition.timeout_s)
    run = replace(run, state=RunState.RUNNING, error=None, ended_at=None, timeout_at=deadline, steps=before)
    return go_on(definition, run, now, languages, failed)


def failed_node(run: Run) -> Step | None:
    """The node that failed a failed run: the last that did, as it ended the run."""
    if run.state is not RunState.FAILED:
        return None
    return next((step for step in reversed(list(run.steps.values())) if step.state is StepState.FAILED), None)


def _cut_short(definition: Definition | None, run: Run, failure: Failure, now: datetime) -> Run:
    if run.waiting:
        error = replace(failure, unsure=True)
        waiting = replace(run.waiting, state=StepState.FAILED, error=error, ended_at=now)
        steps: Mapping[str, Step] = {**run.steps, waiting.node: waiting}
        run = replace(run, steps=steps)
    return ended(definition, run, failure, now)
