"""Something else is wrong than before: which condition a subject fires for, and from when on."""

from typing import Any

import pytest
from judge_log import GATEWAY, T0, Judged, Log, judge

from fettle_health_monitor.domain.judgements import HeardAgain

SUBJECT = "integration/hue-1"
RULES: dict[str, Any] = {"timeout_s": 3600, "open_debounce_s": 10, "resolve_debounce_s": 20}
UNREACHABLE, INVALID = "integration_unreachable", "integration_credentials_invalid"


def firing(**fields: Any) -> Log:
    """An integration that fires as unreachable from 10 s on."""
    return Log().policy(**{**RULES, **fields}).beat(GATEWAY, status="unreachable").pulsed(15)


def said(judged: Judged) -> list[tuple[float, str | None, str | None, str | None]]:
    return [((c.at - T0) / 1000, c.from_state, c.to_state, c.condition) for c in judged.changes]


@pytest.mark.rule("HM-97")
def test_a_condition_that_has_changed_for_one_open_debounce_fires_for_itself() -> None:
    judged = judge(firing().beat(GATEWAY, status="credentials_invalid").pulsed(24.999))
    assert len(judged.changes) == 2
    log = firing().beat(GATEWAY, status="credentials_invalid").pulsed(40)
    judged = judge(log)

    assert said(judged)[2:] == [(25.0, "firing", "firing", INVALID)]
    changed = judged.changes[-1]
    assert (changed.reason, changed.since - T0) == ("condition_changed", 15_000)
    assert (changed.evidence.status, changed.evidence.deadline) == ("credentials_invalid", None)
    assert judged.fold(log.beat(GATEWAY).pulsed(70)).changes[-1].condition == INVALID


@pytest.mark.rule("HM-97")
def test_it_counts_from_its_last_change() -> None:
    log = firing().beat(GATEWAY, status="credentials_invalid").pulsed(20).beat(GATEWAY, status="unreachable")
    log.pulsed(22).beat(GATEWAY, status="credentials_invalid").pulsed(25).beat(GATEWAY, status="credentials_invalid")

    assert said(judge(log.pulsed(40)))[2:] == [(32.0, "firing", "firing", INVALID)]


@pytest.mark.rule("HM-97")
@pytest.mark.parametrize(("back_at", "changes"), [(24.999, 0), (25.0, 1)])
def test_one_that_changes_back_in_time_was_nothing(back_at: float, changes: int) -> None:
    log = firing().beat(GATEWAY, status="credentials_invalid").pulsed(back_at).beat(GATEWAY, status="unreachable")

    assert len(said(judge(log.pulsed(30)))[2:]) == changes


@pytest.mark.rule("HM-97")
def test_after_a_relapse_it_counts_from_the_relapse_and_the_ticket_stays_until_then() -> None:
    log = firing().beat(GATEWAY).pulsed(18).beat(GATEWAY, status="credentials_invalid").pulsed(40)

    assert said(judge(log))[2:] == [
        (15.0, "firing", "pending_resolve", UNREACHABLE),
        (18.0, "pending_resolve", "firing", UNREACHABLE),
        (28.0, "firing", "firing", INVALID),
    ]


@pytest.mark.rule("HM-97", "HM-96")
@pytest.mark.parametrize(("changed_at", "fires_at"), [(20, 30.0), (24, 34.0)])
def test_out_of_flapping_it_counts_from_when_it_changed(changed_at: float, fires_at: float) -> None:
    log = firing(flap_flips_threshold=2, flap_stable_s=10).beat(GATEWAY).beat(GATEWAY, status="unreachable")
    log.pulsed(changed_at).beat(GATEWAY, status="credentials_invalid").pulsed(40)

    assert said(judge(log))[-2:] == [
        (25.0, "flapping", "firing", UNREACHABLE),
        (fires_at, "firing", "firing", INVALID),
    ]


@pytest.mark.rule("HM-97", "HM-99")
def test_what_had_changed_before_flapping_counts_from_then() -> None:
    log = firing(flap_stable_s=3).beat(GATEWAY).pulsed(18).beat(GATEWAY, status="credentials_invalid").pulsed(20)
    log.policy(**RULES, flap_stable_s=3, flap_flips_threshold=2).pulsed(40)

    assert said(judge(log))[4:] == [
        (20.0, "firing", "flapping", UNREACHABLE),
        (23.0, "flapping", "firing", UNREACHABLE),
        (28.0, "firing", "firing", INVALID),
    ]


@pytest.mark.rule("HM-97")
def test_a_new_policy_and_switching_on_retime_a_changed_condition() -> None:
    log = firing().beat(GATEWAY, status="credentials_invalid").pulsed(18)
    assert said(judge(log.policy(**{**RULES, "open_debounce_s": 5}).pulsed(30)))[-1][0] == 20.0
    log = firing().beat(GATEWAY, status="credentials_invalid").pulsed(18).policy(enabled=False).pulsed(50)
    assert said(judge(log.policy(**RULES).pulsed(70)))[-1] == (60.0, "firing", "firing", INVALID)


@pytest.mark.rule("HM-98")
def test_silence_after_invalid_credentials_is_another_condition() -> None:
    log = Log().policy(**{**RULES, "timeout_s": 30}).beat(GATEWAY, status="credentials_invalid").pulsed(60)
    judged = judge(log)

    assert said(judged)[1:] == [(10.0, "pending_open", "firing", INVALID), (40.0, "firing", "firing", UNREACHABLE)]
    changed = judged.changes[-1]
    assert (changed.since - T0, changed.evidence.deadline) == (30_000, T0 + 30_000)
    assert changed.evidence.status == "silent"


@pytest.mark.rule("HM-98", "HM-9")
def test_silence_while_pending_leaves_the_reported_condition_and_its_debounce() -> None:
    log = Log().policy(**{**RULES, "timeout_s": 5}).beat(GATEWAY, status="credentials_invalid").pulsed(30)
    judged = judge(log)

    assert said(judged)[1:] == [(10.0, "pending_open", "firing", INVALID), (15.0, "firing", "firing", UNREACHABLE)]
    assert judged.changes[1].evidence.status == "credentials_invalid"


@pytest.mark.rule("HM-98", "HM-20")
def test_after_a_hole_such_a_silence_needs_timeout_and_debounce_again() -> None:
    log = Log().policy(**{**RULES, "timeout_s": 30}).beat(GATEWAY, status="credentials_invalid").pulsed(35)

    assert said(judge(log.at(600).pulse().pulsed(700)))[-1] == (640.0, "firing", "firing", UNREACHABLE)


@pytest.mark.rule("HM-98", "HM-15")
def test_a_longer_timeout_brings_back_what_was_reported_last() -> None:
    short = {**RULES, "timeout_s": 30}
    log = Log().policy(**short).beat(GATEWAY, status="credentials_invalid").pulsed(35).policy(**RULES).pulsed(50)
    assert [step[2] for step in judge(log).steps(SUBJECT)] == ["pending_open", "firing"]

    log = Log().policy(**short).beat(GATEWAY, status="credentials_invalid").pulsed(45).policy(**RULES).pulsed(60)
    assert said(judge(log))[-1] == (55.0, "firing", "firing", INVALID)


@pytest.mark.rule("HM-97", "HM-98")
def test_a_report_of_what_the_silence_meant_already_changes_nothing() -> None:
    log = Log().policy(**{**RULES, "timeout_s": 30}).beat(GATEWAY, status="credentials_invalid").pulsed(35)

    assert said(judge(log.beat(GATEWAY, status="unreachable").pulsed(60)))[-1] == (
        40.0,
        "firing",
        "firing",
        UNREACHABLE,
    )


@pytest.mark.rule("HM-98")
def test_silence_after_a_fault_of_the_same_condition_changes_nothing() -> None:
    log = Log().policy(**{**RULES, "timeout_s": 30}).beat(GATEWAY, status="unreachable").beat(status="offline")

    assert [change.at - T0 for change in judge(log.pulsed(100)).changes] == [0, 0, 10_000, 10_000]


@pytest.mark.rule("HM-98", "HM-15")
def test_who_reported_offline_and_then_nothing_stays_offline_whatever_the_timeout() -> None:
    log = Log().policy(**{**RULES, "timeout_s": 30}).beat(status="offline").pulsed(50).policy(**RULES).pulsed(60)

    assert [step[2] for step in judge(log).steps()] == ["pending_open", "firing"]


@pytest.mark.rule("HM-8", "HM-18")
def test_a_registered_integration_that_never_reports_is_unreachable() -> None:
    log = Log().policy(**{**RULES, "timeout_s": 30}).register(GATEWAY).pulsed(50)

    assert said(judge(log)) == [
        (0.0, None, "healthy", None),
        (30.0, "healthy", "pending_open", UNREACHABLE),
        (40.0, "pending_open", "firing", UNREACHABLE),
    ]


@pytest.mark.rule("HM-26", "HM-97")
def test_firing_on_for_one_condition_after_another_at_one_record_has_two_ids() -> None:
    log = Log().policy(**{**RULES, "timeout_s": 2, "open_debounce_s": 0}).beat(GATEWAY, status="credentials_invalid")
    judged = judge(log.pulsed(1).at(3).beat(GATEWAY, status="credentials_invalid"))

    assert said(judged)[-2:] == [(2.0, "firing", "firing", UNREACHABLE), (3.0, "firing", "firing", INVALID)]
    assert judged.changes[-1].evidence.offset == judged.changes[-2].evidence.offset
    assert len({change.id for change in judged.changes}) == len(judged.changes)


@pytest.mark.rule("HM-160")
@pytest.mark.parametrize(
    ("fields", "silent_until", "status", "condition"),
    [
        ({}, 35, "unreachable", UNREACHABLE),
        ({}, 35, "credentials_invalid", INVALID),
        ({"open_debounce_s": 600}, 35, "unreachable", UNREACHABLE),
        ({"flap_flips_threshold": 2}, 35, "ok", None),
    ],
    ids=["firing", "firing, otherwise", "pending", "flapping"],
)
def test_one_that_is_heard_and_stays_what_it_is_has_been_heard(
    fields: dict[str, Any], silent_until: int, status: str, condition: str | None
) -> None:
    log = Log().policy(**{**RULES, "timeout_s": 20, "flap_flips_threshold": 9, **fields}).beat(GATEWAY)
    if "flap_flips_threshold" in fields:
        log.pulsed(1).beat(GATEWAY, status="unreachable").pulsed(2).beat(GATEWAY)
    judged = judge(log.pulsed(silent_until).beat(GATEWAY, status=status).beat(GATEWAY, status=status))

    (heard,) = [each for each in judged.judgements if isinstance(each, HeardAgain)]
    assert (heard.subject, heard.status, heard.condition) == (SUBJECT, status, condition)
    assert heard.at - T0 == silent_until * 1000


@pytest.mark.rule("HM-160")
def test_one_whose_state_says_that_it_was_heard_needs_no_other_word() -> None:
    log = Log().policy(**{**RULES, "timeout_s": 20}).beat(GATEWAY).pulsed(35).beat(GATEWAY).pulsed(80)
    assert not [each for each in judge(log).judgements if isinstance(each, HeardAgain)]
