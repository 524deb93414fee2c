"""How a node begins: its fields get their values, and from them follows what it asks for or waits for."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from fettle_contracts.commands import Verb
from fettle_workflow_engine.domain.catalogue import ACTIONS, Means
from fettle_workflow_engine.domain.commands import Author, command_for, message_of, request_for
from fettle_workflow_engine.domain.definition import Action, Definition
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.resolve import InputFailed, resolve
from fettle_workflow_engine.domain.run import SWITCHED_OFF, Call, Effect, Failure, GiveCommand, Run, Step, StepState
from fettle_workflow_engine.domain.secrets import SCOPE, SecretNames
from fettle_workflow_engine.domain.sizes import LIMIT_BYTES, beginning_of
from fettle_workflow_engine.domain.waits import read_wait

STOPPED = "stopped"
INPUT_TOO_LARGE = "input_too_large"


def start(
    definition: Definition, action: Action, run: Run, now: datetime, languages: Languages, before: Step | None = None
) -> tuple[Step, tuple[Effect, ...]]:
    """The node, waiting for what it asks for or failed. `before` is how it ended the last time, when it is retried."""
    tried = before.attempts if before else 0
    step = Step(action.name, StepState.WAITING, now, attempts=tried + 1)
    secrets = {SCOPE: SecretNames()} if ACTIONS[action.does].takes_secrets else {}
    scope = {**scope_of(run), **secrets}
    try:
        given = {name: resolve(value, scope, languages.templates) for name, value in action.fields.items()}
        if (beginning := beginning_of(given)) is not None:
            step = replace(step, input=beginning)
            raise InputFailed(INPUT_TOO_LARGE, f"The fields are longer than {LIMIT_BYTES // 1024} KiB together.")
        step = replace(step, input=given)
        return _begun(definition, action, given, step, run, _id(run, action, before))
    except InputFailed as failure:
        error = Failure(failure.code, failure.message)
        unsaid = before.command_id if before else None
        return replace(step, state=StepState.FAILED, error=error, ended_at=now, command_id=unsaid), ()


def scope_of(run: Run) -> Mapping[str, Any]:
    """What later nodes can name: `event`, outputs of nodes that are done, `error` of those that failed."""
    scope: dict[str, Any] = {"event": run.cause.event}
    for name, step in run.steps.items():
        if step.state is StepState.DONE and step.output is not None:
            scope[name] = step.output
        elif step.state is StepState.FAILED and step.error is not None:
            scope[name] = {"error": {"code": step.error.code, "message": step.error.message}}
    return scope


def _begun(
    definition: Definition, action: Action, given: Mapping[str, Any], step: Step, run: Run, id: UUID
) -> tuple[Step, tuple[Effect, ...]]:
    author = Author(run.org, run.workflow, definition.title, run.version, run.id, action.name, run.cause.trigger)
    match ACTIONS[action.does].does_by:
        case Verb():
            verb, command = command_for(action.does, given, author)
            return replace(step, command_id=id), (GiveCommand(id, action.name, verb, command),)
        case Means.CALL:
            request = request_for(action.does, given, author, run.cause.depth)
            step = replace(step, command_id=id, attempts=step.attempts - 1)  # an attempt counts when it is made
            return step, (Call(id, action.name, action.does, request),)
        case Means.WAIT:
            length, watch = read_wait(given, scope_of(run))
            return replace(step, command_id=id, wake_at=step.started_at + length, watches=watch), ()
        case Means.FAIL:
            error = Failure(STOPPED, message_of(given))
            return replace(step, state=StepState.FAILED, error=error, ended_at=step.started_at), ()


def _id(run: Run, action: Action, before: Step | None) -> UUID:
    """Of what the node asks for. Retried, it asks under another id, since the first one has its answer for good; under
    the same one when what it asked for may have been done, so that it is not done twice, or was not asked for yet."""
    if before is None or before.command_id is None:
        return uuid5(run.id, action.name)
    if before.error is not None and (before.error.unsure or before.error.code == SWITCHED_OFF):
        return before.command_id
    return uuid5(before.command_id, "again")
