"""A workflow tried out: the interpreter of runs over an event that somebody gives. Nothing is sent, nothing is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID, uuid5

from fettle_contracts.times import rfc3339
from fettle_contracts.topics import COMMANDS
from fettle_workflow_engine.domain.advance import advance, begin
from fettle_workflow_engine.domain.catalogue import ACTIONS, Means
from fettle_workflow_engine.domain.definition import Action, Definition
from fettle_workflow_engine.domain.examples import example_output, output_like
from fettle_workflow_engine.domain.http_requests import http_request
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.matching import Match, matches
from fettle_workflow_engine.domain.notifications import channel_missing, read_message
from fettle_workflow_engine.domain.resolve import InputFailed
from fettle_workflow_engine.domain.run import Advance, Call, Cause, Failure, GiveCommand, Result, Run, Step
from fettle_workflow_engine.domain.samples import Sample
from fettle_workflow_engine.domain.secrets import legible, named, secret_missing
from fettle_workflow_engine.domain.sizes import within
from fettle_workflow_engine.domain.waits import ELAPSED

SHOWN_BYTES = 2 * 1024 * 1024

Outcome: TypeAlias = Mapping[str, Any] | Failure
"""An output, or why there is none."""


@dataclass(frozen=True, slots=True)
class Around:
    """Where a try takes place: the org, what it has, and what addresses of its tickets begin with. `version` is that of
    the workflow, 0 for a draft."""

    org: str
    version: int
    channels: frozenset[str]
    secrets: frozenset[str]
    tickets: str


@dataclass(frozen=True, slots=True)
class Trial:
    """What would have happened. `run` is None when no trigger fires. By node: `effects` are what would have been sent
    or waited for, `assumed` are those whose output is made up."""

    matches: tuple[Match, ...]
    run: Run | None = None
    effects: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    assumed: frozenset[str] = frozenset()


class NoOutcome(ValueError):
    """An outcome is given for what has none of its own. The text says which and why."""


def try_out(
    definition: Definition,
    sample: Sample,
    outcomes: Mapping[str, Outcome],
    around: Around,
    *,
    now: datetime,
    languages: Languages,
) -> Trial:
    """One run over the sample, from `now` on, all at once: what a node asks for has the outcome that is given for it,
    else goes well, and time that a wait lets pass has passed. What a real run fails by before anything is sent fails
    here too. Raises NoOutcome."""
    _check(definition, outcomes)
    found = matches(definition, sample.on, sample.event, languages.conditions)
    fired = [one.trigger.name for one in found if one.fires]
    if not fired:
        return Trial(found)
    cause = Cause(sample.on, sample.event, sample.id, sample.depth)
    id = uuid5(UUID(int=0), "\n".join(("test run", around.org, definition.workflow, sample.id)))
    run = begin(definition, fired, cause, run_id=id, org=around.org, version=around.version, now=now)
    done = advance(definition, run, now=now, languages=languages)
    does = {action.name: action.does for action in definition.actions}
    effects, assumed = {}, set()
    while (step := done.run.waiting) is not None and step.command_id is not None:
        effects[step.node] = _effect(done, step)
        outcome = _settled(done, outcomes.get(step.node), around)
        if outcome is None:
            outcome = example_output(does[step.node], step.input or {}, sample.event, around.tickets)
            assumed.add(step.node)
        elif not isinstance(outcome, Failure):
            outcome = output_like(does[step.node], outcome)
        if step.wake_at and (isinstance(outcome, Failure) or outcome.get("ended_by") == ELAPSED):
            now = step.wake_at
        done = advance(definition, done.run, Result(step.command_id, outcome), now=now, languages=languages)
    return Trial(found, done.run, effects, frozenset(assumed))


def _check(definition: Definition, outcomes: Mapping[str, Outcome]) -> None:
    nodes = {node.name: node for node in definition.nodes}
    for name in outcomes:
        node = nodes.get(name)
        if node is None:
            raise NoOutcome(f"There is no node {name!r}.")
        if not isinstance(node, Action) or ACTIONS[node.does].does_by is Means.FAIL:
            raise NoOutcome(f"What becomes of {name!r} follows from the event; no outcome can be given for it.")


def _effect(done: Advance, step: Step) -> Mapping[str, Any]:
    """What would be sent, with secrets by their names, or waited for."""
    for effect in done.effects:
        match effect:
            case GiveCommand():
                body = effect.command.to_dict()
                return {"kind": "command", "id": str(effect.id), "topic": COMMANDS, "verb": effect.verb.value,
                        "command": body}  # fmt: skip
            case Call():
                return {"kind": effect.kind, "id": str(effect.id), **_sent(effect)}
    watches = step.watches
    ticket = {"ticket": str(watches.ticket), "change": watches.change} if watches else None
    until = rfc3339(step.wake_at) if step.wake_at else None
    return {"kind": "wait", "until": until, "until_ticket": ticket, "skipped": True}


def _sent(call: Call) -> Mapping[str, Any]:
    fields = legible(call.request)
    try:
        if call.kind == "notify":
            message = read_message(call.id, "", fields)
            text = {"channel": message.channel, "subject": message.subject, "text": message.text}
            return {"message": {**text, "to": list(message.to)}}
        request = http_request(fields)
    except InputFailed:
        return {"cannot_be_sent": {name: value for name, value in fields.items() if name in ACTIONS[call.kind].fields}}
    headers = {**dict(request.headers), "idempotency-key": str(call.id)}
    body = None if request.body is None else request.body.decode(errors="replace")
    line = {"method": request.method, "url": request.url, "query": dict(request.query)}
    return {"request": {**line, "headers": headers, "body": body}}


def _settled(done: Advance, given: Outcome | None, around: Around) -> Outcome | None:
    """Why a call would not be made, if it would not; else the outcome that is given for it, if there is one."""
    for call in done.effects:
        if not isinstance(call, Call):
            continue
        try:
            if call.kind == "notify":
                channel = read_message(call.id, around.org, call.request).channel
                if given is None and channel not in around.channels:
                    return channel_missing(channel)
            else:
                http_request(legible(call.request))
        except InputFailed as failure:
            return Failure(failure.code, failure.message)
        if given is None and (absent := named(call.request) - around.secrets):
            return secret_missing(absent)
    return given


def shown(trial: Trial) -> Mapping[str, Any]:
    """A try as JSON. What is more than all nodes together may show is shown by its beginning."""
    triggers = [
        {
            "node": one.trigger.name,
            "trigger": one.trigger.on,
            "fires": one.fires,
            "why_not": None if one.why_not is None else {"code": one.why_not.value, "message": one.message},
        }
        for one in trial.matches
    ]
    run, nodes, room = trial.run, [], SHOWN_BYTES
    for step in run.steps.values() if run else ():
        node = _node(step, trial)
        for name in ("input", "effect", "output"):
            beginning, room = within(room, node[name])
            node[name] = beginning or node[name]
        nodes.append(node)
    return {
        "state": run.state.value if run else "not_started",
        "error": _error(run.error) if run else None,
        "triggers": triggers,
        "nodes": nodes,
    }


def _node(step: Step, trial: Trial) -> dict[str, Any]:
    return {
        "node": step.node,
        "state": step.state.value,
        "input": legible(step.input),
        "effect": trial.effects.get(step.node),
        "output": step.output,
        "assumed": step.node in trial.assumed,
        "error": _error(step.error),
    }


def _error(failure: Failure | None) -> Mapping[str, Any] | None:
    return {"code": failure.code, "message": failure.message} if failure else None
