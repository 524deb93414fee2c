"""Which changes are looked for, and which of them is the smallest: by example."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judge_log import DEVICE, T0, Log, policy
from why_logs import ON, case_of

from fettle_contracts.health_policy import Bounds
from fettle_health_monitor.domain.control import Match, Override
from fettle_health_monitor.domain.why.changes import (
    NumberChange,
    SilenceChange,
    SwitchChange,
    WhatIf,
    as_it_was,
    numbers,
    those_that_turn_it,
    with_rule,
)
from fettle_health_monitor.domain.why.search import Allowance, Spent, Try, nearest
from fettle_health_monitor.entrypoints.correlator.why_shapes import ShownChange


def silent_for(seconds: int, **rules: Any) -> Log:
    log = Log().policy(**{"timeout_s": 60, "open_debounce_s": 30, **rules}).beat()
    return log.pulsed(seconds)


def found(log: Log) -> list[WhatIf]:
    return those_that_turn_it(case_of(log), Allowance(10_000_000))


@pytest.mark.rule("HM-182")
def test_a_number_is_tried_beside_all_that_is_overridden_for_others() -> None:
    others = (
        Override(match=Match(model="T100"), open_debounce_s=5),
        Override(match=Match(subject="device/t18"), timeout_s=9),
    )
    own = Override(match=Match(subject="device/t17"), timeout_s=7, flap_threshold=4)
    tried = with_rule(policy(overrides=(others[0], own, others[1])), "device/t17", "timeout_s", 8)
    assert tried.overrides == (
        *others,
        Override(match=Match(subject="device/t17"), timeout_s=8, flap_threshold=4),
    )


@pytest.mark.rule("HM-181")
def test_the_smaller_of_two_numbers_is_found_behind_the_greater() -> None:
    """Eleven seconds more of either are just enough: of 61 that is the smaller part."""
    smallest, other, *_ = found(silent_for(131, open_debounce_s=61))
    assert smallest == NumberChange("open_debounce_s", 61, 72)
    assert other == NumberChange("timeout_s", 60, 71)


@pytest.mark.rule("HM-181")
def test_a_number_that_changes_by_more_than_all_of_itself_comes_behind_a_silence_and_a_switch() -> None:
    *first, last = found(silent_for(200))
    assert last == NumberChange("timeout_s", 60, 171)
    assert {type(each) for each in first} == {SilenceChange, SwitchChange}


@pytest.mark.rule("HM-260")
def test_the_value_of_now_is_named_where_it_would_have_decided_otherwise_before() -> None:
    """It fires by a timeout of 20 s, which is raised to 60 s then; it would not have."""
    log = Log().policy(timeout_s=20, open_debounce_s=30).beat().pulsed(55)
    log.policy(version=2, timeout_s=60, open_debounce_s=30).pulsed(58).beat().pulsed(61)
    case = case_of(log)
    assert as_it_was(case)[1].ticket
    assert found(log)[0] == NumberChange("timeout_s", 60, 60)


@pytest.mark.rule("HM-339")
@pytest.mark.parametrize(
    ("silent_s", "is_there", "wanted"), [(97.2, False, 37), (96.2, False, 36), (97.6, True, 38), (98.4, True, 39)]
)
def test_a_timeout_of_no_whole_seconds_is_shown_as_it_is(silent_s: float, is_there: bool, wanted: int) -> None:
    """37.5 s by an interval of 12.5 s, and an open debounce of 60 s: it fires 97.5 s behind its last heartbeat."""
    log = Log().policy(open_debounce_s=60).beat(interval_s=12.5).pulsed(silent_s)
    judged, told = as_it_was(case_of(log))
    assert told.ticket == is_there
    shown = numbers(judged, case_of(log).log)
    assert shown["timeout_s"] == 37.5
    assert [str(value) for rule, value in shown.items() if rule != "timeout_s"] == ["60", "60", "5", "12", "600", "600"]
    (timeout,) = [each for each in found(log) if isinstance(each, NumberChange) and each.rule == "timeout_s"]
    assert timeout == NumberChange("timeout_s", 37.5, wanted)
    assert timeout.size == abs(wanted - 37.5) / 37.5
    assert ShownChange.of(timeout).text == f"timeout_s 37.5 -> {wanted}"
    dumped = ShownChange.of(timeout).model_dump(mode="json")
    assert (dumped["present"], dumped["wanted"], dumped["from_the_beginning"]) == (37.5, wanted, False)


@pytest.mark.rule("HM-183")
def test_a_silence_begins_early_enough_where_a_ticket_was_asked_for_twice() -> None:
    """The device fires, and then flaps: the first of the two must be held back as well."""
    log = Log().policy(timeout_s=500, open_debounce_s=5, resolve_debounce_s=5, flap_flips_threshold=3)
    for second, status in ((10, "offline"), (20, "ok"), (22, "offline"), (24, "ok")):
        log.pulsed(second).beat(status=status)
    case = case_of(log.pulsed(30))
    openings = as_it_was(case)[1].openings
    assert [(one.at - T0) / 1000 for one in openings] == [24, 15]
    (more,) = [one for one in found(log) if isinstance(one, SilenceChange)]
    assert (more.silence.schedule.start, more.silence.schedule.length_s) == (T0 + 15_000, 16)


@pytest.mark.rule("HM-182")
@pytest.mark.parametrize(("interval_s", "named"), [(6, []), (5, [NumberChange("timeout_s", 60, 5)])])
def test_no_timeout_is_tried_under_the_interval(interval_s: int, named: list[WhatIf]) -> None:
    """Heard every five seconds and a moment, under a debounce of nothing: five seconds would be too short."""
    log = Log().policy(timeout_s=60, open_debounce_s=0)
    for number in range(20):
        log.at(number * 5.1).beat(DEVICE, interval_s=interval_s).pulsed(number * 5.1 + 5)
    case = case_of(log)
    assert not as_it_was(case)[1].ticket
    assert found(log) == named


def bounded(log: Log, **bounds: Any) -> list[WhatIf]:
    """The numbers that are named where an override for the device may set only so much."""
    case = case_of(log)
    case = replace(case, known=replace(case.known, bounds=Bounds(**bounds)))
    return [each for each in those_that_turn_it(case, Allowance(10_000_000)) if isinstance(each, NumberChange)]


@pytest.mark.rule("HM-288")
@pytest.mark.parametrize(
    ("most", "named"),
    [
        (72, [NumberChange("open_debounce_s", 61, 72), NumberChange("timeout_s", 60, 71)]),
        (71, [NumberChange("timeout_s", 60, 71)]),
        (60, [NumberChange("timeout_s", 60, 71)]),
    ],
)
def test_no_open_debounce_is_named_that_is_not_below_a_rollup_window(most: int, named: list[WhatIf]) -> None:
    assert bounded(silent_for(131, open_debounce_s=61), open_debounce_to_s=most) == named


@pytest.mark.rule("HM-288")
@pytest.mark.parametrize(("least", "named"), [(5, [NumberChange("timeout_s", 60, 5)]), (6, [])])
def test_no_timeout_is_named_under_a_default_interval(least: int, named: list[WhatIf]) -> None:
    log = Log().policy(timeout_s=60, open_debounce_s=0)
    for number in range(20):
        log.at(number * 5.1).beat().pulsed(number * 5.1 + 5)
    assert bounded(log, timeout_from_s=least) == named


@pytest.mark.rule("HM-300")
def test_no_number_is_named_that_could_not_be_put() -> None:
    log = silent_for(131, open_debounce_s=61)
    assert bounded(log, refused=frozenset({"open_debounce_s"})) == [NumberChange("timeout_s", 60, 71)]
    assert bounded(log, refused=frozenset({"open_debounce_s", "timeout_s"})) == []


@pytest.mark.rule("HM-300")
@pytest.mark.parametrize(("stands", "named"), [(True, {"publish_tickets", "enabled"}), (False, set())])
def test_no_switch_is_named_of_a_policy_that_would_be_refused(stands: bool, named: set[str]) -> None:
    case = case_of(silent_for(131))
    case = replace(case, known=replace(case.known, bounds=Bounds(stands=stands)))
    changes = those_that_turn_it(case, Allowance(10_000_000))
    assert {each.switch for each in changes if isinstance(each, SwitchChange)} == named
    assert any(isinstance(each, SilenceChange) for each in changes)


@pytest.mark.rule("HM-288")
@pytest.mark.parametrize(("most", "wanted"), [(600, 100), (100, 100), (99, 99), (50, 50)])
def test_where_what_holds_would_not_be_taken_the_nearest_that_would_is_named(most: int, wanted: int) -> None:
    """Silent for 160 s by a timeout of 60 s: any open debounce up to 100 s would have brought a ticket."""
    log = silent_for(160, open_debounce_s=600)
    assert NumberChange("open_debounce_s", 600, wanted) in bounded(log, open_debounce_to_s=most)


@pytest.mark.rule("HM-183")
def test_a_switch_is_as_it_was_at_last() -> None:
    log = silent_for(100).policy(version=2, timeout_s=60, open_debounce_s=30)
    case = case_of(log)
    off = replace(ON, publish_tickets=False)
    was_off = replace(case, known=replace(case.known, switches={1: ON, 2: off}))
    switches = {each for each in those_that_turn_it(was_off, Allowance(10_000_000)) if isinstance(each, SwitchChange)}
    assert SwitchChange("publish_tickets", wanted=False) not in switches


@pytest.mark.rule("HM-317")
def test_publishing_that_was_switched_on_too_late_is_named_as_on_all_along() -> None:
    log = silent_for(1_000).policy(version=2, timeout_s=60, open_debounce_s=30).pulsed(1_060)
    case = case_of(log)
    case = replace(case, known=replace(case.known, switches={1: replace(ON, publish_tickets=False), 2: ON}))
    assert not as_it_was(case)[1].ticket
    changes = those_that_turn_it(case, Allowance(10_000_000))
    assert changes[0] == SwitchChange("publish_tickets", wanted=True, all_along=True)


@pytest.mark.rule("HM-317")
def test_an_org_that_was_off_for_a_while_is_named_as_on_all_along() -> None:
    on: dict[str, Any] = {"timeout_s": 60, "open_debounce_s": 30}
    log = Log().policy(**on).beat().pulsed(10).policy(version=2, enabled=False, **on).pulsed(1_000)
    log.policy(version=3, **on).pulsed(1_020)
    case = case_of(log)
    assert not as_it_was(case)[1].ticket
    switches = {1: ON, 2: replace(ON, enabled=False), 3: ON}
    case = replace(case, known=replace(case.known, switches=switches))
    assert those_that_turn_it(case, Allowance(10_000_000)) == [SwitchChange("enabled", wanted=True, all_along=True)]


@pytest.mark.rule("HM-181")
@pytest.mark.parametrize("turning", range(41))
def test_whatever_one_number_turns_it_is_found(turning: int) -> None:
    found = nearest(20, 0, 40, lambda value: Try(value == turning, (value > turning, value >= turning)))
    assert found == turning


@pytest.mark.rule("HM-181")
def test_of_two_that_are_as_near_it_is_the_greater() -> None:
    assert nearest(20, 0, 40, lambda value: Try(value in (17, 23), value)) == 23


@pytest.mark.rule("HM-181")
def test_a_stretch_is_looked_into_whose_end_turns_it_though_the_same_happens() -> None:
    assert nearest(20, 0, 40, lambda value: Try(value >= 27, "the same")) == 27


@pytest.mark.rule("HM-181")
@given(
    st.integers(0, 24), st.lists(st.tuples(st.integers(0, 3), st.integers(1, 6)), min_size=1, max_size=12), st.data()
)
def test_what_turns_it_nearer_lies_between_two_values_that_are_alike(
    present: int, runs: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Whatever may happen: each value is tried in turn, from the present one outward."""
    happens = [what for what, length in runs for _ in range(length)]
    high = max(len(happens) - 1, present)
    happens += [0] * (high + 1 - len(happens))
    turning = data.draw(st.frozensets(st.integers(0, 3), max_size=2)) - {happens[present]}
    tries = [Try(what in turning, what) for what in happens]
    found = nearest(present, 0, high, tries.__getitem__)
    distance = high + 1 if found is None else abs(found - present)
    if found is not None:
        assert tries[found].turned
        assert not tries[found + (1 if found < present else -1)].turned
    for value, tried in enumerate(tries):
        if tried.turned and abs(value - present) < distance:
            side = range(present, high + 1) if value > present else range(present + 1)
            before, behind = (
                {happens[each] for each in side if each < value},
                {happens[each] for each in side if each > value},
            )
            assert (before & behind) - turning, (found, value)


@pytest.mark.rule("HM-181")
def test_what_happens_only_between_two_values_that_are_alike_is_not_looked_for() -> None:
    """Between four and eight more."""
    assert nearest(20, 20, 40, lambda value: Try(value == 26, value == 26)) is None
    assert nearest(20, 20, 40, lambda value: Try(value == 24, value == 24)) == 24


@pytest.mark.rule("HM-184")
def test_no_more_is_tried_than_may_be() -> None:
    allowance = Allowance(10)
    allowance.spend(10)
    with pytest.raises(Spent):
        allowance.spend(1)
