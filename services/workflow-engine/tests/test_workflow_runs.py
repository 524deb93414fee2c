"""The interpreter by example: what a run does with each result."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
from ticket_event import AT, ticket_event

from fettle_contracts.commands import CommentOnTicket, OpenTicket, ResolveTicket, Verb
from fettle_workflow_engine.adapters.conditions import CelConditions
from fettle_workflow_engine.adapters.templates import JinjaTemplates
from fettle_workflow_engine.domain.admission import Admitted, Refused, admit
from fettle_workflow_engine.domain.advance import advance, begin, refuse, run_id_for
from fettle_workflow_engine.domain.catalogue import TRIGGERS
from fettle_workflow_engine.domain.definition import Definition
from fettle_workflow_engine.domain.endings import time_out
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.run import Advance, Cause, Failure, GiveCommand, Result, Run, RunState, StepState
from fettle_workflow_engine.domain.shapes import completed
from fettle_workflow_engine.domain.validate import load

LANGUAGES = Languages(JinjaTemplates(), CelConditions())
RUN_ID = UUID(int=7)
ANSWER = {"outcome": "applied", "ticket": {"id": str(UUID(int=9)), "number": 9, "state": "open", "version": 1}}
REJECTED = Failure("wrong_state", "The ticket is resolved.")


def definition(nodes: str) -> Definition:
    return load(f"workflow: w\ntitle: W\nnodes:\n{nodes}", LANGUAGES)


def started(workflow: Definition, matched: tuple[str, ...] = ("opened",), **ticket: Any) -> Run:
    event = completed(TRIGGERS["ticket.opened"].event, ticket_event(**ticket).to_dict())
    cause = Cause("ticket.opened", event, str(event["entry"]["id"]), 1)
    return begin(workflow, matched, cause, run_id=RUN_ID, org="acme", version=3, now=AT)


def go_on(workflow: Definition, run: Run, outcome: Any = None, *, later_s: int = 0) -> Advance:
    result = Result(run.waiting.command_id, outcome) if run.waiting and run.waiting.command_id and outcome else None
    return advance(workflow, run, result, now=AT + timedelta(seconds=later_s), languages=LANGUAGES)


def given(done: Advance) -> list[GiveCommand]:
    """The effects, which are all commands."""
    commands = [effect for effect in done.effects if isinstance(effect, GiveCommand)]
    assert len(commands) == len(done.effects)
    return commands


def states(run: Run) -> dict[str, str]:
    return {name: step.state.value for name, step in run.steps.items()}


CHAIN = """
  opened: {trigger: ticket.opened}
  taken:  {after: [opened], action: ticket.start, with: {ticket: {ref: event.ticket.id}}}
  noted:  {after: [taken], action: ticket.comment, with: {ticket: {ref: event.ticket}, text: {template: "{{ taken.outcome }}"}}}
  failed: {after: [taken.error], action: ticket.comment,
           with: {ticket: {ref: event.ticket.number}, text: {template: "Not taken: {{ taken.error.message }}"}}}
"""  # noqa: E501


@pytest.mark.rule("WF-10", "WF-12", "WF-16")
def test_a_run_waits_for_each_result_and_ends() -> None:
    workflow = definition(CHAIN)
    first = go_on(workflow, started(workflow))
    (start,) = given(first)
    assert (start.id, start.node, start.verb) == (uuid5(RUN_ID, "taken"), "taken", Verb.START)
    assert states(first.run) == {"opened": "done", "taken": "waiting"}

    second = go_on(workflow, first.run, ANSWER, later_s=2)
    (comment,) = given(second)
    assert isinstance(comment.command, CommentOnTicket)
    assert comment.command.comment == "applied"
    assert second.run.steps["taken"].output == ANSWER
    assert second.run.steps["taken"].input == {"ticket": str(ticket_event().ticket.id)}
    assert (second.run.steps["taken"].started_at, second.run.steps["taken"].ended_at) == (AT, AT + timedelta(seconds=2))

    third = go_on(workflow, second.run, ANSWER, later_s=5)
    assert third.effects == ()
    assert third.run.state is RunState.DONE
    assert third.run.ended_at == AT + timedelta(seconds=5)
    assert states(third.run) == {"opened": "done", "taken": "done", "noted": "done", "failed": "skipped"}


@pytest.mark.rule("WF-11")
def test_a_failed_node_is_followed_by_its_error() -> None:
    workflow = definition(CHAIN)
    first = go_on(workflow, started(workflow))
    second = go_on(workflow, first.run, REJECTED)
    (comment,) = given(second)
    assert isinstance(comment.command, CommentOnTicket)
    assert (comment.node, comment.command.comment) == ("failed", "Not taken: The ticket is resolved.")
    assert comment.command.ticket.number == 42
    third = go_on(workflow, second.run, ANSWER)
    assert third.run.state is RunState.DONE
    assert states(third.run) == {"opened": "done", "taken": "failed", "noted": "skipped", "failed": "done"}


@pytest.mark.rule("WF-11")
def test_a_failure_that_nothing_follows_fails_the_run() -> None:
    workflow = definition(CHAIN)
    second = go_on(workflow, go_on(workflow, started(workflow)).run, ANSWER)
    third = go_on(workflow, second.run, REJECTED)
    assert third.run.state is RunState.FAILED
    assert third.run.error == Failure("wrong_state", "noted: The ticket is resolved.")
    assert states(third.run) == {"opened": "done", "taken": "done", "noted": "failed", "failed": "skipped"}


@pytest.mark.rule("WF-10")
def test_a_node_behind_two_ways_runs_when_one_was_taken() -> None:
    workflow = definition("""
  opened:   {trigger: ticket.opened}
  resolved: {trigger: ticket.resolved}
  never:    {after: [resolved], action: ticket.start, with: {ticket: 1}}
  both:     {after: [never, opened], action: ticket.start, with: {ticket: 2}}
  neither:  {after: [never, both.error], action: ticket.start, with: {ticket: 3}}
""")
    first = go_on(workflow, started(workflow))
    assert [effect.node for effect in first.effects] == ["both"]
    second = go_on(workflow, first.run, ANSWER)
    assert states(second.run) == {
        "opened": "done",
        "resolved": "skipped",
        "never": "skipped",
        "both": "done",
        "neither": "skipped",
    }
    assert second.run.state is RunState.DONE


@pytest.mark.rule("WF-10")
def test_document_order_decides_among_nodes_that_could_run() -> None:
    workflow = definition("""
  opened: {trigger: ticket.opened}
  second: {after: [first], action: ticket.start, with: {ticket: 1}}
  third:  {after: [opened], action: ticket.start, with: {ticket: 2}}
  first:  {after: [opened], action: ticket.start, with: {ticket: 3}}
""")
    run, order = started(workflow), []
    while True:
        done = go_on(workflow, run, ANSWER)
        run = done.run
        if not done.effects:
            break
        order += [effect.node for effect in done.effects]
    assert order == ["third", "first", "second"]


@pytest.mark.rule("WF-12")
def test_what_a_run_does_not_wait_for_changes_nothing() -> None:
    workflow = definition(CHAIN)
    fresh = started(workflow)
    waiting = go_on(workflow, fresh).run
    stranger = Result(UUID(int=1), ANSWER)
    for run in (fresh, waiting):
        assert advance(workflow, run, stranger, now=AT, languages=LANGUAGES) == Advance(run)
    assert advance(workflow, waiting, None, now=AT, languages=LANGUAGES) == Advance(waiting)
    ended = go_on(workflow, go_on(workflow, waiting, ANSWER).run, ANSWER).run
    assert advance(workflow, ended, None, now=AT, languages=LANGUAGES) == Advance(ended)


@pytest.mark.rule("WF-5", "WF-11")
@pytest.mark.parametrize(
    ("field", "code", "said"),
    [
        ('{template: "{{ event.entry.evidence.nothing }}"}', "template_failed", "'nothing' cannot be used"),
        ("{ref: event.entry.evidence.nothing}", "reference_missing", "event.entry.evidence.nothing is not there"),
        ("{ref: event.ticket.resolution}", "input_invalid", "ticket.comment needs text, which is null"),
        ("{ref: event.entry.evidence}", "input_invalid", "text must be text"),
    ],
)
def test_a_field_without_a_value_fails_its_node(field: str, code: str, said: str) -> None:
    workflow = definition(f"""
  opened: {{trigger: ticket.opened}}
  noted:  {{after: [opened], action: ticket.comment, with: {{ticket: 1, text: {field}}}}}
""")
    done = go_on(workflow, started(workflow))
    assert done.effects == ()
    assert done.run.state is RunState.FAILED
    error = done.run.steps["noted"].error
    assert error is not None
    assert error.code == code
    assert said in error.message


@pytest.mark.rule("WF-21")
def test_an_opened_ticket_has_a_key_of_its_workflow_subject_and_kind() -> None:
    workflow = definition("""
  opened: {trigger: ticket.opened}
  follow: {after: [opened], action: ticket.open, with: {title: Visit, kind: visit, subject: {ref: event.ticket.subject},
           links: [{label: {template: "#{{ event.ticket.number }}"}, url: "https://a"}]}}
  named:  {after: [follow], action: ticket.open, with: {title: Visit, kind: visit, dedup_key: mine,
           subject: {type: other, id: {ref: event.ticket.space}}}}
  ended:  {after: [named], action: ticket.resolve, with: {ticket: {ref: named.ticket}, comment: Done.}}
""")
    first = go_on(workflow, started(workflow))
    opened = given(first)[0].command
    assert isinstance(opened, OpenTicket)
    assert opened.dedup_key == "workflow/w/device/t42:visit"
    assert opened.links[0].label == "#42"
    assert opened.to_dict()["actor"] == {"type": "workflow", "id": "w", "name": "W", "run": str(RUN_ID)}
    assert opened.to_dict()["evidence"] == {"node": "follow", "trigger": "ticket.opened", "version": 3}
    second = go_on(workflow, first.run, ANSWER)
    named = given(second)[0].command
    assert isinstance(named, OpenTicket)
    assert (named.dedup_key, str(named.subject.ref)) == ("mine", "other/oslo/hq/3")
    third = go_on(workflow, second.run, ANSWER)
    ended = given(third)[0].command
    assert isinstance(ended, ResolveTicket)
    assert (str(ended.ticket.id), ended.comment) == (ANSWER["ticket"]["id"], "Done.")  # type: ignore[index]


@pytest.mark.rule("WF-13")
def test_a_run_ends_by_its_timeout() -> None:
    workflow = definition(CHAIN)
    waiting = go_on(workflow, started(workflow)).run
    assert waiting.timeout_at == AT + timedelta(days=2)
    ended = time_out(workflow, waiting, now=waiting.timeout_at)
    assert (ended.state, ended.error and ended.error.code) == (RunState.FAILED, "timeout")
    assert states(ended) == {"opened": "done", "taken": "failed", "noted": "skipped", "failed": "skipped"}
    assert time_out(workflow, ended, now=waiting.timeout_at + timedelta(days=1)) == ended
    late = Result(uuid5(RUN_ID, "taken"), ANSWER)
    assert advance(workflow, ended, late, now=AT, languages=LANGUAGES) == Advance(ended)


@pytest.mark.rule("WF-14", "WF-15")
@pytest.mark.parametrize(
    ("depth", "spent", "code"),
    [(1, 0, None), (8, 999, None), (9, 0, "too_deep"), (1, 1_000, "over_budget"), (1, 5_000, "over_budget")],
)
def test_loops_that_nobody_saw_coming_are_refused(depth: int, spent: int, code: str | None) -> None:
    decision = admit(depth=depth, spent=spent, budget_per_hour=1_000)
    if code is None:
        assert decision == Admitted()
        return
    assert isinstance(decision, Refused)
    assert decision.code == code
    workflow = definition(CHAIN)
    cause = replace(started(workflow).cause, depth=depth)
    run = refuse(workflow, decision, cause, run_id=RUN_ID, org="acme", version=3, now=AT)
    assert (run.state, run.error, run.steps) == (RunState.REFUSED, Failure(code, decision.message), {})
    assert go_on(workflow, run) == Advance(run)


@pytest.mark.rule("WF-9")
def test_an_event_names_its_run() -> None:
    one = run_id_for("acme", "w", "fettle/ticket-service", "e1")
    assert one == run_id_for("acme", "w", "fettle/ticket-service", "e1")
    others = {
        run_id_for("acme", "w", "fettle/ticket-service", "e2"),
        run_id_for("acme", "x", "fettle/ticket-service", "e1"),
        run_id_for("other", "w", "fettle/ticket-service", "e1"),
        run_id_for("acme", "w", "elsewhere", "e1"),
    }
    assert len(others | {one}) == 5


def test_steps_know_no_other_state() -> None:
    assert {state.value for state in StepState} == {"waiting", "done", "failed", "skipped"}
