"""The ordinary states at their edges: what comes of a report a millisecond before a time is over, just then, and just
behind it."""

from collections.abc import Callable

import pytest
from judge_log import Log, judge

Step = tuple[float, str | None, str | None, str]

BEFORE_AT_AND_BEHIND = ["a millisecond before", "just then", "a millisecond behind"]
SILENT: Step = (10.0, "healthy", "pending_open", "silent")
FIRES: Step = (15.0, "pending_open", "firing", "debounce_passed")
HEARD: Step = (20.0, "firing", "pending_resolve", "reported")
RECOVERS: Step = (27.0, "pending_resolve", "healthy", "debounce_passed")
TURNS: Step = (3.0, "healthy", "pending_open", "reported")
FIRES_AS_REPORTED: Step = (8.0, "pending_open", "firing", "debounce_passed")


def device(timeout_s: float = 10) -> Log:
    """Heard at 0. Silent, it is pending at 10 s and fires at 15 s."""
    return Log().policy(timeout_s=timeout_s, open_debounce_s=5, resolve_debounce_s=7).beat()


def heard_again() -> Log:
    """It fired, and is heard at 20 s: its resolve debounce is over at 27 s, before its next timeout."""
    return device().pulsed(20).beat()


def offline() -> Log:
    """It reports so at 3 s, and fires at 8 s."""
    return device().pulsed(3).beat(status="offline")


def steps(log: Log, report_at: float, status: str = "ok") -> list[Step]:
    """The changes behind its first report, until a second behind one at `report_at`, before which there is no record
    for nearly a second or just over one."""
    log.pulsed(round(report_at) - 1).at(report_at).beat(status=status)
    return judge(log.pulsed(report_at + 1)).steps()[1:]


@pytest.mark.rule("HM-1", "HM-10")
@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (9.999, []),
        (10.0, [SILENT, (10.0, "pending_open", "healthy", "reported")]),
        (10.001, [SILENT, (10.001, "pending_open", "healthy", "reported")]),
    ],
    ids=BEFORE_AT_AND_BEHIND,
)
def test_only_a_heartbeat_before_its_deadline_keeps_a_device_from_being_pending(
    at: float, expected: list[Step]
) -> None:
    assert steps(device(), at) == expected


@pytest.mark.rule("HM-1")
@pytest.mark.parametrize(("timeout_s", "heard"), [(1, 0.001), (10, 0.001), (10, 9.999)])
def test_a_timeout_counts_from_the_millisecond_of_the_last_heartbeat(timeout_s: float, heard: float) -> None:
    over_at = round(heard + timeout_s, 3)
    log = device(timeout_s).pulsed(heard).beat().pulsed(over_at - 0.001)
    judged = judge(log)
    assert judged.steps()[1:] == []

    judged.fold(log.pulsed(over_at))
    assert judged.steps()[1:] == [(over_at, "healthy", "pending_open", "silent")]


@pytest.mark.rule("HM-3", "HM-4", "HM-10")
@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (14.999, [SILENT, (14.999, "pending_open", "healthy", "reported")]),
        (15.0, [SILENT, FIRES, (15.0, "firing", "pending_resolve", "reported")]),
        (15.001, [SILENT, FIRES, (15.001, "firing", "pending_resolve", "reported")]),
    ],
    ids=BEFORE_AT_AND_BEHIND,
)
def test_only_a_heartbeat_before_the_end_of_its_open_debounce_keeps_a_silent_device_from_firing(
    at: float, expected: list[Step]
) -> None:
    assert steps(device(), at) == expected


@pytest.mark.rule("HM-3", "HM-4", "HM-10")
@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (7.999, [TURNS, (7.999, "pending_open", "healthy", "reported")]),
        (8.0, [TURNS, FIRES_AS_REPORTED, (8.0, "firing", "pending_resolve", "reported")]),
        (8.001, [TURNS, FIRES_AS_REPORTED, (8.001, "firing", "pending_resolve", "reported")]),
    ],
    ids=BEFORE_AT_AND_BEHIND,
)
def test_so_it_is_for_one_that_reports_offline(at: float, expected: list[Step]) -> None:
    assert steps(offline(), at) == expected


@pytest.mark.rule("HM-6", "HM-7", "HM-10")
@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (26.999, [(26.999, "pending_resolve", "firing", "reported")]),
        (27.0, [RECOVERS, (27.0, "healthy", "pending_open", "reported")]),
        (27.001, [RECOVERS, (27.001, "healthy", "pending_open", "reported")]),
    ],
    ids=BEFORE_AT_AND_BEHIND,
)
def test_only_a_failure_before_the_end_of_its_resolve_debounce_lets_a_device_fire_on(
    at: float, expected: list[Step]
) -> None:
    assert steps(heard_again(), at, "offline") == [SILENT, FIRES, HEARD, *expected]


@pytest.mark.rule("HM-6", "HM-7")
@pytest.mark.parametrize(
    ("timeout_s", "expected"),
    [
        (6.999, [(26.999, "pending_resolve", "firing", "silent")]),
        (7.0, [RECOVERS, (27.0, "healthy", "pending_open", "silent")]),
        (7.001, [RECOVERS, (27.001, "healthy", "pending_open", "silent")]),
    ],
    ids=BEFORE_AT_AND_BEHIND,
)
def test_so_it_is_when_its_next_silence_is_too_long(timeout_s: float, expected: list[Step]) -> None:
    log = device(timeout_s).pulsed(20).beat()
    assert judge(log.pulsed(28)).steps()[4:] == expected


@pytest.mark.rule("HM-10")
@pytest.mark.parametrize("late_ms", [-1, 0, 1], ids=BEFORE_AT_AND_BEHIND)
@pytest.mark.parametrize(
    ("log", "change"),
    [(device, SILENT), (device, FIRES), (offline, FIRES_AS_REPORTED), (heard_again, RECOVERS)],
    ids=["timeout", "open debounce of silence", "open debounce of a report", "resolve debounce"],
)
def test_what_no_report_brings_about_is_said_by_the_first_record_at_its_instant_or_behind(
    log: Callable[[], Log], change: Step, late_ms: int
) -> None:
    over_at = change[0]
    records = log().pulsed(over_at - 1)
    judged = judge(records)
    before = judged.steps()
    expected = [change] if late_ms >= 0 else []
    assert judged.fold(records.at(over_at + late_ms / 1000).pulse()).steps() == [*before, *expected]
