"""What is named as deciding otherwise does, in another reading of the whole log, and what is not named does not."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from why_lives import Life, lives, put, silence

from fettle_health_monitor.domain.why.changes import (
    LIMITS,
    NumberChange,
    SilenceChange,
    SwitchChange,
    WhatIf,
    as_it_was,
    numbers,
    those_that_turn_it,
)
from fettle_health_monitor.domain.why.search import Allowance

PLENTY = 10_000_000


def named(life: Life) -> list[WhatIf]:
    return those_that_turn_it(life.case, Allowance(PLENTY))


@pytest.mark.rule("HM-180")
@settings(max_examples=150, deadline=None)
@given(lives())
def test_whether_there_is_a_ticket_is_told_as_another_reading_says(life: Life) -> None:
    assert as_it_was(life.case)[1].ticket == life.has_ticket


@pytest.mark.rule("HM-181", "HM-182", "HM-183")
@settings(max_examples=80, deadline=None)
@given(lives())
def test_whatever_is_named_turns_it_and_by_one_step_less_does_not(life: Life) -> None:
    has = life.has_ticket
    for change in named(life):
        assert life.would_have_ticket(change) != has, change
        for less in one_step_less(change):
            assert life.would_have_ticket(less) == has, less


def one_step_less(change: WhatIf) -> Iterator[WhatIf]:
    """A second less of a silence that is one more; a switch, a silence less, or what holds by now, had it held all
    along, has no steps."""
    match change:
        case NumberChange(_, present, wanted) if wanted != present:
            yield replace(change, wanted=wanted + (1 if wanted < present else -1))
        case SilenceChange("add", added) if added.schedule.length_s > 1:
            shorter = replace(added.schedule, length_s=added.schedule.length_s - 1)
            yield replace(change, silence=replace(added, schedule=shorter))


@pytest.mark.rule("HM-181", "HM-183")
@settings(max_examples=100, deadline=None)
@given(lives())
def test_no_switch_and_no_silence_that_is_not_named_turns_it(life: Life) -> None:
    """Every switch, every silence less, and one more from wherever a ticket may have been asked for until behind the
    instant."""
    found, has, last = named(life), life.has_ticket, put(life.log)[-1][1]
    switches: list[WhatIf] = [SwitchChange("publish_tickets", not life.publishing[last.version])]
    if len(set(life.publishing.values())) > 1:
        switches.insert(0, SwitchChange("publish_tickets", life.publishing[last.version], all_along=True))
    if len({policy.enabled for _, policy in put(life.log)}) > 1:
        switches.append(SwitchChange("enabled", last.enabled, all_along=True))
    switches.append(SwitchChange("enabled", not last.enabled))
    fewer = [SilenceChange("remove", each) for each in life.silences]
    assert [one for one in found if isinstance(one, SwitchChange)] == [
        one for one in switches if life.would_have_ticket(one) != has
    ]
    assert [one for one in found if isinstance(one, SilenceChange) and one.action == "remove"] == [
        one for one in fewer if life.would_have_ticket(one) != has
    ]
    if not any(isinstance(one, SilenceChange) for one in found):
        ends = [each.schedule.end for each in life.silences]
        for start in sorted({*(change.at for change in life.changes), *ends, life.log.records[0].timestamp}):
            if start > life.at:
                break
            length_s = (life.at - start) // 1000 + 1
            more = SilenceChange("add", silence(99, start, length_s, life.subject))
            assert life.would_have_ticket(more) == has, more


@pytest.mark.rule("HM-181")
@settings(max_examples=25, deadline=None)
@given(lives(), st.sampled_from(sorted(LIMITS)))
def test_no_number_nearer_than_the_smallest_that_is_named_turns_it(life: Life, rule: str) -> None:
    was, _ = as_it_was(life.case)
    present = numbers(was, life.case.log).get(rule)
    if present is None:
        return
    assert isinstance(present, int), "nobody here says an interval of no whole seconds"
    found = [one for one in named(life) if isinstance(one, NumberChange)]
    smallest, has = min((one.size for one in found), default=float("inf")), life.has_ticket
    for distance in range(1, 31):
        if distance / max(present, 1) >= smallest:
            break
        for value in {max(LIMITS[rule][0], present - distance), present + distance} - {present}:
            assert life.would_have_ticket(NumberChange(rule, present, value)) == has, (rule, present, value)


@pytest.mark.rule("HM-181")
@settings(max_examples=30, deadline=None)
@given(lives())
def test_no_number_at_all_that_changes_by_a_smaller_part_turns_it(life: Life) -> None:
    """Every value of every number up to twelve away, one by one, whatever the search has skipped."""
    was, _ = as_it_was(life.case)
    found = [one for one in named(life) if isinstance(one, NumberChange)]
    smallest, has = min((one.size for one in found), default=float("inf")), life.has_ticket
    for rule, present in numbers(was, life.case.log).items():
        for value in range(max(LIMITS[rule][0], int(present) - 12), int(present) + 13):
            change = NumberChange(rule, present, value)
            if value != present and change.size < smallest:
                assert life.would_have_ticket(change) == has, (change, found)
