"""Who changes too often flaps: when it begins, how it ends, what is counted, to the millisecond."""

from typing import Any

import pytest
from judge_log import DEVICE, GATEWAY, T0, Judged, Log, judge, policy

from fettle_health_monitor.domain.control import Match, Override
from fettle_health_monitor.domain.judge.checkpoint import Snapshot, pack, restore, snapshot, unpack
from fettle_health_monitor.domain.judgements import Change

LATE: dict[str, Any] = {"timeout_s": 3600}
BRISK: dict[str, Any] = {**LATE, "open_debounce_s": 1, "resolve_debounce_s": 1}


def turns(log: Log, count: int, every_s: float = 5, key: str = DEVICE, after: float = 0) -> Log:
    """The reading turns `count` times, the first time to unhealthy, so many seconds apart."""
    for turn in range(count):
        log.pulsed(after + (turn + 1) * every_s).beat(key, status="offline" if turn % 2 == 0 else "ok")
    return log


def last(log: Log) -> tuple[float, str | None, str | None, str]:
    return judge(log).steps()[-1]


def counted(judged: Judged) -> list[tuple[str | None, int]]:
    return [(change.to_state, change.flap_count) for change in judged.changes]


@pytest.mark.rule("HM-90", "HM-91", "HM-95")
def test_the_fifth_confirmed_change_is_flapping_instead() -> None:
    judged = judge(turns(Log().policy(**BRISK).beat(), 5).pulsed(60))

    assert judged.steps()[-3:] == [
        (21.0, "pending_resolve", "healthy", "debounce_passed"),
        (25.0, "healthy", "pending_open", "reported"),
        (26.0, "pending_open", "flapping", "changed_too_often"),
    ]
    assert [count for state, count in counted(judged) if state in ("firing", "healthy")] == [0, 0, 1, 2, 3]
    assert counted(judged)[-2:] == [("pending_open", 4), ("flapping", 5)]


@pytest.mark.rule("HM-90", "HM-91")
def test_the_change_that_is_too_many_may_be_a_recovery() -> None:
    judged = judge(turns(Log().policy(**BRISK, flap_threshold=4).beat(), 4).pulsed(22))

    assert judged.steps()[-1] == (21.0, "pending_resolve", "flapping", "changed_too_often")
    assert judged.changes[-1].condition == "device_offline"


@pytest.mark.rule("HM-90", "HM-91")
def test_firing_after_appearing_unhealthy_is_a_confirmed_change() -> None:
    log = turns(Log().policy(**BRISK, flap_threshold=3).beat(status="offline").pulsed(2).beat(), 1)

    assert last(log.pulsed(8)) == (6.0, "pending_open", "flapping", "changed_too_often")


@pytest.mark.rule("HM-91")
@pytest.mark.parametrize(("window_s", "state"), [(20, "firing"), (20.001, "flapping")])
def test_a_change_as_old_as_the_window_counts_no_more(window_s: float, state: str) -> None:
    """Five changes, the first 20 s before the last."""
    judged = judge(turns(Log().policy(**BRISK, flap_window_s=window_s).beat(), 5).pulsed(30))

    assert judged.steps()[-1][:3] == (26.0, "pending_open", state)


@pytest.mark.rule("HM-90", "HM-91", "HM-95")
@pytest.mark.parametrize(("before", "state"), [(11, "pending_open"), (12, "healthy")])
def test_the_twelfth_flip_is_flapping_though_nothing_was_ever_confirmed(before: int, state: str) -> None:
    judged = judge(turns(Log().policy(**LATE).beat(), before, every_s=10))
    flaps = [step for step in judged.steps() if step[2] == "flapping"]

    if before == 11:
        assert not flaps
        assert judged.changes[-1].to_state == state
    else:
        assert flaps == [(120.0, "pending_open", "flapping", "flipped_too_often")]
        assert counted(judged)[-2:] == [("pending_open", 0), ("flapping", 12)]
        assert judged.changes[-1].condition == "device_offline"


@pytest.mark.rule("HM-91")
@pytest.mark.parametrize(("window_s", "to"), [(110, "healthy"), (110.001, "flapping")])
def test_a_flip_as_old_as_the_window_counts_no_more(window_s: float, to: str) -> None:
    assert last(turns(Log().policy(**LATE, flap_window_s=window_s).beat(), 12, every_s=10))[:3] == (
        120.0,
        "pending_open",
        to,
    )


@pytest.mark.rule("HM-90")
def test_silence_flips_too() -> None:
    log = Log().policy(timeout_s=2, open_debounce_s=60, flap_flips_threshold=4).beat().pulsed(3).beat().pulsed(6)

    assert judge(log).steps()[1:] == [
        (2.0, "healthy", "pending_open", "silent"),
        (3.0, "pending_open", "healthy", "reported"),
        (5.0, "healthy", "pending_open", "silent"),
    ]
    assert last(log.beat()) == (6.0, "pending_open", "flapping", "flipped_too_often")


@pytest.mark.rule("HM-90")
def test_another_fault_is_no_flip_and_appearing_unhealthy_neither() -> None:
    log = Log().policy(**LATE, flap_flips_threshold=2).beat(GATEWAY, status="unreachable")
    for second in range(1, 9):
        log.pulsed(second).beat(GATEWAY, status=("credentials_invalid", "unreachable")[second % 2])
    log.beat(GATEWAY)

    assert [step[2] for step in judge(log).steps("integration/hue-1")] == ["pending_open", "healthy"]


@pytest.mark.rule("HM-91")
@pytest.mark.parametrize(
    ("turned", "start", "end"),
    [(2, "pending_open", 10.0), (3, "healthy", 15.0)],
)
def test_flapping_begins_out_of_every_state(turned: int, start: str, end: float) -> None:
    slow = Log().policy(**LATE, flap_flips_threshold=turned).beat()
    assert last(turns(slow, turned))[:3] == (end, start, "flapping")
    brisk = Log().policy(**BRISK, flap_flips_threshold=turned).beat()
    assert last(turns(brisk, turned))[:3] == (end, "firing" if turned == 2 else "healthy", "flapping")


@pytest.mark.rule("HM-91")
def test_flapping_begins_out_of_pending_resolve() -> None:
    quick = {**LATE, "open_debounce_s": 1, "flap_flips_threshold": 3}
    assert last(turns(Log().policy(**quick).beat(), 3))[:3] == (15.0, "pending_resolve", "flapping")


def flapping(**fields: Any) -> Log:
    """A device that flaps from 4 s on, as it turned healthy."""
    rules = {**LATE, "flap_flips_threshold": 4, "flap_stable_s": 10, **fields}
    return turns(Log().policy(**rules).beat(), 4, every_s=1)


@pytest.mark.rule("HM-92")
def test_healthy_for_the_stable_window_is_healthy() -> None:
    judged = judge(flapping().pulsed(20))

    assert judged.steps()[-1] == (14.0, "flapping", "healthy", "stable")
    assert judged.changes[-1].condition == "device_offline"
    assert judge(flapping().pulsed(13.999)).changes[-1].to_state == "flapping"


@pytest.mark.rule("HM-92")
def test_unhealthy_for_the_stable_window_fires() -> None:
    judged = judge(flapping().beat(status="offline").pulsed(20))

    assert judged.steps()[-1] == (14.0, "flapping", "firing", "stable")
    assert judged.changes[-1].condition == "device_offline"


@pytest.mark.rule("HM-92")
def test_every_flip_begins_the_stable_window_again() -> None:
    log = flapping().pulsed(13.999).beat(status="offline").pulsed(23.998).beat()

    judged = judge(log)
    assert judged.changes[-1].to_state == "flapping"
    assert judged.fold(log.pulsed(40)).steps()[-1] == (33.998, "flapping", "healthy", "stable")
    assert judged.changes[-1].since - T0 == 23_998


@pytest.mark.rule("HM-92")
def test_the_stable_window_counts_from_when_flapping_began() -> None:
    """The reading had lasted for its debounce by then."""
    rules = {**BRISK, "resolve_debounce_s": 8, "flap_threshold": 2, "flap_stable_s": 3}
    log = turns(Log().policy(**rules).beat(), 2).pulsed(30)

    assert judge(log).steps()[-2:] == [
        (18.0, "pending_resolve", "flapping", "changed_too_often"),
        (21.0, "flapping", "healthy", "stable"),
    ]


@pytest.mark.rule("HM-93")
def test_falling_silent_while_flapping_is_a_flip_and_then_fires() -> None:
    judged = judge(flapping(timeout_s=5).pulsed(30))

    assert judged.steps()[-1] == (19.0, "flapping", "firing", "stable")
    fired = judged.changes[-1]
    assert (fired.since - T0, fired.evidence.status, fired.evidence.deadline) == (9_000, "silent", T0 + 9_000)


@pytest.mark.rule("HM-93")
def test_a_silence_as_long_as_the_stable_window_comes_behind_it() -> None:
    assert judge(flapping(timeout_s=10).pulsed(20)).steps()[-2:] == [
        (14.0, "flapping", "healthy", "stable"),
        (14.0, "healthy", "pending_open", "silent"),
    ]


@pytest.mark.rule("HM-93", "HM-20")
def test_a_silence_while_flapping_needs_timeout_and_stable_window_again_after_a_hole() -> None:
    log = flapping(timeout_s=5).pulsed(12).at(600).pulse().pulsed(630)

    assert judge(log).steps()[-1] == (615.0, "flapping", "firing", "stable")


@pytest.mark.rule("HM-94", "HM-95")
def test_leaving_flapping_starts_both_counts_again() -> None:
    log = turns(flapping(open_debounce_s=0, resolve_debounce_s=0, flap_threshold=99).pulsed(15), 3, 1, after=15)
    judged = judge(log)

    left = next(change for change in judged.changes if change.from_state == "flapping")
    assert (left.to_state, left.flap_count) == ("healthy", 0)
    assert judged.changes[-1].to_state == "firing"
    assert judged.fold(log.pulsed(20).beat()).steps()[-1][2] == "flapping"


@pytest.mark.rule("HM-96")
def test_who_flaps_keeps_what_it_fired_for() -> None:
    rules = {**LATE, "open_debounce_s": 3, "flap_flips_threshold": 3, "flap_stable_s": 10}
    log = Log().policy(**rules).beat(GATEWAY).beat(GATEWAY, status="unreachable").pulsed(5).beat(GATEWAY)
    log.beat(GATEWAY, status="credentials_invalid").pulsed(20)

    assert [(c.at - T0, c.to_state, c.condition) for c in judge(log).changes[-3:]] == [
        (5_000, "flapping", "integration_unreachable"),
        (15_000, "firing", "integration_unreachable"),
        (15_000, "firing", "integration_credentials_invalid"),
    ]


@pytest.mark.rule("HM-96")
def test_who_flaps_without_having_fired_keeps_what_was_pending() -> None:
    log = Log().policy(**LATE, flap_flips_threshold=2).beat(GATEWAY).beat(GATEWAY, status="credentials_invalid")

    flaps = judge(log.pulsed(3).beat(GATEWAY)).changes[-1]
    assert (flaps.to_state, flaps.condition) == ("flapping", "integration_credentials_invalid")


@pytest.mark.rule("HM-99")
def test_a_count_that_is_full_by_a_new_policy_begins_flapping_at_its_moment() -> None:
    log = turns(Log().policy(**LATE).beat(), 4, every_s=1).pulsed(30)
    lower = policy(**LATE, flap_flips_threshold=4, version=2)
    judged = judge(log.state(lower, "acme"))

    assert judged.steps()[-1] == (30.0, "healthy", "flapping", "flipped_too_often")
    begun = judged.changes[-1]
    assert (begun.condition, begun.flap_count, begun.policy_version) == ("device_offline", 4, 2)
    assert judged.fold(log.pulsed(631)).steps()[-1] == (630.0, "flapping", "healthy", "stable")


@pytest.mark.rule("HM-99", "HM-11")
def test_what_is_full_by_a_new_policy_goes_in_the_order_in_which_it_became_so() -> None:
    log = Log().policy(**LATE).beat("acme/device/a").beat("acme/device/b")
    for second, key in ((1, "b"), (2, "a")):
        log.pulsed(second).beat(f"acme/device/{key}", status="offline").beat(f"acme/device/{key}")
    judged = judge(log.pulsed(5).policy(**LATE, flap_flips_threshold=2))

    assert [change.subject for change in judged.changes[-2:]] == ["device/b", "device/a"]


@pytest.mark.rule("HM-99", "HM-90")
def test_a_silence_that_a_new_policy_finds_to_be_older_than_what_is_full_by_it_is_counted() -> None:
    """Silent at 1 s, not at 3 s by a longer timeout; by a shorter one since 2 s."""
    log = Log().policy(timeout_s=1).beat().pulsed(3).policy(timeout_s=10)
    judged = judge(log.pulsed(5).policy(timeout_s=2, flap_flips_threshold=2))

    assert judged.steps()[-1] == (5.0, "healthy", "flapping", "flipped_too_often")
    assert judged.changes[-1].flap_count == 3


@pytest.mark.rule("HM-99")
def test_a_new_policy_retimes_the_stable_window_from_where_it_began() -> None:
    rules = {**LATE, "flap_flips_threshold": 4}
    longer = flapping().pulsed(10).policy(**rules, flap_stable_s=20).pulsed(40)
    over = flapping().pulsed(10).policy(**rules, flap_stable_s=2).pulsed(40)

    assert last(longer) == (24.0, "flapping", "healthy", "stable")
    assert last(over) == (10.0, "flapping", "healthy", "stable")


@pytest.mark.rule("HM-99")
def test_what_has_left_the_window_does_not_come_back_with_a_longer_one() -> None:
    rules = {**LATE, "flap_flips_threshold": 4}
    log = turns(Log().policy(**rules, flap_window_s=10).beat(), 2, every_s=1)
    gone = turns(log.pulsed(11).policy(**rules, flap_window_s=100), 2, every_s=1, after=11)
    assert last(gone)[2] == "healthy"

    log = turns(Log().policy(**rules, flap_window_s=10).beat(), 2, every_s=1)
    there = turns(log.pulsed(9).policy(**rules, flap_window_s=100), 2, every_s=30, after=9)
    assert last(there)[2] == "flapping"


@pytest.mark.rule("HM-99")
@pytest.mark.parametrize(("moment", "state"), [(10.999, "flapping"), (11, "healthy")])
def test_what_is_as_old_as_the_window_when_it_grows_has_left_it(moment: float, state: str) -> None:
    """Flips at 1 s and 2 s, and two more long after."""
    rules = {**LATE, "flap_flips_threshold": 4}
    log = turns(Log().policy(**rules, flap_window_s=10).beat(), 2, every_s=1)

    assert last(turns(log.pulsed(moment).policy(**rules, flap_window_s=100), 2, 30, after=moment))[2] == state


@pytest.mark.rule("HM-95")
@pytest.mark.parametrize(("moment", "count"), [(25.999, 1), (26, 0)])
def test_a_flap_count_is_of_the_moment(moment: float, count: int) -> None:
    """The device fires at 6 s."""
    judged = judge(turns(Log().policy(**BRISK, flap_window_s=20).beat(), 1).pulsed(moment).forget())

    assert counted(judged)[-1] == (None, count)


@pytest.mark.rule("HM-100")
def test_time_that_nobody_saw_does_not_empty_the_window() -> None:
    rules = {**LATE, "flap_flips_threshold": 4, "flap_window_s": 30}
    log = turns(Log().policy(**rules).beat(), 2, every_s=1).at(5_000).pulse()

    assert last(turns(log, 2, every_s=10, after=5_000))[2] == "flapping"


@pytest.mark.rule("HM-100")
def test_the_stable_window_counts_from_switching_on() -> None:
    rules = {**LATE, "flap_flips_threshold": 4, "flap_stable_s": 10}
    log = flapping().pulsed(8).policy(enabled=False, **rules).beat(status="offline").pulsed(60).policy(**rules)

    assert last(log.pulsed(90)) == (70.0, "flapping", "healthy", "stable")


@pytest.mark.rule("HM-100")
def test_while_an_org_is_switched_off_its_counts_stay_and_age() -> None:
    rules = {**LATE, "flap_flips_threshold": 4, "flap_window_s": 30}
    for pause, state in ((20, "flapping"), (40, "healthy")):
        log = turns(Log().policy(**rules).beat(), 2, every_s=1).policy(enabled=False, **rules)
        log.pulsed(pause).policy(**rules)
        assert last(turns(log, 2, every_s=1, after=pause))[2] == state


@pytest.mark.rule("HM-24", "HM-100")
def test_a_shard_that_is_announced_to_again_gives_a_whole_stable_window() -> None:
    rules = {**LATE, "flap_flips_threshold": 4, "flap_stable_s": 10}
    log = flapping().pulsed(6)
    judged = judge(log)
    judged.shard.await_announcement("n2")
    log.hello("n2").beat(status="offline").pulsed(20).policy(**rules).announced("n2").pulsed(40)

    assert judged.fold(log).steps()[-1] == (30.0, "flapping", "firing", "stable")


@pytest.mark.rule("HM-16", "HM-91")
@pytest.mark.parametrize("match", [Match(integration="hue-1"), Match(model="m"), Match(subject="device/t17")])
def test_flap_rules_are_overridden_like_all_others(match: Match) -> None:
    over = (Override(match=match, flap_flips_threshold=2, flap_stable_s=3),)
    log = Log().policy(**LATE, overrides=over).beat(integration="hue-1", model="m").beat("acme/device/other")
    for key in (DEVICE, "acme/device/other"):
        log.beat(key, status="offline").beat(key)
    judged = judge(log.pulsed(5))

    assert judged.steps()[-1] == (3.0, "flapping", "healthy", "stable")
    assert judged.steps("device/other")[-1][2] == "healthy"
    assert judged.steps("device/other")[-1][1] == "pending_open"


@pytest.mark.rule("HM-18", "HM-95")
def test_who_is_forgotten_and_heard_again_has_done_nothing_yet() -> None:
    log = turns(Log().policy(**BRISK, flap_flips_threshold=4).beat(), 3, every_s=3).forget().beat()
    judged = judge(turns(log, 3, every_s=3, after=9))

    assert [change.flap_count for change in judged.changes if change.to_state is None] == [2]
    assert judged.changes[-1].to_state == "pending_open"
    assert judge(flapping().forget()).steps()[-1] == (4.0, "flapping", None, "forgotten")


def taken_up(judged: Judged) -> Judged:
    saved = unpack(pack(snapshot(judged.shard)))
    assert isinstance(saved, Snapshot)
    judged.shard = restore(saved)
    return judged


@pytest.mark.rule("HM-27", "HM-102")
@pytest.mark.parametrize("cut", range(5, 60, 6))
def test_flaps_go_on_from_any_checkpoint(cut: int) -> None:
    log = turns(Log().policy(**BRISK, flap_stable_s=4).beat(), 8, every_s=3).pulsed(60)

    whole: list[Change] = judge(log).changes
    assert {change.to_state for change in whole} >= {"flapping"}
    assert taken_up(Judged().fold(log, cut)).fold(log).changes[-3:] == whole[-3:]


@pytest.mark.rule("HM-102")
def test_only_who_flipped_of_late_is_remembered() -> None:
    log = Log().policy(**LATE, flap_window_s=10)
    for number in range(3_000):
        log.at(number / 100).beat(f"acme/device/{number}", status="offline").beat(f"acme/device/{number}")
    flaps = judge(log).shard.judge.flaps

    assert 1_000 <= len(flaps.saved()) <= 2 * 1_000 + 1_024
