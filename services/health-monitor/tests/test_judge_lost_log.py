"""What a shard says when it judges again behind log that was lost before it was read: of whom nothing has turned."""

from typing import Any

import pytest
from judge_log import GATEWAY, Judged, Log, judge

from fettle_health_monitor.domain.judgements import HeardAgain, Unobserved

RULES: dict[str, Any] = {"timeout_s": 10, "open_debounce_s": 10, "flap_flips_threshold": 3, "flap_stable_s": 30}


def judges_again(log: Log, *says: str) -> Judged:
    """It has judged the log, hears the device behind its hello at 100 s, and judges again from 105 s on."""
    judged = judge(log)
    judged.shard.await_announcement("n2")
    log.at(100).hello("n2")
    for status in says:
        log.beat(status=status)
    return judged.fold(log.pulsed(105).policy(**RULES, version=2).announced("n2"))


def flapping() -> Log:
    log = Log().policy(**RULES).beat()
    for second, status in ((2, "offline"), (3, "ok"), (4, "offline")):
        log.pulsed(second).beat(status=status)
    return log


@pytest.mark.rule("HM-290")
@pytest.mark.parametrize(("says", "turned"), [((), 4), (("offline",), 4), (("ok", "offline"), 4), (("ok",), 105)])
def test_who_flaps_reads_so_since_its_reading_turned(says: tuple[str, ...], turned: float) -> None:
    log = flapping()
    judged = judges_again(log, *says)
    assert judged.steps()[-1] == (4.0, "healthy", "flapping", "flipped_too_often")
    for second in range(106, 140):
        log.pulsed(second).beat(status=(says or ("offline",))[-1])
    calm = judged.fold(log).changes[-1]
    assert (calm.from_state, calm.at - log.records[0].timestamp) == ("flapping", 135_000)
    assert calm.since - log.records[0].timestamp == 1000 * turned


@pytest.mark.rule("HM-160", "HM-290")
@pytest.mark.parametrize(("says", "told"), [((), []), (("offline",), ["offline"]), (("offline", "ok"), [])])
def test_of_who_was_silent_and_says_that_it_is_offline_it_is_told(says: tuple[str, ...], told: list[str]) -> None:
    """Being well is a change, which says so itself."""
    judged = judges_again(Log().policy(**RULES).beat().pulsed(25), *says)
    heard = [each for each in judged.judgements if isinstance(each, HeardAgain)]
    assert [each.status for each in heard] == told
    assert {each.at for each in heard} <= {judged.changes[0].at + 105_000}
    assert (judged.changes[-1].to_state == "pending_resolve") is (says[-1:] == ("ok",))


@pytest.mark.rule("HM-306")
def test_the_time_in_which_nobody_is_judged_is_not_observed() -> None:
    """Everything is lost from 5 s to 60 s; from there to the hello at 100 s records are read and not heeded."""
    log = Log().policy(**RULES).beat().pulsed(5)
    judged = judge(log)
    clock, since = judged.shard.judge.clock.now, log.ms
    judged.shard.await_announcement("n2")
    log.at(60).beat(status="offline").pulsed(100).hello("n2").beat(status="ok").pulsed(105)
    judged.fold(log.policy(**RULES, version=2).announced("n2"))
    gaps = [(each.from_at, each.to_at) for each in judged.judgements if isinstance(each, Unobserved)]
    assert (gaps, judged.shard.judge.clock.now - clock) == ([(since, log.ms)], 2_000)
    judged.fold(log.pulsed(114.9))
    assert len(judged.changes) == 1
    judged.fold(log.pulsed(115))
    assert [(each.to_state, each.at) for each in judged.changes[1:]] == [("pending_open", log.ms)]


@pytest.mark.rule("HM-306")
def test_a_shorter_time_without_judging_counts_for_two_seconds_at_most() -> None:
    log = Log().policy(**RULES).beat().pulsed(5)
    judged = judge(log)
    clock = judged.shard.judge.clock.now
    judged.shard.await_announcement("n2")
    judged.fold(log.at(7).hello("n2").pulsed(9.9).announced("n2"))
    gaps = [each for each in judged.judgements if isinstance(each, Unobserved)]
    assert (gaps, judged.shard.judge.clock.now - clock) == ([], 2_000)


@pytest.mark.rule("HM-306")
def test_a_heartbeat_at_the_very_instant_of_the_announcement_counts_from_there() -> None:
    log = Log().policy(**RULES).beat().pulsed(5)
    judged = judge(log)
    judged.shard.await_announcement("n2")
    judged.fold(log.at(100).hello("n2").beat().announced("n2").beat())
    judged.fold(log.pulsed(109.9))
    assert len(judged.changes) == 1
    judged.fold(log.pulsed(110))
    assert [each.at for each in judged.changes[1:]] == [log.ms]


@pytest.mark.rule("HM-306")
@pytest.mark.parametrize(("until", "on_record"), [(9.999, False), (10, True)])
def test_it_is_on_record_from_five_seconds_on(until: float, on_record: bool) -> None:
    log = Log().policy(**RULES).beat().pulsed(5)
    judged, since = judge(log), log.ms
    judged.shard.await_announcement("n2")
    judged.fold(log.at(7).hello("n2").pulsed(until).announced("n2"))
    gaps = [(each.from_at, each.to_at) for each in judged.judgements if isinstance(each, Unobserved)]
    assert gaps == ([(since, log.ms)] if on_record else [])


@pytest.mark.rule("HM-306")
def test_who_waits_and_is_to_wait_anew_has_not_judged_since_before() -> None:
    log = Log().policy(**RULES).beat().pulsed(5)
    judged, since = judge(log), log.ms
    judged.shard.await_announcement("n2")
    judged.fold(log.at(20).pulsed(30))
    judged.shard.await_announcement("n3")
    judged.fold(log.hello("n3").pulsed(40).announced("n3"))
    gaps = [(each.from_at, each.to_at) for each in judged.judgements if isinstance(each, Unobserved)]
    assert gaps == [(since, log.ms)]


AGAIN = [(70, None, "healthy"), (115, "healthy", "pending_open"), (125, "pending_open", "firing")]


@pytest.mark.rule("HM-306", "HM-18")
@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize(("again", "steps"), [("heard", AGAIN), ("registered", AGAIN), ("never", [])])
def test_who_is_forgotten_while_a_shard_is_waited_for_is_gone_and_new_from_the_end_of_that(
    again: str, steps: list[tuple[float, str | None, str]], *, killed: bool
) -> None:
    """Both were pending by silence, and the other one has its times again from there."""
    log = Log().policy(**RULES).beat().beat("acme/device/other").pulsed(12)
    judged, since = judge(log), log.ms
    judged.shard.await_announcement("n2")
    judged.fold(log.at(60).hello("n2").pulsed(70).forget())
    if again != "never":
        log.beat() if again == "heard" else log.register()
    judged.fold(log.pulsed(80))
    if killed:
        judged.shard.await_announcement("n3")
        log.hello("n3")
    judged.fold(log.pulsed(105).policy(**RULES, version=2).announced("n3" if killed else "n2"))
    gaps = [(each.from_at, each.to_at) for each in judged.judgements if isinstance(each, Unobserved)]
    assert gaps == [(since, log.ms)]
    judged.fold(log.pulsed(200))
    its, others = ([step[:3] for step in judged.steps(f"device/{id}")][1:] for id in ("t17", "other"))
    assert its == [(10, "healthy", "pending_open"), (70, "pending_open", None), *steps]
    assert others == [(10, "healthy", "pending_open"), (125, "pending_open", "firing")]


@pytest.mark.rule("HM-160", "HM-294")
@pytest.mark.parametrize("announced_at", [101, 104], ids=["heard behind it", "heard before"])
def test_of_whom_a_new_shard_was_only_told_it_says_once_that_it_is_heard(announced_at: int) -> None:
    """It never found the subject silent; who is new to it says so by coming up, who is not well by its change."""
    judged = Judged()
    judged.shard.await_announcement("n1")
    log = Log().hello("n1").policy(**RULES).register().register(GATEWAY)
    if announced_at == 101:
        log.at(101).announced("n1")
    log.at(102).beat().beat("acme/device/new").at(103).beat()
    if announced_at == 104:
        log.at(104).announced("n1")
    log.at(105).beat().beat(GATEWAY, status="unreachable").at(106).beat(GATEWAY)
    heard = [each for each in judged.fold(log).judgements if isinstance(each, HeardAgain)]
    assert [(each.subject, each.status, each.condition) for each in heard] == [("device/t17", "ok", None)]
    assert heard[0].at - log.records[0].timestamp == 102_000
