"""The search for loops against a naive one, over random orgs."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fettle_workflow_engine.domain.catalogue import ACTIONS, TRIGGERS
from fettle_workflow_engine.domain.definition import Action, After, Branch, Definition, Fixed, Node, Row, Trigger, Way
from fettle_workflow_engine.domain.faults import Fault
from fettle_workflow_engine.domain.loops import BY_MONITOR, loop_faults

GIVEN = tuple(sorted(TRIGGERS))
SETTING_OFF = tuple(sorted(name for name, kind in ACTIONS.items() if kind.sets_off))
PUBLISHED = tuple(sorted({on for name in SETTING_OFF for on in ACTIONS[name].sets_off}))


def workflow(name: str, triggers: list[str], actions: list[tuple[str, bool]], *, enabled: bool = True) -> Definition:
    """One that does all of this, some of it behind an `if`; with True an action has all of its fields."""
    nodes: list[Node] = [Trigger(f"t{index}", on) for index, on in enumerate(triggers)]
    nodes.append(Branch("q", (After("t0"),), (Row(Fixed(1), "equals", Fixed(1)),)))
    for index, (does, whole) in enumerate(actions):
        after = After("q", Way.TRUE) if index % 2 else After("t0")
        fields = {field: Fixed("a") for field, kind in ACTIONS[does].fields.items() if whole or kind.required}
        nodes.append(Action(f"a{index}", does, (after,), fields))
    return Definition(name, name, tuple(nodes), enabled=enabled)


def workflows(name: str) -> st.SearchStrategy[Definition]:
    return st.builds(
        workflow,
        st.just(name),
        st.lists(st.sampled_from(GIVEN), min_size=1, max_size=2, unique=True),
        st.lists(st.tuples(st.sampled_from(SETTING_OFF), st.booleans()), max_size=3),
        enabled=st.sampled_from([True, True, True, False]),
    )


ORGS = st.integers(1, 6).flatmap(lambda count: st.tuples(*(workflows(f"w{index}") for index in range(count))))


def published_by(action: Action) -> set[str]:
    kind = ACTIONS[action.does]
    with_fields = (on for field, on in kind.sets_off_with.items() if field in action.fields)
    return {*kind.sets_off, *kind.provokes, *with_fields}


def started_by(on: str, org: Mapping[str, Definition]) -> set[str]:
    return {name for name, one in org.items() if on in {trigger.on for trigger in one.triggers}}


def comes_back(saved: Definition, action: Action, org: Mapping[str, Definition]) -> bool:
    """By following everything until nothing new is found."""
    started: set[str] = set()
    ahead = published_by(action)
    while ahead:
        found = set().union(*(started_by(on, org) for on in ahead)) - started
        started |= found
        ahead = set().union(*(published_by(one) for name in found for one in org[name].actions))
    return saved.workflow in started


def check_path(fault: Fault, action: Action, saved: Definition, org: Mapping[str, Definition]) -> None:
    """The chain `action -> trigger -> workflow -> trigger -> … -> saved` is one that events could take."""
    told = fault.message.removeprefix("starts this workflow again: ").partition(";")[0].replace(f" ({BY_MONITOR})", "")
    does, *chain = told.split(" -> ")
    assert does == action.does
    assert chain[-1] == saved.workflow
    can_follow = published_by(action)
    for on, name in zip(chain[::2], chain[1::2], strict=True):
        assert on in can_follow
        assert name in started_by(on, org)
        can_follow = set().union(*(published_by(one) for one in org[name].actions))


def seen_from(saved: Definition, org: Mapping[str, Definition]) -> dict[str, Definition]:
    others = {name: one for name, one in org.items() if one.enabled and saved.enabled}
    return {**others, saved.workflow: saved}


@pytest.mark.rule("WF-7")
@given(org=ORGS)
def test_a_loop_is_found_exactly_when_there_is_one(org: tuple[Definition, ...]) -> None:
    saved, *others = org
    seen = seen_from(saved, {one.workflow: one for one in others})
    # Places tell faults of actions apart; here they are all the same, so each action is asked for alone.
    for action in saved.actions:
        nodes = tuple(node for node in saved.nodes if not isinstance(node, Action) or node is action)
        alone = Definition(saved.workflow, saved.title, nodes, enabled=saved.enabled)
        faults = list(loop_faults(alone, [one for one in others if one.enabled]))
        assert bool(faults) == comes_back(alone, action, {**seen, alone.workflow: alone}), action
        for fault in faults:
            check_path(fault, action, alone, {**seen, alone.workflow: alone})


@pytest.mark.rule("WF-7")
@given(org=ORGS)
def test_what_is_saved_one_by_one_never_makes_a_loop(org: tuple[Definition, ...]) -> None:
    """Each is saved if it may be, in its turn; in the end no enabled workflow can start itself again."""
    kept: dict[str, Definition] = {}
    for one in org:
        if not list(loop_faults(one, [other for other in kept.values() if other.enabled])):
            kept[one.workflow] = one
    live = {name: one for name, one in kept.items() if one.enabled}
    for one in live.values():
        assert not any(comes_back(one, action, live) for action in one.actions)


@pytest.mark.rule("WF-7")
@given(
    ring=st.lists(st.sampled_from(PUBLISHED), min_size=1, max_size=7, unique=True),
    bystanders=ORGS,
    last=st.integers(0, 6),
)
def test_every_planted_loop_is_named(ring: list[str], bystanders: tuple[Definition, ...], last: int) -> None:
    """Each of the ring is started by what the one before it does; whichever of them comes last is refused."""

    def doing(on: str) -> str:
        return next(name for name in SETTING_OFF if on in ACTIONS[name].sets_off)

    planted = [
        workflow(f"ring{index}", [on], [(doing(ring[(index + 1) % len(ring)]), False)]) for index, on in enumerate(ring)
    ]
    saved = planted.pop(last % len(ring))
    others = [*planted, *(one for one in bystanders if one.enabled)]
    (fault,) = loop_faults(saved, others)
    check_path(fault, saved.actions[0], saved, {one.workflow: one for one in (*others, saved)})
    allowed = Definition(saved.workflow, saved.title, saved.nodes, enabled=True, allow_cycle=True)
    assert list(loop_faults(allowed, others)) == []


@pytest.mark.rule("WF-7")
@given(order=st.permutations(PUBLISHED), data=st.data())
def test_workflows_that_only_go_on_are_never_refused(order: list[str], data: st.DataObject) -> None:
    """Each is started by a trigger and publishes only ones that come later in some order."""
    org = []
    for index in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(order) - 1))
        ahead = set(order[start + 1 :])
        later = [name for name in SETTING_OFF if {*ACTIONS[name].sets_off, *ACTIONS[name].provokes} <= ahead]
        actions = data.draw(st.lists(st.sampled_from(later), max_size=2)) if later else []
        org.append(workflow(f"w{index}", [order[start]], [(does, False) for does in actions]))
    for one in org:
        assert list(loop_faults(one, [other for other in org if other is not one])) == []
