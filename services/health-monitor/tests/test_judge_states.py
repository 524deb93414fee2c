"""Every row of the table of states, at its exact instant."""

from typing import Any

import pytest
from judge_log import GATEWAY, T0, Log, judge

FIRST = (0.0, None, "healthy", "first_heard")


@pytest.mark.rule("HM-1", "HM-2", "HM-3")
def test_a_device_that_falls_silent_is_pending_then_fires() -> None:
    judged = judge(Log().policy().beat(interval_s=20).pulsed(200))

    assert judged.steps() == [
        FIRST,
        (60.0, "healthy", "pending_open", "silent"),
        (120.0, "pending_open", "firing", "debounce_passed"),
    ]
    fired = judged.changes[-1]
    assert (fired.condition, fired.since - T0, fired.policy_version) == ("device_offline", 60_000, 1)
    assert fired.evidence.last_heard == T0
    assert fired.evidence.deadline == T0 + 60_000
    assert fired.evidence.status == "silent"
    assert (fired.evidence.timeout_s, fired.evidence.debounce_s) == (60, 60)


@pytest.mark.rule("HM-1")
def test_the_timeout_is_three_intervals_and_at_least_thirty_seconds() -> None:
    short = judge(Log().policy().beat(interval_s=1).pulsed(31))
    unknown = judge(Log().policy().beat().pulsed(181))

    assert short.steps()[1:] == [(30.0, "healthy", "pending_open", "silent")]
    assert unknown.steps()[1:] == [(180.0, "healthy", "pending_open", "silent")]


@pytest.mark.rule("HM-4")
def test_a_heartbeat_within_the_open_debounce_ends_it_with_nothing_opened() -> None:
    judged = judge(Log().policy(timeout_s=10).beat().pulsed(30).at(30.5).beat().pulsed(35))

    assert judged.steps() == [
        FIRST,
        (10.0, "healthy", "pending_open", "silent"),
        (30.5, "pending_open", "healthy", "reported"),
    ]


@pytest.mark.rule("HM-2", "HM-3")
def test_a_device_that_reports_offline_is_pending_at_once() -> None:
    judged = judge(Log().policy(timeout_s=600).beat().pulsed(5).at(5.25).beat(status="offline").pulsed(70))

    assert judged.steps() == [
        FIRST,
        (5.25, "healthy", "pending_open", "reported"),
        (65.25, "pending_open", "firing", "debounce_passed"),
    ]
    assert judged.changes[-1].evidence.status == "offline"
    assert judged.changes[-1].evidence.deadline is None


@pytest.mark.rule("HM-2")
def test_a_device_first_heard_of_as_offline_starts_pending() -> None:
    judged = judge(Log().policy(open_debounce_s=1).beat(status="offline").pulsed(2))

    assert judged.steps() == [
        (0.0, None, "pending_open", "first_heard"),
        (1.0, "pending_open", "firing", "debounce_passed"),
    ]


def fallen_silent() -> Log:
    """A device that fires at 20 s."""
    return Log().policy(timeout_s=10, open_debounce_s=10, resolve_debounce_s=10).beat().pulsed(25)


@pytest.mark.rule("HM-5", "HM-6")
def test_a_firing_device_that_is_heard_resolves_after_the_resolve_debounce() -> None:
    judged = judge(fallen_silent().beat().pulsed(30).beat().pulsed(39))

    assert judged.steps()[2:] == [
        (20.0, "pending_open", "firing", "debounce_passed"),
        (25.0, "firing", "pending_resolve", "reported"),
        (35.0, "pending_resolve", "healthy", "debounce_passed"),
    ]
    assert [change.condition for change in judged.changes[-2:]] == ["device_offline", "device_offline"]


@pytest.mark.rule("HM-7")
def test_a_device_that_relapses_within_the_resolve_debounce_fires_on() -> None:
    judged = judge(fallen_silent().beat().pulsed(28).beat(status="offline").pulsed(40))

    assert judged.steps()[3:] == [
        (25.0, "firing", "pending_resolve", "reported"),
        (28.0, "pending_resolve", "firing", "reported"),
    ]


@pytest.mark.rule("HM-7")
def test_a_device_that_falls_silent_within_the_resolve_debounce_fires_on() -> None:
    log = Log().policy(timeout_s=5, open_debounce_s=5, resolve_debounce_s=60).beat().pulsed(20).beat().pulsed(60)

    assert judge(log).steps()[3:] == [
        (20.0, "firing", "pending_resolve", "reported"),
        (25.0, "pending_resolve", "firing", "silent"),
    ]


@pytest.mark.rule("HM-8")
@pytest.mark.parametrize(
    ("status", "condition"),
    [("unreachable", "integration_unreachable"), ("credentials_invalid", "integration_credentials_invalid")],
)
def test_an_integration_is_unhealthy_by_what_it_reports(status: str, condition: str) -> None:
    judged = judge(Log().policy().beat(GATEWAY).pulsed(10).beat(GATEWAY, status=status).pulsed(80))

    assert judged.steps("integration/hue-1")[1:] == [
        (10.0, "healthy", "pending_open", "reported"),
        (70.0, "pending_open", "firing", "debounce_passed"),
    ]
    assert judged.changes[-1].condition == condition


@pytest.mark.rule("HM-8")
def test_a_silent_integration_is_unreachable() -> None:
    judged = judge(Log().policy(timeout_s=30).beat(GATEWAY).pulsed(31))

    assert judged.changes[-1].condition == "integration_unreachable"


@pytest.mark.rule("HM-9")
def test_the_condition_of_a_pending_integration_is_the_last_one_reported_and_its_debounce_runs_on() -> None:
    log = Log().policy().beat(GATEWAY, status="unreachable").pulsed(30).beat(GATEWAY, status="credentials_invalid")

    fired = judge(log.pulsed(61)).changes[-1]

    assert (fired.to_state, fired.at - T0) == ("firing", 60_000)
    assert fired.condition == "integration_credentials_invalid"


@pytest.mark.rule("HM-10")
def test_a_debounce_of_nothing_fires_at_the_same_record() -> None:
    judged = judge(Log().policy(open_debounce_s=0).beat().at(1).beat(status="offline"))

    assert judged.steps()[1:] == [
        (1.0, "healthy", "pending_open", "reported"),
        (1.0, "pending_open", "firing", "debounce_passed"),
    ]


@pytest.mark.rule("HM-10")
def test_a_timer_due_at_a_records_time_goes_before_the_record() -> None:
    judged = judge(Log().policy(timeout_s=10).beat().pulsed(9).at(10).beat())

    assert judged.steps()[1:] == [
        (10.0, "healthy", "pending_open", "silent"),
        (10.0, "pending_open", "healthy", "reported"),
    ]


@pytest.mark.rule("HM-11")
def test_timers_due_at_one_instant_go_in_the_order_of_their_keys() -> None:
    log = Log().policy(timeout_s=10)
    for name in ("c", "a", "d", "b"):
        log.beat(f"acme/device/{name}")
    judged = judge(log.pulsed(11))

    assert [change.subject for change in judged.changes[4:]] == [f"device/{name}" for name in "abcd"]


@pytest.mark.rule("HM-12")
def test_what_the_device_says_of_its_own_time_changes_nothing() -> None:
    right = judge(Log().policy(timeout_s=10).beat(at="2026-11-23T00:00:00Z").pulsed(11))
    wrong = judge(Log().policy(timeout_s=10).beat(at="1970-01-01T00:00:00Z", seq=-4).pulsed(11))

    assert right.steps() == wrong.steps()


@pytest.mark.rule("HM-12")
def test_notes_that_change_each_time_are_life_and_nothing_else() -> None:
    log = Log().policy(timeout_s=10)
    for second in range(0, 60, 5):
        log.at(second).beat(status="ok", name="One", seq=second)
    judged = judge(log.pulsed(64))
    assert judged.steps() == [(0, None, "healthy", "first_heard")]
    assert judged.fold(log.pulsed(66)).steps()[1:] == [(65, "healthy", "pending_open", "silent")]


@pytest.mark.rule("HM-12", "HM-2", "HM-29")
@pytest.mark.parametrize("said", [{"status": "offline"}, {"name": "Other"}, {"model": "T100"}, {"interval_s": 3}])
def test_what_is_not_a_note_is_noticed_among_notes_that_change(said: dict[str, Any]) -> None:
    log = Log().policy()
    for seq in range(5):
        log.beat(status="ok", name="One", seq=seq)
    judged = judge(log)
    assert judged.fold(log.beat(status="ok", name="One", seq=5)).folded.judgements == []
    assert judged.fold(log.beat(**{"status": "ok", "name": "One", "seq": 6, **said})).folded.judgements
