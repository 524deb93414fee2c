"""Test runs: the interpreter over an event that is given, with nothing sent."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ticket_event import AT, ticket_event

from fettle_contracts.ticket_events import TRIGGERS as TICKET_TRIGGERS
from fettle_contracts.ticket_events import EntryType, TicketEvent
from fettle_contracts.transitions import Transition
from fettle_workflow_engine.adapters.conditions import CelConditions
from fettle_workflow_engine.adapters.templates import JinjaTemplates
from fettle_workflow_engine.domain.advance import advance, begin
from fettle_workflow_engine.domain.catalogue import ACTIONS, TRANSITION, TRIGGERS, trigger_name
from fettle_workflow_engine.domain.definition import Trigger
from fettle_workflow_engine.domain.examples import event_like, example_event, example_output
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.run import Cause, Failure, Result
from fettle_workflow_engine.domain.samples import NoTrigger, Sample, entry_for, sample_of
from fettle_workflow_engine.domain.shapes import completed
from fettle_workflow_engine.domain.trial import Around, NoOutcome, Outcome, Trial, shown, try_out
from fettle_workflow_engine.domain.validate import load

LANGUAGES = Languages(JinjaTemplates(), CelConditions())
AROUND = Around("acme", 3, frozenset({"ops"}), frozenset({"token"}), "http://console/orgs/acme/tickets")
SAMPLE = Sample("ticket.opened", ticket_event().to_dict())
CARE = """\
workflow: care
title: Care
nodes:
  opened: {trigger: ticket.opened, where: 'event.ticket.kind == "device_offline"'}
  called: {trigger: signal, type: com.acme.*, source: plc/7}
  pressed: {trigger: manual}
  due: {trigger: schedule, every: 1h}
  started: {after: [opened], action: ticket.start, with: {ticket: {ref: event.ticket.id}, comment: On it.}}
  rest: {after: [started], action: wait,
         with: {for: 30m, until_ticket: {ticket: {ref: started.ticket}, change: resolved}}}
  ask: {after: [rest], action: http.request, with: {method: POST, url: "https://plc.test/{x}",
        headers: {authorization: {template: "Bearer {{ secrets.token }}"}}, body: {n: {ref: event.ticket.number}}}}
  warm: {after: [ask], if: {all: [{value: {ref: ask.status}, equals: 200}]}}
  told: {after: [warm.true], action: notify,
         with: {channel: ops, text: {template: "#{{ started.ticket.number }} is {{ started.ticket.state }}"}}}
  gave_up: {after: [ask.error, warm.false], action: fail, with: {message: {template: "The plant is away."}}}
"""


def tried(
    document: str = CARE, sample: Sample | None = None, around: Around = AROUND, now: datetime = AT, **outcomes: Outcome
) -> Mapping[str, Any]:
    definition = load(document, LANGUAGES)
    sample = sample or sample_of(definition, None, None, org="acme", now=now)
    return shown(try_out(definition, sample, outcomes, around, now=now, languages=LANGUAGES))


def nodes(found: Mapping[str, Any]) -> dict[str, Any]:
    return {node["node"]: node for node in found["nodes"]}


@pytest.mark.rule("WF-110", "WF-111", "WF-112")
def test_every_node_shows_what_it_would_do() -> None:
    found = tried()
    assert (found["state"], found["error"]) == ("done", None)
    of = nodes(found)
    assert {name: node["state"] for name, node in of.items()} == {
        "opened": "done", "called": "skipped", "pressed": "skipped", "due": "skipped", "started": "done",
        "rest": "done", "ask": "done", "warm": "done", "told": "done", "gave_up": "skipped",
    }  # fmt: skip
    command = of["started"]["effect"]
    assert (command["kind"], command["topic"], command["verb"]) == ("command", "ticket.commands", "start")
    assert command["command"]["actor"]["id"] == "care"
    assert command["command"]["evidence"] == {"node": "started", "trigger": "ticket.opened", "version": 3}
    ticket = of["started"]["output"]["ticket"]
    assert (ticket["number"], ticket["state"], ticket["version"]) == (42, "in_progress", 2)
    assert of["rest"]["effect"] == {
        "kind": "wait",
        "until": "2026-11-23T10:45:30.250Z",
        "until_ticket": {"ticket": ticket["id"], "change": "resolved"},
        "skipped": True,
    }
    assert of["rest"]["output"] == {"ended_by": "elapsed"}
    request = of["ask"]["effect"]["request"]
    assert (request["method"], request["url"], request["body"]) == ("POST", "https://plc.test/{x}", '{"n": 42}')
    assert request["headers"]["authorization"] == "Bearer {{ secrets.token }}"
    assert UUID(request["headers"]["idempotency-key"]).version == 5
    assert of["ask"]["input"]["headers"] == {"authorization": "Bearer {{ secrets.token }}"}
    assert of["warm"]["output"]["holds"] is True
    assert of["told"]["effect"]["message"] == {"channel": "ops", "subject": "", "text": "#42 is in_progress", "to": []}
    assert {name for name, node in of.items() if node["assumed"]} == {"started", "rest", "ask", "told"}


@pytest.mark.rule("WF-111")
def test_all_nodes_together_show_so_much() -> None:
    told = "  told{0}: {{after: [pressed], action: notify, with: {{channel: ops, text: {{ref: event.data.text}}}}}}\n"
    document = "workflow: many\nnodes:\n  pressed: {trigger: manual}\n" + "".join(told.format(n) for n in range(60))
    sample = sample_of(load(document, LANGUAGES), None, {"data": {"text": "é" * 30_000}}, org="acme", now=AT)
    found = tried(document, sample)
    assert found["state"] == "done"
    of = nodes(found)
    assert of["told0"]["input"]["text"] == "é" * 30_000
    assert (of["told59"]["input"]["cut"], of["told59"]["effect"]["cut"]) == (True, True)
    assert len(json.dumps(found, ensure_ascii=False).encode()) < 2_500_000


@pytest.mark.rule("WF-112")
def test_nodes_end_as_they_are_told_to() -> None:
    failed = tried(ask=Failure("unreachable", "Nobody there."))
    assert nodes(failed)["ask"]["error"] == {"code": "unreachable", "message": "Nobody there."}
    assert (failed["state"], failed["error"]) == ("failed", {"code": "stopped", "message": "The plant is away."})
    cold = tried(ask={"status": 204}, rest={"ended_by": "resolved"})
    assert nodes(cold)["warm"]["output"]["holds"] is False
    assert nodes(cold)["ask"]["output"] == {"status": 204, "headers": None, "body": None, "cut": None}
    assert nodes(cold)["rest"]["assumed"] is False
    large = tried(ask={"status": 200, "body": "x" * 70_000})
    assert nodes(large)["ask"]["error"]["code"] == "output_too_large"
    for name in ("opened", "warm", "gave_up", "none"):
        with pytest.raises(NoOutcome, match=name):
            try_out(load(CARE, LANGUAGES), SAMPLE, {name: {}}, AROUND, now=AT, languages=LANGUAGES)


@pytest.mark.rule("WF-112")
def test_a_wait_takes_its_time_though_nobody_waits() -> None:
    document = """
workflow: patient
timeout_s: 60
nodes:
  pressed: {trigger: manual}
  slept: {after: [pressed], action: wait, with: {for: 10d}}
  old: {after: [slept], if: {all: [{value: {ref: event.at}, older_than: 9d}]}}
""".replace("timeout_s: 60\n", "")
    assert nodes(tried(document))["old"]["output"]["holds"] is True


@pytest.mark.rule("WF-110")
def test_triggers_say_why_they_do_not_fire() -> None:
    definition = load(CARE, LANGUAGES)
    other = ticket_event(kind="user_report").to_dict()
    found = tried(sample=Sample("ticket.opened", other))
    assert (found["state"], found["nodes"]) == ("not_started", [])
    assert [(one["node"], one["fires"], one["why_not"]["code"]) for one in found["triggers"]] == [
        ("opened", False, "condition_false"),
        ("called", False, "other_kind"),
        ("pressed", False, "other_kind"),
        ("due", False, "other_kind"),
    ]
    signal = sample_of(definition, "called", {"type": "com.acme.heat", "source": "plc/8"}, org="acme", now=AT)
    assert "source plc/7" in tried(sample=signal)["triggers"][1]["why_not"]["message"]
    strange = tried(CARE.replace("event.ticket.kind ==", "event.entry.evidence.kind =="))
    assert strange["triggers"][0]["why_not"]["code"] == "undecided"
    due = sample_of(definition, "due", None, org="acme", now=AT)
    assert [one["fires"] for one in tried(sample=due)["triggers"]] == [False, False, False, True]
    moved = Sample("schedule", {**due.event, "trigger": "another"})
    assert tried(sample=moved)["triggers"][3]["why_not"]["code"] == "not_taken"


@pytest.mark.rule("WF-113")
def test_what_cannot_be_sent_fails_here_too() -> None:
    poor = Around("acme", 0, frozenset(), frozenset(), "")
    assert nodes(tried(around=poor))["ask"]["error"]["code"] == "secret_missing"
    silent = tried(around=poor, ask={"status": 200})
    assert nodes(silent)["told"]["error"] == {"code": "channel_missing", "message": "The org has no channel 'ops'."}
    assert tried(around=poor, ask={"status": 200}, told={"outcome": "sent"})["state"] == "done"
    wrong = tried(CARE.replace("method: POST", "method: {template: '{{ event.ticket.kind }}'}"), ask={"status": 200})
    assert nodes(wrong)["ask"]["error"]["code"] == "input_invalid", "an outcome does not make it possible"
    absent = tried(CARE.replace("n: {ref: event.ticket.number}", "n: {ref: event.entry.evidence.n}"))
    assert nodes(absent)["ask"]["error"]["code"] == "reference_missing"


@pytest.mark.rule("WF-110")
def test_a_test_run_goes_the_way_of_a_run() -> None:
    """The same steps with the same ends as the live interpreter, given the same results."""
    definition = load(CARE, LANGUAGES)
    event = ticket_event().to_dict()
    trial = try_out(definition, Sample("ticket.opened", event), {}, AROUND, now=AT, languages=LANGUAGES)
    assert trial.run is not None
    run = begin(definition, ["opened"], Cause("ticket.opened", event, "test", 1), run_id=trial.run.id, org="acme",
                version=3, now=AT)  # fmt: skip
    done = advance(definition, run, now=AT, languages=LANGUAGES)
    while (step := done.run.waiting) and step.command_id:
        output = trial.run.steps[step.node].output
        assert output is not None
        done = advance(definition, done.run, Result(step.command_id, output), now=AT, languages=LANGUAGES)
    for name, step in done.run.steps.items():
        mine = trial.run.steps[name]
        assert (mine.state, mine.input, mine.output) == (step.state, step.input, step.output)


@pytest.mark.rule("WF-110")
@pytest.mark.parametrize("on", TRIGGERS)
def test_examples_are_what_their_kind_can_be(on: str) -> None:
    trigger = Trigger("any", on)
    event = example_event(trigger, "acme", AT)
    assert event == completed(TRIGGERS[on].event, dict(event))
    assert set(event) == set(TRIGGERS[on].event.fields)  # type: ignore[union-attr]
    whole = {name: value for name, value in event.items() if value is not None}
    if on == TRANSITION:
        assert Transition.model_validate(whole).org == "acme"
    if on in map(trigger_name, TICKET_TRIGGERS):
        message = TicketEvent.model_validate(whole)
        assert trigger_name(message.entry.type) == on
        assert EntryType(message.entry.type) is not EntryType.RESOLVED or message.ticket.state == "resolved"


@pytest.mark.rule("WF-112")
@pytest.mark.parametrize("does", sorted(ACTIONS.keys() - {"fail"}))
def test_made_up_outputs_have_the_fields_of_real_ones(does: str) -> None:
    event = event_like("ticket.opened", ticket_event().to_dict())
    names: list[Any] = [event["ticket"]["id"], "#42", 42, 7, {"id": event["ticket"]["id"]}, None, True, [], "x"]
    for named in names:
        output = example_output(does, {"ticket": named}, event, "http://console/acme")
        assert output == completed(ACTIONS[does].output, dict(output))
        assert output.keys() == ACTIONS[does].output.fields.keys()


@pytest.mark.rule("WF-110")
def test_samples_are_of_the_trigger_that_is_named() -> None:
    definition = load(CARE, LANGUAGES)

    def sample(named: str | None, event: Mapping[str, Any] | None = None) -> Sample:
        return sample_of(definition, named, event, org="acme", now=AT)

    assert sample(None).on == "ticket.opened"
    assert sample("called").on == sample("signal").on == "signal"
    assert (sample("called").event["type"], sample("called").event["source"]) == ("com.acme.example", "plc/7")
    assert sample("ticket.resolved").on == "ticket.resolved", "a kind that the workflow has no trigger for"
    assert sample("pressed", {"data": {"n": 7}}).event == {"at": None, "actor": None, "data": {"n": 7}}
    assert sample("due", {"missed": 3}).event["trigger"] == "due"
    with pytest.raises(NoTrigger, match=r"'opend'; did you mean opened\?"):
        sample("opend")


@pytest.mark.rule("WF-165")
def test_a_ticket_is_asked_for_what_the_trigger_is_for() -> None:
    definition = load(CARE, LANGUAGES)
    assert entry_for(definition, None) == entry_for(definition, "opened") == EntryType.OPENED
    assert entry_for(definition, "ticket.resolved") == EntryType.RESOLVED, "a kind that the workflow has no trigger for"
    for other in ("called", "signal", "pressed"):
        with pytest.raises(NoTrigger, match=f"'{other}' is not about tickets"):
            entry_for(definition, other)
    with pytest.raises(NoTrigger, match="did you mean"):
        entry_for(definition, "opend")
    by_hand = "workflow: a\nnodes: {by: {trigger: manual}, t: {trigger: ticket.started}, rest: {after: [by, t], %s}}"
    rest = "action: wait, with: {for: 1s}"
    assert entry_for(load(by_hand % rest, LANGUAGES), None) == EntryType.STARTED, "the first that is about tickets"
    with pytest.raises(NoTrigger, match="None of the workflow's triggers"):
        entry_for(load((by_hand % rest).replace("ticket.started", "manual"), LANGUAGES), None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
FIELDS = st.dictionaries(st.sampled_from(["ticket", "entry", "data", "type", "status", "ended_by"]), JSON)


@pytest.mark.rule("WF-110", "WF-113")
@given(event=FIELDS, on=st.sampled_from(sorted(TRIGGERS)), outputs=st.lists(FIELDS, min_size=3, max_size=3))
def test_any_event_and_any_outcome_come_to_an_end(event: Any, on: str, outputs: list[Any]) -> None:
    definition = load(CARE.replace(", where: 'event.ticket.kind == \"device_offline\"'", ""), LANGUAGES)
    outcomes = dict(zip(("started", "rest", "ask"), outputs, strict=True))
    sample = Sample(on, event_like(on, event))
    found: Trial = try_out(definition, sample, outcomes, AROUND, now=AT, languages=LANGUAGES)
    if found.run is not None:
        assert found.run.state in ("done", "failed")
        assert found.run.steps.keys() == {node.name for node in definition.nodes}
    shown(found)
