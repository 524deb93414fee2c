"""The change that is named turns the answer, one step less does not, and none that is smaller does."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from judge_log import DEVICE, T0, Judged, Log
from msgspec.structs import replace as with_fields
from why_logs import ON, case_of, changes_of, extracted, lives, under

from fettle_contracts.health_policy import Bounds
from fettle_health_monitor.domain.control import Match, Override
from fettle_health_monitor.domain.correlator.decide import Switches
from fettle_health_monitor.domain.correlator.silences import Schedule, Silence
from fettle_health_monitor.domain.correlator.verdicts import Cause, Named, Verdict
from fettle_health_monitor.domain.why.changes import (
    LIMITS,
    Case,
    DiscoverChange,
    NumberChange,
    SilenceChange,
    SwitchChange,
    as_it_was,
    as_it_would_be,
    if_it_were_watched,
    numbers,
    those_that_turn_it,
    with_rule,
)
from fettle_health_monitor.domain.why.picture import stood_at_start
from fettle_health_monitor.domain.why.search import Allowance, Spent, Try, nearest
from fettle_health_monitor.domain.why.tickets import Circumstances, tell
from fettle_health_monitor.entrypoints.correlator.why_shapes import ShownChange

PLENTY = 10_000_000


def ticket_in_a_whole_replay(log: Log, case: Case, rule: str, value: int) -> bool:
    """Judge the whole log with the override in every policy of it, as a shard does, and decide what follows."""
    changed = Log()
    changed.records = under(log.records, lambda policy: with_rule(policy, "device/t17", rule, value))
    return tell(changes_of(Judged().fold(changed)), case.known, case.log.at).ticket


@pytest.mark.rule("HM-181", "HM-182")
@settings(max_examples=150, deadline=None)
@given(lives())
def test_a_number_that_is_named_is_true_and_one_step_less_is_not_enough(log: Log) -> None:
    case = case_of(log)
    was, told = as_it_was(case)
    present = numbers(was, case.log)
    for change in those_that_turn_it(case, Allowance(PLENTY)):
        if not isinstance(change, NumberChange):
            continue
        assert change.present == present[change.rule]
        assert ticket_in_a_whole_replay(log, case, change.rule, change.wanted) != told.ticket
        step = 1 if change.wanted < change.present else -1
        assert ticket_in_a_whole_replay(log, case, change.rule, change.wanted + step) == told.ticket


@pytest.mark.rule("HM-182")
@pytest.mark.parametrize(("silent_s", "is_named"), [(7.999, False), (8, True)])
def test_a_newcomer_that_is_only_listed_is_told_what_watching_it_would_have_meant(
    silent_s: float, is_named: bool
) -> None:
    """Too long silent after five seconds, and firing after three more."""
    log = Log().policy(discover="list_only", timeout_s=5, open_debounce_s=3).beat()
    heard = log.ms
    while log.ms < heard + 1000 * silent_s:
        log.ms = min(log.ms + 1_000, heard + round(1000 * silent_s))
        log.pulse()
    case = case_of(log)
    assert not as_it_was(case)[0].changes
    assert if_it_were_watched(case, "list_only") == ([DiscoverChange("list_only")] if is_named else [])
    refused = replace(case, known=replace(case.known, bounds=Bounds(stands=False)))
    assert if_it_were_watched(refused, "list_only") == []
    watched = Log()
    watched.records = under(log.records, lambda policy: with_fields(policy, discover="judge"))
    assert tell(changes_of(Judged().fold(watched)), case.known, case.log.at).ticket == is_named


@pytest.mark.rule("HM-181")
@settings(max_examples=60, deadline=None)
@given(lives(), st.sampled_from(sorted(LIMITS)))
def test_no_smaller_number_turns_it(log: Log, rule: str) -> None:
    """By trying them all, one after the other."""
    case = case_of(log)
    was, told = as_it_was(case)
    present, (low, _) = int(numbers(was, case.log)[rule]), LIMITS[rule]
    found = those_that_turn_it(case, Allowance(PLENTY))
    smallest = found[0].size if found else float("inf")
    for distance in range(1, 41):
        if distance / max(present, 1) >= smallest:
            break
        for value in {max(low, present - distance), present + distance}:
            _, would_be = as_it_would_be(case, NumberChange(rule, present, value))
            assert would_be.ticket == told.ticket, (rule, present, value)


def silent_for(seconds: int, **policy: object) -> Log:
    log = Log().policy(**{"timeout_s": 60, "open_debounce_s": 30, **policy}).beat()  # type: ignore[arg-type]
    return log.pulsed(seconds)


def silence(start_s: float, length_s: int, id: int = 1) -> Silence:
    schedule = Schedule(T0 + round(start_s * 1000), length_s)
    return Silence(id=UUID(int=id), org="acme", subject="device/t17", schedule=schedule, by="ann@acme.test")


@pytest.mark.rule("HM-181")
def test_a_silent_device_has_no_ticket_with_a_timeout_that_is_just_long_enough() -> None:
    case = case_of(silent_for(100))
    assert as_it_was(case)[1].ticket
    smallest, *others = those_that_turn_it(case, Allowance(PLENTY))
    assert smallest == NumberChange("timeout_s", 60, 71)
    assert as_it_was(case_of(silent_for(100, timeout_s=70)))[1].ticket
    assert not any(isinstance(other, NumberChange) for other in others), "none that is larger is looked for"
    assert SwitchChange("publish_tickets", wanted=False) in others
    assert SwitchChange("enabled", wanted=False) in others


@pytest.mark.rule("HM-181")
def test_a_device_that_came_back_just_in_time_would_have_one_with_a_little_less() -> None:
    log = silent_for(80).beat().pulsed(85)
    case = case_of(log)
    assert not as_it_was(case)[1].ticket
    smallest = those_that_turn_it(case, Allowance(PLENTY))[0]
    assert smallest == NumberChange("timeout_s", 60, 50)
    assert as_it_would_be(case, smallest)[1].ticket
    assert not as_it_would_be(case, replace(smallest, wanted=51))[1].ticket


@pytest.mark.rule("HM-181")
def test_an_override_that_stands_is_kept_and_changed_in_one_field() -> None:
    over = (Override(match=Match(subject="device/t17"), open_debounce_s=3, timeout_s=60),)
    log = silent_for(70, timeout_s=10, overrides=over)
    (smallest, *_) = those_that_turn_it(case_of(log), Allowance(PLENTY))
    assert smallest == NumberChange("timeout_s", 60, 68)


@pytest.mark.rule("HM-183")
def test_who_is_silenced_would_have_one_without_the_silence() -> None:
    case = case_of(silent_for(100), silence(0, 3_600))
    assert not as_it_was(case)[1].ticket
    assert those_that_turn_it(case, Allowance(PLENTY)) == [SilenceChange("remove", silence(0, 3_600))]


def verdict(cause: Cause, at_s: float) -> Verdict:
    return Verdict(
        id=UUID(int=99),
        cause=cause,
        org="acme",
        subject="device/t17",
        condition="device_offline",
        at=T0 + round(at_s * 1000),
        since=T0,
        policy_version=1,
        evidence={},
    )


@pytest.mark.rule("HM-182", "HM-183")
def test_what_was_decided_before_the_log_begins_is_decided_again_too() -> None:
    log = silent_for(200)
    begins = next(place for place, record in enumerate(log.records) if record.timestamp >= T0 + 150_000)
    subject_log = extracted(log, begins, log.ms)
    known = Circumstances(
        from_at=log.records[begins - 1].timestamp,
        switches={1: ON},
        named=Named(),
        in_force=((0, 1),),
        silences=(silence(0, 3_600),),
        earlier=(verdict(Cause.FIRING, 90),),
        stood=stood_at_start(subject_log),
    )
    case = Case(subject_log, known)
    assert not as_it_was(case)[1].ticket
    assert those_that_turn_it(case, Allowance(PLENTY)) == [SilenceChange("remove", silence(0, 3_600))]

    ended = Case(subject_log, replace(known, silences=(silence(0, 170),)))
    assert [str(one.cause) for one, _ in as_it_was(ended)[1].decided] == ["firing", "silence_ended"]
    assert as_it_was(ended)[1].ticket
    well = Case(subject_log, replace(known, silences=(), earlier=(), called=(verdict(Cause.PUBLISHING_BEGAN, 180),)))
    assert as_it_was(well)[1].ticket
    smallest = those_that_turn_it(well, Allowance(PLENTY))[0]
    assert isinstance(smallest, SilenceChange)
    assert smallest.silence.schedule == Schedule(T0 + 180_000, 21)


@pytest.mark.rule("HM-338", "HM-67")
@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize(("kept_from_s", "early"), [(150, True), (80, False)])
def test_a_switch_that_had_to_stand_otherwise_before_the_log_begins_is_named_so(
    published: bool, kept_from_s: int, early: bool
) -> None:
    """Fired at 90 s: from 150 s on, publishing opens nothing about it, and its end takes no ticket away."""
    log = silent_for(200)
    begins = next(place for place, record in enumerate(log.records) if record.timestamp >= T0 + kept_from_s * 1000)
    subject_log = extracted(log, begins, log.ms)
    known = Circumstances(
        from_at=log.records[begins - 1].timestamp,
        switches={1: replace(ON, publish_tickets=published)},
        named=Named(),
        in_force=((0, 1),),
        earlier=(verdict(Cause.FIRING, 90),) if early else (),
        stood=stood_at_start(subject_log),
    )
    found = those_that_turn_it(Case(subject_log, known), Allowance(PLENTY))
    (publishing,) = [each for each in found if getattr(each, "switch", "") == "publish_tickets"]
    assert publishing == SwitchChange("publish_tickets", wanted=not published, early=early)
    shown = ShownChange.of(publishing)
    was, would_be = ("on", "off") if published else ("off", "on")
    assert (shown.present, shown.wanted, shown.from_the_beginning) == (published, not published, early)
    expected = f"publish_tickets {would_be} from the beginning" if early else f"publish_tickets {was} -> {would_be}"
    assert shown.text == expected


@pytest.mark.rule("HM-181", "HM-182")
def test_what_is_overdue_where_the_log_begins_is_decided_there() -> None:
    log = Log().policy(timeout_s=60, open_debounce_s=600).beat().pulsed(160)
    kept, switches = len(log.records), {1: ON}
    began = log.records[-1].timestamp
    subject_log = extracted(log, kept, log.pulsed(180).ms)
    case = Case(subject_log, Circumstances(from_at=began, switches=switches, named=Named()))
    answers = {
        wanted: as_it_would_be(case, NumberChange("open_debounce_s", 600, wanted))[1].ticket
        for wanted in (5, 50, 99, 100, 101, 119, 120, 121, 300)
    }
    assert answers == {wanted: wanted <= 120 for wanted in answers}
    assert those_that_turn_it(case, Allowance(PLENTY))[0] == NumberChange("open_debounce_s", 600, 120)


@pytest.mark.rule("HM-183")
def test_of_two_silences_neither_alone_decides() -> None:
    case = case_of(silent_for(100), silence(0, 3_600), silence(10, 3_600, id=2))
    assert those_that_turn_it(case, Allowance(PLENTY)) == []


@pytest.mark.rule("HM-183")
def test_a_silence_that_would_have_been_long_enough_is_named_to_the_second() -> None:
    case = case_of(silent_for(5_000))
    found = next(one for one in those_that_turn_it(case, Allowance(PLENTY)) if isinstance(one, SilenceChange))
    assert (found.silence.schedule.start, found.silence.schedule.length_s) == (T0 + 90_000, 4_911)
    assert not as_it_would_be(case, found)[1].ticket
    shorter = replace(found.silence, schedule=replace(found.silence.schedule, length_s=4_910))
    assert as_it_would_be(case, replace(found, silence=shorter))[1].ticket, "its end asks for the ticket"


@pytest.mark.rule("HM-183")
def test_one_switch_is_named_where_one_is_off_and_none_where_both_are() -> None:
    unpublished = Switches(version=1, enabled=True, publish_tickets=False)
    case = case_of(silent_for(5_000), switches=unpublished)
    assert those_that_turn_it(case, Allowance(PLENTY)) == [SwitchChange("publish_tickets", wanted=True)]

    log = Log().policy(enabled=False, timeout_s=60).beat().pulsed(200)
    off = Switches(version=1, enabled=False, publish_tickets=True)
    assert those_that_turn_it(case_of(log, switches=off), Allowance(PLENTY)) == [SwitchChange("enabled", wanted=True)]
    both_off = Switches(version=1, enabled=False, publish_tickets=False)
    assert those_that_turn_it(case_of(log, switches=both_off), Allowance(PLENTY)) == []


@pytest.mark.rule("HM-182")
def test_a_device_that_reports_well_would_have_none_whatever_is_changed_by_less_than_it_is_heard() -> None:
    log = Log().policy(timeout_s=60)
    for second in range(0, 100, 5):
        log.at(second).pulsed(second + 0.5)
        log.beat(DEVICE, interval_s=5)
    found = those_that_turn_it(case_of(log), Allowance(PLENTY))
    assert found == [], "no timeout may be under the interval"


@pytest.mark.rule("HM-184")
def test_the_search_ends_when_it_may_try_no_more() -> None:
    with pytest.raises(Spent):
        those_that_turn_it(case_of(silent_for(100)), Allowance(100))


@given(st.sets(st.integers(0, 200)), st.integers(0, 200))
def test_the_nearest_is_found_behind_every_step(turning: set[int], present: int) -> None:
    turning -= {present}

    def attempt(value: int) -> Try:
        return Try(value in turning, sum(step <= value for step in turning) * 2 + (value in turning))

    found = nearest(present, 0, 200, attempt)
    nearest_of_all = min(turning, key=lambda value: (abs(value - present), -value), default=None)
    assert found == nearest_of_all
    assert nearest(present, present, present, attempt) is None


@pytest.mark.rule("HM-288")
@given(st.sets(st.integers(0, 60)), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_the_nearest_is_found_wherever_what_holds_lies(turning: set[int], present: int, low: int, high: int) -> None:
    def attempt(value: int) -> Try:
        return Try(value in turning, value)

    there = {value for value in turning if low <= value <= high or value == present}
    nearest_of_all = min(there, key=lambda value: (abs(value - present), -value), default=None)
    assert nearest(present, low, high, attempt) == nearest_of_all


@pytest.mark.rule("HM-339")
@given(st.sets(st.integers(0, 60)), st.integers(0, 60), st.integers(1, 9), st.integers(0, 60), st.integers(0, 60))
@example(turning={36, 40}, under=37, tenths=5, low=0, high=60)
def test_the_nearest_to_what_is_no_whole_number_is_found(
    turning: set[int], under: int, tenths: int, low: int, high: int
) -> None:
    def distance(value: int) -> int:
        return abs(10 * value - 10 * under - tenths)

    there = {value for value in turning if low <= value <= high}
    nearest_of_all = min(there, key=lambda value: (distance(value), -value), default=None)
    assert nearest(under + tenths / 10, low, high, lambda value: Try(value in turning, value)) == nearest_of_all
