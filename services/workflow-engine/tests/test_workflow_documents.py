"""Documents: what is understood, and what is said about what is not."""

import json

import pytest

from fettle_workflow_engine.adapters.conditions import CelConditions
from fettle_workflow_engine.adapters.templates import JinjaTemplates
from fettle_workflow_engine.documents import DEMO_WORKFLOW, demo_document
from fettle_workflow_engine.domain.definition import After, Reference, Template, Way
from fettle_workflow_engine.domain.faults import DocumentRefused, Fault, Place
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.validate import load

LANGUAGES = Languages(JinjaTemplates(), CelConditions())

ALERT = """\
workflow: alert
title: Alert
enabled: true
nodes:
  opened: {trigger: ticket.opened, where: 'event.ticket.kind == "device_offline" && event.ticket.flap_count < 5'}
  taken:  {after: [opened], action: ticket.start, with: {ticket: {ref: event.ticket.id}}}
  noted:  {after: [taken], action: ticket.comment, with: {ticket: {ref: event.ticket}, text: "Taken."}}
  failed: {after: [taken.error], action: ticket.comment,
           with: {ticket: {ref: event.ticket.id}, text: {template: "Not taken: {{ taken.error.message }}"}}}
"""


def faults_of(text: str) -> tuple[Fault, ...]:
    with pytest.raises(DocumentRefused) as refusal:
        load(text, LANGUAGES)
    return refusal.value.faults


def words(text: str) -> list[tuple[int, int, str, str | None]]:
    return [(fault.place.line, fault.place.column, fault.message, fault.suggestion) for fault in faults_of(text)]


def action(line: str) -> str:
    """A document whose line 4 is `line`, an action behind the trigger on line 3."""
    return f"workflow: a\nnodes:\n  opened: {{trigger: ticket.opened}}\n{line}\n"


def test_a_document_says_what_it_does() -> None:
    definition = load(ALERT, LANGUAGES)
    opened, taken, noted, failed = definition.nodes
    assert (definition.workflow, definition.title, definition.enabled) == ("alert", "Alert", True)
    assert (definition.budget_per_hour, definition.timeout_s, definition.allow_cycle) == (1_000, 172_800, False)
    assert [node.name for node in (opened, taken, noted, failed)] == ["opened", "taken", "noted", "failed"]
    assert definition.triggers[0].on == "ticket.opened"
    assert definition.actions[1].fields["ticket"] == Reference(("event", "ticket"))
    assert definition.actions[2].after == (After("taken", Way.ERROR),)
    assert definition.actions[2].fields["text"] == Template("Not taken: {{ taken.error.message }}")


def test_what_is_live_is_said_so() -> None:
    assert not load("workflow: a\nnodes: {opened: {trigger: ticket.opened}}", LANGUAGES).enabled


@pytest.mark.rule("WF-1")
def test_json_reads_as_yaml_does() -> None:
    as_json = {
        "workflow": "alert",
        "title": "Alert \U0001f514",
        "enabled": True,
        "nodes": {
            "opened": {"trigger": "ticket.opened"},
            "noted": {"after": ["opened"], "action": "ticket.comment", "with": {"ticket": 7, "text": "5/7"}},
        },
    }
    as_yaml = """
workflow: alert
title: "Alert \U0001f514"
enabled: true
nodes:
  opened: {trigger: ticket.opened}
  noted: {after: [opened], action: ticket.comment, with: {ticket: 7, text: 5/7}}
"""
    expected = load(as_yaml, LANGUAGES)
    for spelling in (json.dumps(as_json), json.dumps(as_json, indent="\t", ensure_ascii=False)):
        assert load(spelling, LANGUAGES) == expected


def test_the_demo_document_is_right() -> None:
    definition = load(demo_document(), LANGUAGES)
    assert definition.workflow == DEMO_WORKFLOW
    assert definition.enabled
    assert [(one.on, two.does) for one, two in zip(definition.triggers, definition.actions, strict=True)] == [
        ("ticket.opened", "ticket.comment")
    ]


@pytest.mark.rule("WF-1")
def test_every_fault_has_its_place_and_what_was_probably_meant() -> None:
    assert words("""\
workflow: Alert
titel: x
enabled: yes
nodes:
  opened: {trigger: ticket.opend}
  again:  {trigger: ticket.opened, where: 'event.ticket.knd == "a"'}
  noted:  {after: [opened, agian], action: ticket.comment,
           with: {tiket: {ref: event.ticket.id}, text: {template: "{{ event.ticket.titel | uper }}"}}}
""") == [
        (1, 11, "a workflow's name is 1 to 50 of a-z, 0-9 and -, and begins with a letter or digit", None),
        (
            2,
            1,
            "unknown field 'titel'; known: "
            "allow_cycle, budget_per_hour, description, enabled, nodes, timeout_s, title, workflow",
            "title",
        ),
        (3, 10, "`enabled` must be true or false", None),
        (
            5,
            21,
            "unknown trigger 'ticket.opend'; known: "
            "health.transition, manual, schedule, signal, "
            "ticket.comment-added, ticket.opened, ticket.reopened, ticket.resolved, ticket.started",
            "ticket.opened",
        ),
        (6, 44, _no_such_field("knd"), "event.ticket.kind"),
        (7, 28, "unknown node 'agian'; known: again, opened", "again"),
        (7, 44, "ticket.comment needs `ticket`: a ticket's id or number, or {dedup_key}", None),
        (8, 19, "unknown field of ticket.comment 'tiket'; known: text, ticket", "ticket"),
        (8, 71, _no_such_field("titel"), "event.ticket.title"),
        (8, 92, "unknown filter 'uper'", "upper"),
    ]


def _no_such_field(name: str) -> str:
    known = (
        "checklist, dedup_key, description, description_version, flap_count, id, integration, kind, links, number, "
        "opened_at, opened_by, parent, previous, resolution, resolved_at, resolved_by, source, space, started_at, "
        "started_by, state, subject, title, updated_at, url, version"
    )
    return f"'event.ticket' has no {name!r}; known: {known}"


@pytest.mark.rule("WF-1")
@pytest.mark.parametrize(
    ("text", "line", "column", "said"),
    [
        ("", 1, 1, "the document is empty"),
        ("- a", 1, 1, "a workflow document is an object"),
        ("workflow: [a\nnodes: {}", 2, 6, "not YAML"),
        ("workflow: a\n\tnodes: {}", 2, 1, "not YAML"),
        ("workflow: \x07", 1, 11, "not YAML: a character"),
        ("workflow: a\nworkflow: b\nnodes: {}", 2, 1, "stands here twice"),
        ("workflow: &a x\nnodes: *b", 2, 8, "undefined alias"),
        ("workflow: !!python/name:os.system a\nnodes: {}", 1, 11, "tags are not part"),
        ("a: &b [x]\nc: *b", 1, 4, "anchors and aliases are not part"),
        ("a: " + "[" * 40 + "]" * 40, 1, 19, "nested deeper than 16"),
        ("[" * 60_000, 1, 1, "nested too deep"),
        ("x" * 65_537, 1, 1, "at most 64 KiB"),
        ('{"workflow": "\\ud83d"}', 1, 14, "half a character"),
        ('{"workflow": "a\\u0000"}', 1, 14, "U+0000"),
        ("workflow: a\nbudget_per_hour: 1e999", 2, 18, "not a number"),
        ("workflow: a", 1, 1, "`nodes` is missing"),
        ("workflow: a\nnodes: {}", 2, 8, "at least a trigger"),
        ("nodes: {opened: {trigger: ticket.opened}}", 1, 1, "`workflow`, its name, is missing"),
        ("workflow: a\nnodes: {opened: 5}", 2, 17, "a node is an object"),
        ("workflow: a\nnodes: {opened: {trigger: ticket.opened, where: 5}}", 2, 49, "`where` is a CEL expression"),
        ("workflow: a\ntimeout_s: 0\nnodes: {o: {trigger: ticket.opened}}", 2, 12, "whole number from 1 to 2592000"),
        ("workflow: a\nbudget_per_hour: true\nnodes: {o: {trigger: ticket.opened}}", 2, 18, "whole number"),
        ("workflow: a\nnodes: {event: {trigger: ticket.opened}}", 2, 9, "cannot name a node"),
        ("workflow: a\nnodes: {a-b: {trigger: ticket.opened}}", 2, 9, "a node's name is"),
        ("workflow: a\nnodes: {o: {trigger: ticket.opened, action: ticket.open}}", 2, 37, "a node is one thing"),
        ("workflow: a\nnodes: {o: {triger: ticket.opened}}", 2, 9, "a node needs `trigger`, `if` or `action`"),
        (action("  n: {action: ticket.comment}"), 4, 6, "an action needs `after`"),
        (action("  n: {after: opened, action: ticket.comment}"), 4, 14, "`after` is a list"),
        (action("  n: {after: [5], action: ticket.comment}"), 4, 15, "`after` lists names"),
        (action("  n: {after: [opened.eror], action: ticket.comment}"), 4, 15, "unknown way out of a node 'eror'"),
        (action("  n: {after: [opened.error], action: ticket.comment}"), 4, 15, "it cannot fail"),
        (action("  n: {after: [n], action: ticket.comment}"), 4, 27, "nodes wait for each other: n after n"),
        (action("  n: {after: [opened], action: ticket.comment, with: 5}"), 4, 54, "`with` is an object"),
        (action("  n: {after: [opened], action: ticket.comment, with: {text: {ref: 5}}}"), 4, 67, "`ref` must be text"),
        (action("  n: {after: [opened], action: ticket.comment, with: {text: {ref: .}}}"), 4, 67, "names with dots"),
        (action("  n: {after: [opened], action: ticket.start, with: {t: {ref: a, template: b}}}"), 4, 65, "not both"),
        (action("  n: {after: [opened], action: ticket.start, with: {t: {ref: a, x: b}}}"), 4, 65, "name beside"),
    ],
)  # fmt: skip
def test_what_a_document_cannot_be(text: str, line: int, column: int, said: str) -> None:
    assert any(
        (fault.place.line, fault.place.column) == (line, column) and said in fault.message for fault in faults_of(text)
    ), words(text)


@pytest.mark.rule("WF-3")
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("ticket: {ref: evnt.ticket.id}, text: a", "unknown name 'evnt'"),
        ("ticket: {ref: event.ticket.idd}, text: a", "'event.ticket' has no 'idd'"),
        ("ticket: {ref: event.ticket.links}, text: a", "or {dedup_key}; event.ticket.links"),
        ("ticket: {ref: event.ticket.links.0.lable}, text: a", "'event.ticket.links.0' has no 'lable'"),
        ("ticket: {ref: event.ticket.subject}, text: a", "`ticket` must be a ticket's id or number, or {dedup_key}"),
        ("ticket: 7, text: {ref: event.ticket}", "`text` must be text; event.ticket is an object"),
        ("ticket: 7, text: {ref: event.ticket.title.long}", "'event.ticket.title' has no 'long'"),
        ("ticket: 7, text: {ref: opened.ticket.title}", "'opened' has nothing to refer to here"),
        ("ticket: 7, text: {ref: later.ticket.number}", "'later' has nothing to refer to here"),
        ("ticket: 7, text: {template: '{{ later.ticket.number }}'}", "'later' has nothing to refer to here"),
        ("ticket: 7, text: {template: '{{ nobody }}'}", "unknown name 'nobody'"),
        ("ticket: 7, text: {template: '{% for l in event.links %}{{ l }}{% endfor %}'}", "'event' has no 'links'"),
        ("ticket: 7.5, text: a", "`ticket` must be a ticket's id or number, or {dedup_key}"),
        ("ticket: true, text: a", "`ticket` must be a ticket's id or number, or {dedup_key}"),
        ("ticket: 7, text: 5", "`text` must be text"),
        ("ticket: 7, text: [a]", "`text` must be text"),
        ("ticket: 7, text: {a: b}", "`text` must be text"),
    ],
)  # fmt: skip
def test_a_name_leads_to_something_that_fits(fields: str, said: str) -> None:
    text = action(f"  n: {{after: [opened], action: ticket.comment, with: {{{fields}}}}}") + (
        "  later: {after: [n], action: ticket.start, with: {ticket: 7}}\n"
    )
    found = faults_of(text)
    assert len(found) == 1, words(text)
    assert said in found[0].message


@pytest.mark.rule("WF-3")
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("title: a, kind: b", "ticket.open needs `subject`"),
        ("title: a, kind: b, subject: {ref: event.ticket.links}", "`subject` must be a subject: {type, id, name}"),
        ("title: a, kind: b, subject: {type: devise, id: x}", "unknown subject type 'devise'"),
        ("title: a, kind: b, subject: {type: device}", "`subject` needs `id`"),
        ("title: a, kind: b, subject: {type: device, id: x, nam: y}", "unknown part of `subject` 'nam'"),
        ("title: a, kind: b, subject: {template: x}", "{type, id, name}; a template gives text"),
        ("title: a, kind: b, subject: {ref: event.ticket.subject}, links: [{label: a}]", "`links` needs `url`"),
        ("title: a, kind: b, subject: {ref: event.ticket.subject}, links: [a]", "`links` must be a list of links"),
        ("title: a, kind: b, subject: {ref: event.ticket.subject}, dedup_key: device/x", "the health monitor's alone"),
    ],
)  # fmt: skip
def test_a_ticket_needs_what_makes_it_one(fields: str, said: str) -> None:
    text = action(f"  n: {{after: [opened], action: ticket.open, with: {{{fields}}}}}")
    found = faults_of(text)
    assert len(found) == 1, words(text)
    assert said in found[0].message


def test_outputs_of_earlier_nodes_can_be_used() -> None:
    definition = load(
        """
workflow: a
nodes:
  resolved: {trigger: ticket.resolved}
  follow: {after: [resolved], action: ticket.open, with: {title: {template: "Review #{{ event.ticket.number }}"},
           kind: review, subject: {ref: event.ticket.subject}, links: {ref: event.ticket.links}}}
  begun: {after: [follow], action: ticket.start, with: {ticket: {ref: follow.ticket}}}
  noted: {after: [begun, follow.error], action: ticket.comment,
          with: {ticket: {ref: event.ticket.id}, text: {template: "{{ follow.ticket.number }} {{ begun.outcome }}"}}}
""",
        LANGUAGES,
    )
    assert [action.does for action in definition.actions] == ["ticket.open", "ticket.start", "ticket.comment"]


@pytest.mark.rule("WF-31")
def test_a_workflow_has_so_many_expressions_and_no_more() -> None:
    rows = ", ".join(["{any: [{cel: 'true'}, {value: a, matches: b}]}"] * 5)
    nodes = "\n".join(f"  n{number}: {{after: [opened], if: {{all: [{rows}]}}}}" for number in range(10))
    load(action(nodes), LANGUAGES)
    (fault,) = faults_of(action(f"{nodes}\n  last: {{after: [opened], if: {{cel: 'evnt'}}}}"))
    assert fault.message == "a workflow has at most 100 CEL expressions and patterns"


@pytest.mark.rule("WF-1")
def test_a_workflow_has_so_many_nodes_and_an_if_so_many_rows_and_no_more() -> None:
    def nodes(count: int) -> str:
        fails = "{after: [opened], action: fail, with: {message: a}}"
        return action("\n".join(f"  n{number}: {fails}" for number in range(count)))

    def rows(count: int) -> str:
        half = f"{{any: [{', '.join(['{value: a, equals: b}'] * (count - 50))}]}}"
        return action(f"  n: {{after: [opened], if: {{all: [{half}, {', '.join(['{value: a, equals: b}'] * 50)}]}}}}")

    load(nodes(99), LANGUAGES)
    load(rows(100), LANGUAGES)
    (fault,) = faults_of(nodes(100))
    assert (fault.place, fault.message) == (Place(3, 3), "a workflow has at most 100 nodes")
    (fault,) = faults_of(rows(101))
    assert (fault.place, fault.message) == (Place(4, 28), "an `if` has at most 100 rows")


@pytest.mark.rule("WF-8")
def test_only_what_a_workflow_does_makes_it_another() -> None:
    one = load(ALERT, LANGUAGES)
    renamed = ALERT.replace("enabled: true", "enabled: false\ndescription: d")
    respelled = ALERT.replace("  taken:  {", "  # a comment\n  taken: {")
    assert one.same_graph(load(renamed, LANGUAGES))
    assert one.same_graph(load(respelled, LANGUAGES))
    for change in (("flap_count < 5", "flap_count < 6"), ("enabled:", "timeout_s: 60\nenabled:"), ("Taken.", "x")):
        assert not one.same_graph(load(ALERT.replace(*change), LANGUAGES))
