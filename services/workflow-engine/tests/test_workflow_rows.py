"""`if`: what each operation says of each kind of value, and what a run shows of it."""

import json
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ticket_event import AT, ticket_event

from fettle_contracts.times import rfc3339
from fettle_workflow_engine.adapters.conditions import CelConditions
from fettle_workflow_engine.adapters.templates import JinjaTemplates
from fettle_workflow_engine.domain.advance import advance, begin
from fettle_workflow_engine.domain.conditions import judge
from fettle_workflow_engine.domain.definition import Branch, Definition, Fixed, Reference, Row, Series
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.operations import OPERATIONS, Operand
from fettle_workflow_engine.domain.run import Cause, Result, Run, RunState, StepState
from fettle_workflow_engine.domain.validate import load

LANGUAGES = Languages(JinjaTemplates(), CelConditions())
EVENT: dict[str, Any] = {
    "ticket": {
        "kind": "device_offline", "title": "", "flap_count": 3, "space": "oslo/hq/3", "integration": None,
        "opened_at": "2026-11-23T10:15:30.250Z", "links": [{"label": "WO-7"}],
    },
    "entry": {"evidence": {
        "ratio": 0.5, "late": True, "words": ["a", "b", 3], "none": [], "nothing": {}, "long": "x" * 300,
        "far": "2026-11-23T23:30:00-02:00", "first": "0001-01-01T00:00:00Z",
    }},
}  # fmt: skip

HOLD = """
{value: {ref: event.ticket.kind}, equals: device_offline}
{value: {ref: event.ticket.kind}, not_equals: device_online}
{value: {ref: event.ticket.kind}, contains: _off}
{value: {ref: event.ticket.kind}, starts_with: device}
{value: {ref: event.ticket.kind}, ends_with: line}
{value: {ref: event.ticket.kind}, matches: '^device_\\w+$'}
{value: {ref: event.ticket.kind}, matches: 'vice'}
{value: {ref: event.ticket.title}, is_empty: true}
{value: {ref: event.ticket.kind}, is_empty: false}
{value: {ref: event.ticket.integration}, is_empty: true}
{value: {ref: event.ticket.integration}, exists: false}
{value: {ref: event.ticket.kind}, exists: true}
{value: {ref: event.entry.evidence.nowhere.at.all}, exists: false}
{value: {ref: event.entry.evidence.nowhere}, not_equals: {ref: event.ticket.kind}}
{value: {ref: event.entry.evidence.nowhere}, equals: {ref: event.ticket.integration}}
{value: {ref: event.ticket.flap_count}, equals: 3}
{value: {ref: event.ticket.flap_count}, equals: 3.0}
{value: {ref: event.ticket.flap_count}, not_equals: 4}
{value: {ref: event.ticket.flap_count}, greater: 2}
{value: {ref: event.ticket.flap_count}, less: 3.5}
{value: {ref: event.ticket.flap_count}, in_range: [3, 5]}
{value: {ref: event.ticket.flap_count}, in_range: [1, 3]}
{value: {ref: event.ticket.flap_count}, greater: {ref: event.entry.evidence.ratio}}
{value: {ref: event.entry.evidence.late}, equals: true}
{value: {ref: event.entry.evidence.late}, not_equals: false}
{value: {ref: event.ticket.opened_at}, before: "2026-11-23T10:15:31Z"}
{value: {ref: event.ticket.opened_at}, after: "2026-11-23T10:15:30Z"}
{value: {ref: event.ticket.opened_at}, after: "2026-11-23T11:15:30+01:00"}
{value: {ref: event.ticket.opened_at}, between: ["2026-11-23T10:15:30.250Z", "2026-11-24T00:00:00Z"]}
{value: {ref: event.ticket.opened_at}, before: {ref: event.entry.evidence.far}}
{value: {ref: event.ticket.opened_at}, time_of_day: ["10:15", "10:16"]}
{value: {ref: event.ticket.opened_at}, time_of_day: ["11:00", "12:00"], zone: Europe/Oslo}
{value: {ref: event.ticket.opened_at}, time_of_day: ["22:00", "12:00"], zone: Europe/Oslo}
{value: {ref: event.ticket.opened_at}, days: [mon, fri]}
{value: {ref: event.entry.evidence.far}, days: [tue], zone: Europe/Oslo}
{value: {ref: event.ticket.opened_at}, months: [nov]}
{value: {ref: event.ticket.opened_at}, older_than: 59m}
{value: {ref: event.entry.evidence.words}, contains: b}
{value: {ref: event.entry.evidence.words}, contains: 3}
{value: {ref: event.entry.evidence.words}, length: 3}
{value: {ref: event.entry.evidence.words}, length: {greater: 2}}
{value: {ref: event.entry.evidence.words}, length: {in_range: [3, 4]}}
{value: {ref: event.entry.evidence.none}, length: 0}
{value: {ref: event.entry.evidence.none}, is_empty: true}
{value: {ref: event.entry.evidence.nothing}, is_empty: true}
{value: {ref: event.entry.evidence}, is_empty: false}
{value: {ref: event.ticket.space}, under: oslo}
{value: {ref: event.ticket.space}, under: oslo/hq/}
{value: {ref: event.ticket.space}, under: oslo/hq/3}
{value: {template: "{{ event.ticket.flap_count }} times"}, equals: 3 times}
{value: {ref: event.ticket.kind}, equals: {template: "device_{{ 'offline' }}"}}
{all: [{value: 1, equals: 1}, {any: [{value: 1, equals: 2}, {cel: "event.ticket.flap_count == 3"}]}]}
{cel: 'event.ticket.kind == "device_offline"'}
"""
FAIL = """
{value: {ref: event.ticket.kind}, equals: device}
{value: {ref: event.ticket.kind}, not_equals: device_offline}
{value: {ref: event.ticket.kind}, contains: OFF}
{value: {ref: event.ticket.kind}, matches: '^offline'}
{value: {ref: event.ticket.integration}, is_empty: false}
{value: {ref: event.ticket.integration}, exists: true}
{value: {ref: event.ticket.integration}, equals: a}
{value: {ref: event.ticket.kind}, exists: false}
{value: {ref: event.ticket.flap_count}, greater: 3}
{value: {ref: event.ticket.flap_count}, less: 3}
{value: {ref: event.ticket.flap_count}, in_range: [4, 5]}
{value: {ref: event.ticket.opened_at}, before: {ref: event.ticket.opened_at}}
{value: {ref: event.ticket.opened_at}, after: {ref: event.ticket.opened_at}}
{value: {ref: event.ticket.opened_at}, between: ["2026-11-23T00:00:00Z", "2026-11-23T10:15:30.250Z"]}
{value: {ref: event.ticket.opened_at}, time_of_day: ["10:00", "10:15"]}
{value: {ref: event.ticket.opened_at}, time_of_day: ["12:00", "22:00"], zone: Europe/Oslo}
{value: {ref: event.ticket.opened_at}, time_of_day: ["12:00", "10:00"]}
{value: {ref: event.ticket.opened_at}, days: [sat, sun]}
{value: {ref: event.ticket.opened_at}, months: [oct, dec]}
{value: {ref: event.ticket.opened_at}, older_than: 1h}
{value: {ref: event.entry.evidence.far}, older_than: 1s}
{value: {ref: event.entry.evidence.words}, contains: true}
{value: {ref: event.entry.evidence.words}, length: {less: 3}}
{value: {ref: event.ticket.space}, under: osl}
{value: {ref: event.ticket.space}, under: oslo/hq/30}
{value: {ref: event.ticket.space}, under: oslo/hq/3/301}
{all: [{value: 1, equals: 1}, {value: 1, equals: 2}]}
{any: [{value: 1, equals: 3}, {value: 1, equals: 2}]}
"""
MISFIT = """
{value: {ref: event.entry.evidence.ratio}, equals: half} => the value is a number, what it is compared with is text
{value: {ref: event.entry.evidence.ratio}, not_equals: half} => the value is a number, what it is compared with is text
{value: {ref: event.entry.evidence.late}, equals: 1} => the value is true or false, what it is compared with is a number
{value: {ref: event.entry.evidence.words}, equals: a} => equals is for text or a number or true or false; the value is a list
{value: {ref: event.entry.evidence.ratio}, contains: 5} => contains is for text or a list; the value is a number
{value: {ref: event.ticket.kind}, contains: {ref: event.entry.evidence.ratio}} => what it is compared with must be text; it is a number
{value: {ref: event.entry.evidence.ratio}, starts_with: a} => starts_with is for text; the value is a number
{value: {ref: event.entry.evidence.ratio}, matches: a} => matches is for text; the value is a number
{value: {ref: event.entry.evidence.late}, greater: 1} => greater is for a number; the value is true or false
{value: {ref: event.entry.evidence.far}, greater: 1} => greater is for a number; the value is text
{value: {ref: event.ticket.flap_count}, greater: {ref: event.entry.evidence.far}} => what it is compared with must be a number; it is text
{value: {ref: event.entry.evidence.nowhere}, greater: 1} => greater is for a number; the value is null
{value: {ref: event.ticket.integration}, under: a} => under is for text; the value is null
{value: {ref: event.entry.evidence.ratio}, is_empty: false} => is_empty is for text or a list or an object; the value is a number
{value: {ref: event.entry.evidence.ratio}, older_than: 1d} => older_than is for a time; the value is a number
{value: {ref: event.entry.evidence.first}, days: [mon], zone: America/New_York} => the value is a time that its zone's calendar does not reach
{value: {ref: event.ticket.kind}, after: "2026-11-23T10:15:31Z"} => the value is text, but no time such as 2026-11-23T10:15:30.250Z
{value: {ref: event.ticket.opened_at}, after: {ref: event.ticket.kind}} => what it is compared with is text, but no time such as 2026-11-23T10:15:30.250Z
{value: {ref: event.entry.evidence.far}, length: 3} => length is for a list; the value is text
{value: {template: "{{ event.entry.evidence.nowhere }}"}, equals: a} => 'nowhere' cannot be used: it is not there
{cel: "event.ticket.kind > 1"} => No such overload: the operation is not defined for the given operand types
"""  # noqa: E501


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


def branch(row: str, how: str = "all") -> Branch:
    # `evidence` is known only when the run is there, so a row over it is taken whatever it asks.
    definition = load(
        f"workflow: w\nnodes:\n  on: {{trigger: ticket.opened}}\n  q: {{after: [on], if: {{{how}: [{row}]}}}}",
        LANGUAGES,
    )
    (node,) = definition.followers
    assert isinstance(node, Branch)
    return node


def outcome(row: str) -> dict[str, Any]:
    judged = judge(branch(row), {"event": EVENT}, LANGUAGES, AT + timedelta(hours=1))
    (found,) = judged.output["rows"]
    assert judged.output["holds"] is found["holds"]
    return dict(found)


@pytest.mark.rule("WF-32")
@pytest.mark.parametrize("row", rows(HOLD))
def test_what_holds(row: str) -> None:
    found = outcome(row)
    assert found.pop("rows", None) is None or row.startswith("{all")
    assert found == {"holds": True}


@pytest.mark.rule("WF-32")
@pytest.mark.parametrize("row", rows(FAIL))
def test_what_does_not_hold(row: str) -> None:
    found = outcome(row)
    assert (found["holds"], found.get("mismatch")) == (False, None)


def test_every_operation_is_tried() -> None:
    for operation in OPERATIONS:
        assert f", {operation}: " in HOLD
        assert f", {operation}: " in FAIL or operation in ("starts_with", "ends_with", "in_range")


@pytest.mark.rule("WF-33")
@pytest.mark.parametrize("row", rows(MISFIT))
def test_what_does_not_fit_is_false_and_said(row: str) -> None:
    asked, _, said = row.partition(" => ")
    assert outcome(asked) == {"holds": False, "mismatch": said}


@pytest.mark.rule("WF-33")
def test_a_run_shows_what_each_row_compared() -> None:
    text = """
{value: {ref: event.ticket.flap_count}, greater: 5}, {value: {ref: event.entry.evidence.long}, starts_with: y},
{value: {ref: event.ticket.links}, is_empty: true}, {value: {ref: event.entry.evidence.ratio}, equals: half},
{any: [{value: 1, equals: 1}, {cel: "event.entry.evidence.nothing.a == 1"}]}"""
    judged = judge(branch(text, "any"), {"event": EVENT}, LANGUAGES, AT)
    assert judged.input["rows"] == [
        {"value": 3, "greater": 5},
        {"value": "x" * 200 + "…", "starts_with": "y"},
        {"value": "a list of 1", "is_empty": True},
        {"value": 0.5, "equals": "half"},
        {"any": [{"value": 1, "equals": 1}, {"cel": "event.entry.evidence.nothing.a == 1"}]},
    ]
    assert judged.output["holds"] is True
    assert judged.output["rows"][-1] == {
        "holds": True,
        "rows": [{"holds": True}, {"holds": False, "mismatch": "'a' is not there"}],
    }


ROUTED = """
workflow: w
nodes:
  opened: {trigger: ticket.opened}
  many:   {after: [opened], if: {all: [{value: {ref: event.ticket.flap_count}, greater: 5}]}}
  taken:  {after: [many.true], action: ticket.start, with: {ticket: {ref: event.ticket.id}}}
  noted:  {after: [many.false], action: ticket.comment, with: {ticket: {ref: event.ticket.id}, text: {template: "{{ many.holds }}"}}}
  late:   {after: [taken, noted], if: {cel: 'noted.ticket.number == 42 || taken.ticket.number == 42'}}
  both:   {after: [late], action: ticket.resolve, with: {ticket: 1}}
  wrong:  {after: [late.false], action: ticket.resolve, with: {ticket: 1}}
"""  # noqa: E501


def played(definition: Definition, flap_count: int) -> Run:
    """The run to its end, each command answered well."""
    event = ticket_event(flap_count=flap_count).to_dict()
    cause = Cause("ticket.opened", event, "e1", 1)
    run = begin(definition, ("opened",), cause, run_id=UUID(int=7), org="acme", version=1, now=AT)
    answer = {"outcome": "applied", "ticket": {"number": 42}}
    result = None
    while run.state is RunState.RUNNING:
        run = advance(definition, run, result, now=AT, languages=LANGUAGES).run
        result = Result(run.waiting.command_id, answer) if run.waiting and run.waiting.command_id else None
    return run


@pytest.mark.rule("WF-30")
def test_a_run_goes_by_true_or_false() -> None:
    definition = load(ROUTED, LANGUAGES)
    calm, wild = (played(definition, count) for count in (5, 6))
    for run, taken, skipped in ((calm, "noted", "taken"), (wild, "taken", "noted")):
        ran = {name for name, step in run.steps.items() if step.state is StepState.DONE}
        assert ran == {"opened", "many", taken, "late", "both"}
        assert run.steps[skipped].state is run.steps["wrong"].state is StepState.SKIPPED
        assert run.state is RunState.DONE
    assert calm.steps["noted"].input == {"ticket": str(ticket_event().ticket.id), "text": "false"}
    assert wild.steps["many"].output == {"holds": True, "rows": [{"holds": True}]}


@pytest.mark.rule("WF-32")
@given(
    at=st.integers(1_600_000_000, 1_900_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    start=st.times(),
    end=st.times(),
    zone=st.sampled_from(["Europe/Oslo", "America/St_Johns", "Asia/Kathmandu", "UTC"]),
)
def test_a_time_of_day_is_what_the_clock_on_the_wall_says(at: datetime, start: time, end: time, zone: str) -> None:
    """Minute by minute from `start` on, as somebody with a clock would."""
    start, end = start.replace(second=0, microsecond=0), end.replace(second=0, microsecond=0)
    asked = Row(
        Fixed(rfc3339(at)), "time_of_day", Series((Fixed(f"{start:%H:%M}"), Fixed(f"{end:%H:%M}"))), zone
    )  # fmt: skip
    judged = judge(Branch("q", (), (asked,)), {}, LANGUAGES, AT)
    wall = at.astimezone(ZoneInfo(zone))
    since = (wall.hour * 60 + wall.minute - start.hour * 60 - start.minute) % 1440
    length = (end.hour * 60 + end.minute - start.hour * 60 - start.minute) % 1440
    assert judged.output["holds"] is (since < (length or 1440))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.just("2026-11-23T10:15:30Z"),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
FIXED: dict[Operand, Any] = {
    Operand.PATTERN: Fixed("a"), Operand.FLAG: Fixed(True), Operand.AGE: Fixed("1h"), Operand.LENGTH: Fixed(1),
    Operand.CLOCK: Series((Fixed("07:00"), Fixed("19:00"))), Operand.DAYS: Series((Fixed("mon"),)),
    Operand.MONTHS: Series((Fixed("jan"),)),
}  # fmt: skip


@pytest.mark.rule("WF-33")
@given(value=VALUES, operand=VALUES, operation=st.sampled_from(sorted(OPERATIONS)))
def test_whatever_meets_whatever_has_an_answer(value: Any, operand: Any, operation: str) -> None:
    held_against = FIXED.get(OPERATIONS[operation].operand, Reference(("event", "b")))
    row = Row(Reference(("event", "a")), operation, held_against)
    judged = judge(Branch("q", (), (row,)), {"event": {"a": value, "b": operand}}, LANGUAGES, AT)
    (found,) = judged.output["rows"]
    assert found["holds"] in (True, False)
    assert not (found["holds"] and "mismatch" in found)
    json.dumps([judged.input, judged.output])
