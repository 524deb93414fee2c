"""The interpreter by property: any graph, any results, any interruption."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ticket_event import AT

from fettle_workflow_engine.adapters.conditions import CelConditions
from fettle_workflow_engine.adapters.templates import JinjaTemplates
from fettle_workflow_engine.domain.advance import advance, begin
from fettle_workflow_engine.domain.definition import (
    Action,
    After,
    Branch,
    Definition,
    Fixed,
    Follower,
    Group,
    Node,
    Reference,
    Row,
    Trigger,
    Value,
    Way,
)
from fettle_workflow_engine.domain.endings import cancel, failed_node, retry, time_out
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.run import (
    SWITCHED_OFF,
    Cause,
    Effect,
    Failure,
    Result,
    Run,
    RunState,
    Step,
    StepState,
)

LANGUAGES = Languages(JinjaTemplates(), CelConditions())
RUN_ID = UUID(int=7)
LOOKED_AT: list[Value] = [Fixed(1), Fixed(2), Fixed("a"), Reference(("a0", "outcome"))]
WAYS = {Action: (Way.DONE, Way.ERROR), Branch: (Way.DONE, Way.TRUE, Way.FALSE)}
CAUSE = Cause("ticket.opened", {}, "e1", 1)
ENDED = {StepState.DONE, StepState.FAILED, StepState.SKIPPED}

DEEDS: list[tuple[str, dict[str, Value]]] = [
    ("ticket.comment", {"ticket": Fixed(1), "text": Fixed("a")}),
    ("ticket.comment", {"ticket": Fixed(1), "text": Fixed("a")}),
    ("http.request", {"url": Fixed("a")}),
    ("wait", {"for": Fixed("1h")}),
    ("wait", {"for": Fixed("1h"), "until_ticket": Group({"ticket": Fixed(str(RUN_ID)), "change": Fixed("any")})}),
    # The fields of these have no value: they fail without asking anyone.
    ("ticket.comment", {"ticket": Fixed(1), "text": Fixed(None)}),
    ("http.request", {"url": Fixed(None)}),
    ("wait", {"for": Fixed("soon")}),
    ("fail", {"message": Fixed("No.")}),
]

Outcomes = Callable[[str], bool]


@st.composite
def workflows(draw: st.DrawFn) -> Definition:
    """One to three triggers and up to eight other nodes, each after some before it, written down in any order."""
    triggers = [Trigger(f"t{index}", "ticket.opened") for index in range(draw(st.integers(1, 3)))]
    others: list[Follower] = []
    for index in range(draw(st.integers(0, 8))):
        earlier = [
            *(After(trigger.name) for trigger in triggers),
            *(After(other.name, way) for other in others for way in WAYS[type(other)]),
        ]
        after = tuple(draw(st.lists(st.sampled_from(earlier), min_size=1, max_size=3, unique=True)))
        if draw(st.booleans()):
            does, fields = draw(st.sampled_from(DEEDS))
            others.append(Action(f"a{index}", does, after, fields))
        else:
            value = draw(st.sampled_from(LOOKED_AT))
            others.append(Branch(f"a{index}", after, (Row(value, "less", Fixed(2)),)))
    nodes: list[Node] = [*triggers, *draw(st.permutations(others))]
    return Definition("w", "W", tuple(nodes))


def begun(definition: Definition, matched: set[str]) -> Run:
    return begin(definition, matched, CAUSE, run_id=RUN_ID, org="acme", version=1, now=AT)


def play(definition: Definition, run: Run, goes_well: Outcomes) -> tuple[Run, list[Effect]]:
    """The run to its end, whatever it waits for answered in turn."""
    effects: list[Effect] = []
    result = None
    for second in range(100):
        done = advance(definition, run, result, now=AT + timedelta(seconds=second), languages=LANGUAGES)
        run = done.run
        effects += done.effects
        if run.state is not RunState.RUNNING:
            return run, effects
        result = answer(run, goes_well)
    raise AssertionError("the run does not end")


def answer(run: Run, goes_well: Outcomes) -> Result:
    """What the run waits for. A wait goes well always."""
    waiting = run.waiting
    assert waiting is not None
    assert waiting.command_id == uuid5(run.id, waiting.node)
    if waiting.wake_at:
        return Result(waiting.command_id, {"ended_by": "elapsed"})
    well = goes_well(waiting.node)
    return Result(waiting.command_id, {"outcome": "applied"} if well else Failure("wrong_state", "No."))


def outcomes_of(broken: set[int]) -> Outcomes:
    return lambda node: int(node[1:]) not in broken


cases = given(
    definition=workflows(),
    matched=st.sets(st.sampled_from(["t0", "t1", "t2"]), min_size=1),
    broken=st.sets(st.integers(0, 7)),
)


@pytest.mark.rule("WF-10", "WF-12")
@cases
def test_every_node_ends_exactly_once(definition: Definition, matched: set[str], broken: set[int]) -> None:
    run, effects = play(definition, begun(definition, matched), outcomes_of(broken))
    assert run.steps.keys() == {node.name for node in definition.nodes}
    assert {step.state for step in run.steps.values()} <= ENDED
    asked = [effect.node for effect in effects]
    assert len(asked) == len(set(asked))
    assert {effect.id for effect in effects} == {uuid5(RUN_ID, node) for node in asked}
    if run.state is RunState.DONE:
        check_semantics(definition, run)


def check_semantics(definition: Definition, run: Run) -> None:
    """Each action ran exactly when one of the ways that it names was taken, and after what it waits for."""

    def taken(after: After) -> bool:
        step = run.steps[after.node]
        if after.way in (Way.TRUE, Way.FALSE):
            return step.state is StepState.DONE and (step.output or {})["holds"] is (after.way is Way.TRUE)
        return step.state is (StepState.DONE if after.way is Way.DONE else StepState.FAILED)

    places = list(run.steps)
    for node in definition.followers:
        ran = run.steps[node.name].state is not StepState.SKIPPED
        assert ran == any(map(taken, node.after))
        assert all(places.index(after.node) < places.index(node.name) for after in node.after)


@pytest.mark.rule("WF-11")
@cases
def test_a_run_fails_exactly_when_a_failure_has_no_follower(
    definition: Definition, matched: set[str], broken: set[int]
) -> None:
    run, _ = play(definition, begun(definition, matched), outcomes_of(broken))
    heeded = {after.node for node in definition.followers for after in node.after if after.way is Way.ERROR}
    ending = {action.name for action in definition.actions if action.does == "fail"}
    failed = [step.node for step in run.steps.values() if step.state is StepState.FAILED]
    unheeded = [node for node in failed if node not in heeded or node in ending]
    assert (run.state is RunState.FAILED) == bool(unheeded)
    assert len(unheeded) <= 1


@pytest.mark.rule("WF-9", "WF-12")
@cases
def test_a_run_that_is_resumed_anywhere_goes_the_same_way(
    definition: Definition, matched: set[str], broken: set[int]
) -> None:
    """Every call is made twice, and every result comes again later: one run, one set of commands."""
    goes_well = outcomes_of(broken)
    plain, asked = play(definition, begun(definition, matched), goes_well)
    run, seen = begun(definition, matched), dict[UUID, Effect]()
    results: list[Result | None] = [None]
    while run.state is RunState.RUNNING:
        second = len(results) - 1
        calls = [
            advance(definition, run, results[-1], now=AT + timedelta(seconds=second), languages=LANGUAGES)
            for _ in range(2)
        ]
        assert calls[0] == calls[1]
        run = calls[0].run
        seen.update((effect.id, effect) for effect in calls[0].effects)
        for old in results:
            assert advance(definition, run, old, now=AT, languages=LANGUAGES).run == run
        if run.state is RunState.RUNNING:
            results.append(answer(run, goes_well))
    assert run == plain
    assert list(seen.values()) == asked


@pytest.mark.rule("WF-9")
@given(
    definition=workflows(),
    schedule=st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=60),
)
def test_runs_do_not_touch_each_other(definition: Definition, schedule: list[tuple[int, bool]]) -> None:
    """Four runs whose results arrive in any order, some of them twice, end as each would have ended alone."""
    ids = [UUID(int=100 + index) for index in range(4)]
    runs = [begin(definition, {"t0"}, CAUSE, run_id=one, org="acme", version=1, now=AT) for one in ids]

    def step(index: int, result: Result | None) -> None:
        done = advance(definition, runs[index], result, now=AT, languages=LANGUAGES)
        runs[index] = done.run

    def result_for(index: int) -> Result | None:
        waiting = runs[index].waiting
        return Result(waiting.command_id, {"outcome": "applied"}) if waiting and waiting.command_id else None

    for index in range(4):
        step(index, None)
    for index, twice in [*schedule, *((index, False) for index in range(4) for _ in range(10))]:
        result = result_for(index)
        if result is not None:
            for _ in range(1 + twice):
                step(index, result)
                for other in range(4):
                    if other != index:
                        before = runs[other]
                        step(other, result)
                        assert runs[other] == before
    assert all(run.state is not RunState.RUNNING for run in runs)
    assert len({tuple((node, _shape(one)) for node, one in run.steps.items()) for run in runs}) == 1


@pytest.mark.rule("WF-76")
@given(
    definition=workflows(),
    broken=st.sets(st.integers(0, 7)),
    unsure=st.booleans(),
    mended=st.booleans(),
    late=st.booleans(),
)
def test_a_retried_run_ends_as_if_it_had_not_failed(
    definition: Definition, broken: set[int], unsure: bool, mended: bool, late: bool
) -> None:
    """What went before stays; what is asked for again has a new id exactly when the first one is settled; a run whose
    causes of failure are gone ends as one that never met them."""
    run, _ = play(definition, begun(definition, {"t0"}), outcomes_of(broken))
    failed = failed_node(run)
    if failed is None or run.state is not RunState.FAILED:
        return
    if unsure and failed.error and failed.command_id:
        step = replace(failed, error=replace(failed.error, unsure=True))
        run = replace(run, steps={**run.steps, failed.node: step})
    again = retry(definition, run, now=AT + timedelta(days=9), languages=LANGUAGES)
    place = list(run.steps).index(failed.node)
    assert list(again.run.steps.items())[:place] == list(run.steps.items())[:place]
    retried = again.run.steps[failed.node]
    if retried.command_id:
        assert (retried.command_id == failed.command_id) == unsure
    else:
        assert retried.error == failed.error
        assert again.run.state is RunState.FAILED
    assert again.run.timeout_at >= AT + timedelta(days=11)
    if again.run.waiting is None:
        return
    if late:
        ended = time_out(definition, again.run, now=again.run.timeout_at)
        third = retry(definition, ended, now=ended.timeout_at, languages=LANGUAGES)
        assert third.run.steps[failed.node].command_id == retried.command_id
        return
    still = set() if mended else broken
    outcome = {"outcome": "applied"} if mended else Failure("wrong_state", "No.")
    assert again.run.waiting.command_id is not None
    done = advance(definition, again.run, Result(again.run.waiting.command_id, outcome), now=AT, languages=LANGUAGES)
    run = done.run
    while run.state is RunState.RUNNING:
        run = advance(definition, run, answer(run, outcomes_of(still)), now=AT, languages=LANGUAGES).run
    if mended:
        # Nodes before the failed one stay as they ended; all others go as they would have gone.
        kept = {int(node[1:]) for node in list(run.steps)[:place] if node.startswith("a")}
        plain, _ = play(definition, begun(definition, {"t0"}), outcomes_of(broken & kept))
        assert {node: _shape(step) for node, step in run.steps.items()} == {
            node: _shape(step) for node, step in plain.steps.items()
        }


@pytest.mark.rule("WF-156")
@given(definition=workflows(), broken=st.sets(st.integers(0, 7)), off=st.lists(st.booleans(), max_size=20))
def test_a_run_that_the_switch_stops_anywhere_and_that_is_retried_ends_as_one_that_it_never_stopped(
    definition: Definition, broken: set[int], off: list[bool]
) -> None:
    """It asks for nothing while the org is off, and for the same under the same ids when it is on."""
    plain, asked = play(definition, begun(definition, {"t0"}), outcomes_of(broken))
    run = advance(definition, begun(definition, {"t0"}), now=AT, languages=LANGUAGES).run
    seen = list(advance(definition, begun(definition, {"t0"}), now=AT, languages=LANGUAGES).effects)
    for second, stopped in enumerate([*off, *[False] * 20]):
        if run.state is not RunState.RUNNING:
            break
        now = AT + timedelta(seconds=second)
        given_to = answer(run, outcomes_of(broken))
        done = advance(definition, run, given_to, now=now, languages=LANGUAGES, off=stopped)
        assert not (stopped and done.effects)
        assert done.run.waiting is None or not stopped
        if done.run.error and done.run.error.code == SWITCHED_OFF:
            done = retry(definition, done.run, now=now, languages=LANGUAGES)
        run, seen = done.run, [*seen, *done.effects]
    assert [effect.id for effect in seen] == [effect.id for effect in asked]
    assert (run.state, {node: _shape(step) for node, step in run.steps.items()}) == (
        plain.state,
        {node: _shape(step) for node, step in plain.steps.items()},
    )


@pytest.mark.rule("WF-156")
def test_no_error_edge_follows_the_switch() -> None:
    """The one that it would lead to is a node as well; a retry begins with the node that was stopped."""
    does, fields = DEEDS[0]
    edges = {"a0": (After("t0"),), "a1": (After("a0"),), "a2": (After("a1", Way.ERROR),)}
    actions = [Action(name, does, after, fields) for name, after in edges.items()]
    definition = Definition("w", "W", (Trigger("t0", "ticket.opened"), *actions))
    run = advance(definition, begun(definition, {"t0"}), now=AT, languages=LANGUAGES).run
    run = advance(definition, run, answer(run, lambda _: True), now=AT, languages=LANGUAGES, off=True).run
    ended = {node: step.state for node, step in run.steps.items()}
    assert ended == {
        "t0": StepState.DONE,
        "a0": StepState.DONE,
        "a1": StepState.FAILED,
        "a2": StepState.SKIPPED,
    }
    assert run.error == Failure(SWITCHED_OFF, "a1: The org's workflows were switched off before it began.")
    again = retry(definition, run, now=AT, languages=LANGUAGES)
    assert [effect.node for effect in again.effects] == ["a1"]


@pytest.mark.rule("WF-75")
@given(definition=workflows(), after=st.integers(0, 8))
def test_a_run_that_is_cancelled_anywhere_stays_so(definition: Definition, after: int) -> None:
    run = advance(definition, begun(definition, {"t0"}), now=AT, languages=LANGUAGES).run
    for _ in range(after):
        if run.state is RunState.RUNNING:
            run = advance(definition, run, answer(run, lambda _: True), now=AT, languages=LANGUAGES).run
    gone = cancel(definition, run, "ann", now=AT)
    if run.state is not RunState.RUNNING:
        assert gone == run
        return
    assert gone.state is RunState.CANCELLED
    assert gone.steps.keys() == {node.name for node in definition.nodes}
    assert {step.state for step in gone.steps.values()} <= ENDED
    late = advance(definition, gone, answer(run, lambda _: True), now=AT, languages=LANGUAGES)
    assert (late.run, late.effects) == (gone, ())


def _shape(step: Step) -> tuple[StepState, bool]:
    return step.state, step.error is not None
