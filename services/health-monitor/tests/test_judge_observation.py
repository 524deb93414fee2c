"""What cannot be seen is never held against a subject: holes in the log, clocks that leap, shards that must ask."""

from typing import Any

import pytest
from judge_log import DEVICE, GATEWAY, T0, Judged, Log, announced_shard, judge, policy

from fettle_contracts.codes import DeadLetterCode
from fettle_contracts.heartbeat import HEARTBEAT_MAX_BYTES
from fettle_health_monitor.domain.judge import held
from fettle_health_monitor.domain.judge.clock import ObservedClock
from fettle_health_monitor.domain.judge.folded import Ignored
from fettle_health_monitor.domain.judge.shard import Shard
from fettle_health_monitor.domain.judgements import Hello, Unobserved


@pytest.mark.rule("HM-20")
def test_a_hole_in_the_log_gives_everybody_a_full_timeout_from_its_end() -> None:
    log = Log().policy(timeout_s=10, open_debounce_s=10).beat().pulsed(5)

    judged = judge(log.at(605).pulse().pulsed(640))

    assert judged.steps()[1:] == [
        (615.0, "healthy", "pending_open", "silent"),
        (625.0, "pending_open", "firing", "debounce_passed"),
    ]
    holes = [judgement for judgement in judged.judgements if isinstance(judgement, Unobserved)]
    assert [(hole.from_at - T0, hole.to_at - T0) for hole in holes] == [(5_000, 605_000)]


@pytest.mark.rule("HM-20")
def test_a_pending_silence_waits_for_a_full_timeout_and_debounce_after_a_hole() -> None:
    log = Log().policy(timeout_s=10, open_debounce_s=10).beat().pulsed(19.5)

    assert judge(log.at(40).pulse().pulsed(70)).steps()[1:] == [
        (10.0, "healthy", "pending_open", "silent"),
        (60.0, "pending_open", "firing", "debounce_passed"),
    ]


@pytest.mark.rule("HM-20")
def test_a_firing_device_stays_firing_through_a_hole() -> None:
    log = Log().policy(timeout_s=10, open_debounce_s=10).beat().pulsed(25)

    assert judge(log.at(600).pulse().pulsed(700)).steps()[-1] == (20.0, "pending_open", "firing", "debounce_passed")


@pytest.mark.rule("HM-21")
def test_a_pause_under_five_seconds_counts_two_and_is_not_on_record() -> None:
    judged = judge(Log().policy(timeout_s=10).beat().at(4.9).pulse().pulsed(13))

    assert judged.steps()[1:] == [(12.9, "healthy", "pending_open", "silent")]
    assert not any(isinstance(judgement, Unobserved) for judgement in judged.judgements)


@pytest.mark.rule("HM-22")
def test_a_broker_clock_that_steps_back_neither_counts_nor_turns_time_back() -> None:
    log = Log().policy(timeout_s=10, open_debounce_s=2).beat().pulsed(9)
    judged = judge(log.at(-3600).pulse().pulsed(-3590))

    assert judged.steps()[1:] == [
        (9.5, "healthy", "pending_open", "silent"),
        (10.5, "pending_open", "firing", "debounce_passed"),
    ]


@pytest.mark.rule("HM-22")
def test_a_broker_clock_that_leaps_ahead_is_a_hole() -> None:
    judged = judge(Log().policy(timeout_s=10).beat().at(86_400).pulse().pulsed(86_409))

    assert judged.steps() == [(0.0, None, "healthy", "first_heard")]


@pytest.mark.rule("HM-23")
def test_a_shard_that_starts_anew_judges_from_the_announcement_with_full_timeouts() -> None:
    log = Log().beat("acme/device/before").hello("n1").beat(status="offline").beat("acme/device/late")
    log.pulsed(5).policy(timeout_s=10, open_debounce_s=10).register("acme/device/never").beat("acme/device/late")
    log.pulsed(20).announced("n1").pulsed(31)

    judged = announced_shard().fold(log)

    assert isinstance(judged.judgements[0], Hello)
    assert judged.steps("device/before") == []
    assert judged.steps("device/t17") == [
        (20.0, None, "healthy", "first_heard"),
        (20.0, "healthy", "pending_open", "judged_again"),
        (30.0, "pending_open", "firing", "debounce_passed"),
    ]
    assert judged.steps("device/never")[1:] == [(30.0, "healthy", "pending_open", "silent")]
    assert judged.steps("device/late")[1:] == [(30.0, "healthy", "pending_open", "silent")]


@pytest.mark.rule("HM-23")
def test_before_its_own_hello_a_shard_heeds_nothing() -> None:
    log = Log().policy().hello("another").announced("n1").beat()

    judged = announced_shard().fold(log)

    assert judged.judgements == []
    assert judged.folded.ignored == {Ignored.CONTROL_REPEATED: 1, Ignored.BEFORE_HELLO: 1}
    assert judged.shard.announcement is not None


@pytest.mark.rule("HM-23")
def test_nor_does_one_that_goes_on_behind_lost_log_heed_what_it_knows_by_heart() -> None:
    log = Log().policy().beat().beat()
    judged = judge(log)
    judged.shard.await_announcement("n2")
    judged.fold(log.beat())

    assert judged.folded.ignored == {Ignored.BEFORE_HELLO: 1}


@pytest.mark.rule("HM-23")
def test_what_is_heard_of_orgs_that_are_never_announced_is_let_go() -> None:
    log = Log().hello("n1").beat("ghost/device/x").policy().announced("n1").beat("ghost/device/x")

    judged = announced_shard().fold(log)

    assert judged.steps("device/x") == []
    assert judged.folded.ignored == {Ignored.UNKNOWN_ORG: 2}


@pytest.mark.rule("HM-24")
def test_a_shard_that_lost_unread_log_keeps_its_states_and_judges_again_when_announced() -> None:
    log = Log().policy(timeout_s=10, open_debounce_s=10).beat().beat(GATEWAY, status="unreachable").pulsed(25)
    judged = judge(log)
    judged.shard.await_announcement("n2")
    log.at(900).pulse().hello("n2").beat(GATEWAY).pulsed(905).state(policy(timeout_s=10, version=2), "acme")
    judged.fold(log.announced("n2").pulsed(914))

    assert judged.steps()[-1] == (20.0, "pending_open", "firing", "debounce_passed")
    assert judged.steps("integration/hue-1")[-1] == (905.0, "firing", "pending_resolve", "judged_again")


@pytest.mark.rule("HM-24")
def test_what_was_heard_last_before_lost_log_is_judged_by_counts_not_what_was_known_before() -> None:
    """A heartbeat that is like the last one before the loss is looked at all the same."""
    log = Log().policy(timeout_s=100, open_debounce_s=10).beat(status="ok").beat(status="ok")
    judged = judge(log)
    judged.shard.await_announcement("n2")
    log.hello("n2").beat(status="offline").beat(status="ok").state(policy(timeout_s=100, version=2), "acme")
    judged.fold(log.announced("n2").pulsed(30))
    assert judged.steps() == [(0.0, None, "healthy", "first_heard")]


OFF: dict[str, Any] = {"timeout_s": 10, "open_debounce_s": 10, "resolve_debounce_s": 5}
RECOVERS = [(121.0, "firing", "pending_resolve", "reported"), (126.0, "pending_resolve", "healthy", "debounce_passed")]


def told_that_it_is_off(before: Log, *says: str, key: str = DEVICE) -> tuple[Judged, Log]:
    """A shard that judged `before`, lost log, hears the subject behind its hello at 100 s, is then told that the org is
    switched off, and at 120 s that it is on again."""
    judged = judge(before)
    judged.shard.await_announcement("n2")
    before.at(100).hello("n2")
    for status in says:
        before.beat(key, status=status)
    before.policy(**OFF, enabled=False, version=2).beat(key)
    return judged, before.announced("n2").pulsed(120).policy(**OFF, version=3)


@pytest.mark.rule("HM-287")
@pytest.mark.parametrize(
    ("status", "seconds", "says", "on"),
    [
        ("ok", 5, "ok", []),
        ("ok", 5, "offline", []),
        ("ok", 15, "ok", [(121.0, "pending_open", "healthy", "reported")]),
        ("offline", 5, "ok", [(121.0, "pending_open", "healthy", "reported")]),
        ("ok", 30, "ok", RECOVERS),
    ],
)
def test_what_is_heard_before_an_announcement_that_switches_off_is_never_judged(
    status: str, seconds: float, says: str, on: list[tuple[float, str, str, str]]
) -> None:
    judged, log = told_that_it_is_off(Log().policy(**OFF).beat(status=status).pulsed(seconds), says)
    before = len(judged.changes)
    for second in range(121, 180):
        log.pulsed(second).beat()
    judged.fold(log)

    assert judged.steps()[before:] == on
    assert all(one.condition for one in judged.changes[1:])


@pytest.mark.rule("HM-287")
@pytest.mark.parametrize("says", [("offline", "ok"), ("ok", "offline")])
@pytest.mark.parametrize(("status", "fires_at"), [("ok", 140.0), ("offline", 130.0)])
def test_who_is_not_heard_after_that_has_the_times_of_what_was_read_before(
    status: str, fires_at: float, says: tuple[str, str]
) -> None:
    before = Log().policy(**OFF).beat(status=status).pulsed(15 if status == "ok" else 5)
    judged, log = told_that_it_is_off(before, *says)

    assert judged.fold(log.pulsed(200)).steps()[-1] == (fires_at, "pending_open", "firing", "debounce_passed")


@pytest.mark.rule("HM-287")
def test_an_integration_fires_on_for_what_it_fired_for_before() -> None:
    before = Log().policy(**OFF).beat(GATEWAY, status="unreachable").pulsed(25)
    judged, log = told_that_it_is_off(before, "credentials_invalid", key=GATEWAY)

    assert judged.fold(log.pulsed(200)).steps("integration/hue-1")[-1][:3] == (10.0, "pending_open", "firing")


@pytest.mark.rule("HM-287")
def test_who_is_first_heard_before_it_is_new_and_healthy_until_judged() -> None:
    log = Log().hello("n1").policy(**OFF).register().register("acme/device/gone")
    log.beat(status="offline").beat("acme/device/gone", status="offline").forget("acme/device/gone")
    log.policy(**OFF, enabled=False, version=2).announced("n1").pulsed(5)
    log.policy(**OFF, version=3).beat("acme/device/next")
    for second in range(6, 30):
        log.pulsed(second).beat(status="offline")

    judged = announced_shard().fold(log)
    assert judged.steps()[1:] == [
        (6.0, "healthy", "pending_open", "reported"),
        (16.0, "pending_open", "firing", "debounce_passed"),
    ]


@pytest.mark.rule("HM-287")
def test_a_silence_that_a_policy_lifts_before_it_is_a_silence_again() -> None:
    judged = judge(Log().policy(**OFF).beat().pulsed(25))
    judged.shard.await_announcement("n2")
    log = Log().policy(**OFF).beat().pulsed(25).hello("n2").policy(**OFF | {"timeout_s": 100}, version=2)
    log.policy(**OFF, enabled=False, version=3).announced("n2").pulsed(40).policy(**OFF, version=4)
    judged.fold(log.pulsed(45).beat().pulsed(47))

    assert judged.steps()[-1] == (45.0, "firing", "pending_resolve", "reported")


@pytest.mark.rule("HM-287")
def test_what_is_heard_once_it_is_on_again_before_the_end_of_the_announcement_counts() -> None:
    judged = judge(Log().policy(**OFF).beat().pulsed(25))
    judged.shard.await_announcement("n2")
    log = Log().policy(**OFF).beat().pulsed(25).hello("n2").policy(**OFF, enabled=False, version=2)
    log.policy(**OFF, version=3).beat().announced("n2").pulsed(27)

    assert judged.fold(log).steps()[-1] == (25.0, "firing", "pending_resolve", "judged_again")
    log.policy(**OFF, enabled=False, version=4).pulsed(40).policy(**OFF, version=5)
    assert judged.fold(log.pulsed(49)).steps()[-1] == (45.0, "pending_resolve", "healthy", "debounce_passed")


@pytest.mark.rule("HM-287")
def test_who_takes_the_place_of_a_removed_one_has_nothing_of_it() -> None:
    log = Log().policy(**OFF).beat().pulsed(25)
    judged = judge(log)
    judged.shard.await_announcement("n2")
    log.hello("n2").beat().forget().beat("acme/device/next").policy(**OFF, enabled=False, version=2)
    log.announced("n2").pulsed(40).policy(**OFF, version=3)

    assert judged.fold(log.pulsed(55)).steps("device/next")[-1] == (50.0, "healthy", "pending_open", "silent")


@pytest.mark.rule("HM-25")
def test_control_records_count_once_and_in_their_order() -> None:
    log = Log().policy(timeout_s=10).beat().state(policy(version=9, timeout_s=500), "acme", number=1)
    log.state(policy(version=8, timeout_s=1), "acme", number=0).pulsed(11)

    judged = judge(log)

    assert judged.folded.ignored == {Ignored.CONTROL_REPEATED: 2}
    assert judged.changes[-1].policy_version == 1
    assert judged.steps()[-1] == (10.0, "healthy", "pending_open", "silent")


@pytest.mark.rule("HM-26")
def test_changes_name_their_record_and_have_derived_ids() -> None:
    log = Log().policy(timeout_s=10).beat().pulsed(12)
    first, again, other = judge(log), judge(log), Judged(Shard(0, 1, 2)).fold(log)

    assert [change.id for change in first.changes] == [change.id for change in again.changes]
    assert {change.id for change in first.changes}.isdisjoint(change.id for change in other.changes)
    silent = first.changes[-1]
    assert silent.place == (silent.evidence.offset, 0)
    assert log.records[silent.evidence.offset].timestamp == T0 + 10_000
    assert (silent.shard, silent.generation, silent.evidence.partition) == (0, 1, 0)


def test_the_key_of_the_tests_belongs_to_the_only_partition() -> None:
    assert judge(Log().policy().beat(DEVICE)).steps() != []


@pytest.mark.rule("HM-12")
def test_a_heartbeat_that_was_held_for_its_announcement_was_heard_when_the_broker_took_it() -> None:
    log = Log().hello("n1").at(1).beat().pulsed(3000).policy().announced("n1").pulsed(3400)
    heard, *later = announced_shard().fold(log).changes
    assert (heard.at, heard.evidence.last_heard) == (T0 + 3_000_000, T0 + 1_000)
    assert [change.evidence.last_heard for change in later] == [T0 + 1_000, T0 + 1_000]


@pytest.mark.rule("HM-23")
def test_what_is_held_for_an_announcement_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that is too long takes no more room than the longest that is not, and is refused all the same."""
    monkeypatch.setattr(held, "HELD_MAX_BYTES", 5 * HEARTBEAT_MAX_BYTES)
    log = Log().hello("n1").raw(b"acme/device/huge", bytes(1024 * 1024))
    for number in range(6):
        log.raw(f"ghost/device/{number}".encode(), bytes(HEARTBEAT_MAX_BYTES))
    log.raw(b"ghost/device/0", b"").beat("acme/device/late")
    judged = announced_shard().fold(log)
    assert judged.folded.ignored == {Ignored.UNKNOWN_ORG: 3}

    judged.fold(log.policy().announced("n1"))
    assert [(each.org, each.code) for each in judged.folded.refusals] == [("acme", DeadLetterCode.TOO_LARGE)]
    assert judged.steps("device/late") == [(0.0, None, "healthy", "first_heard")]
    assert judged.folded.ignored == {Ignored.UNKNOWN_ORG: 4}


@pytest.mark.rule("HM-23")
def test_a_shard_says_hello_once_and_judges_only_by_the_end_of_its_own_announcement() -> None:
    log = Log().hello("n1").hello("n1").policy(timeout_s=10).beat().announced("n0").pulsed(15)
    judged = announced_shard().fold(log)
    assert [type(each) for each in judged.judgements].count(Hello) == 1
    assert judged.folded.ignored == {Ignored.CONTROL_REPEATED: 1}
    assert judged.shard.announcement is not None
    assert judged.fold(log.announced("n1").pulsed(26)).steps()[-1] == (25.0, "healthy", "pending_open", "silent")


@pytest.mark.rule("HM-23")
def test_who_is_held_is_heard_by_its_own_registration_and_leaves_room_for_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So many subjects, however often they are heard."""
    monkeypatch.setattr(held, "HELD_MAX", 2)
    log = Log().hello("n1").beat("beta/device/a").beat("acme/device/b", status="offline").beat("acme/device/c")
    log.beat("acme/device/b", status="ok").beat("beta/device/a")
    judged = announced_shard().fold(log)
    assert judged.folded.ignored == {Ignored.UNKNOWN_ORG: 1}

    judged.fold(log.policy("acme").register("acme/device/b"))
    (registered,) = judged.changes
    assert (registered.org, registered.subject) == ("acme", "device/b")
    judged.fold(log.beat("beta/device/d").policy("beta").announced("n1"))
    later = [(change.org, change.subject) for change in judged.changes[1:]]
    assert later == [("beta", "device/a"), ("beta", "device/d")]
    assert judged.folded.ignored.total() == 0


@pytest.mark.rule("HM-23")
def test_without_room_a_newcomer_is_taken_in_or_turned_away_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "HELD_MAX", 1)
    log = Log().hello("n1").beat("acme/device/a").policy("acme").policy("beta", discover="list_only").at(1)
    log.beat("acme/device/b").beat("beta/device/c").at(2).announced("n1")
    judged = announced_shard().fold(log)
    assert [(change.at - T0, change.subject) for change in judged.changes] == [(1_000, "device/b"), (2_000, "device/a")]
    assert judged.folded.ignored == {Ignored.LIST_ONLY: 1}


@pytest.mark.rule("HM-23")
def test_room_that_was_held_is_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a subject is heard again, and when it is registered or removed."""
    monkeypatch.setattr(held, "HELD_MAX_BYTES", 60)
    said = {"name": "two dozen bytes of a name"}
    log = Log().hello("n1").beat("acme/device/a", **said)
    for _ in range(3):
        log.beat("acme/device/a", **said)
    log.policy("acme").register("acme/device/a").beat("beta/device/b", **said).policy("beta")
    log.forget("beta/device/b").beat("beta/device/c", **said).announced("n1")
    judged = announced_shard().fold(log)
    assert judged.folded.ignored.total() == 0
    assert [change.subject for change in judged.changes] == ["device/a", "device/c"]


@pytest.mark.rule("HM-306")
@pytest.mark.parametrize(
    ("stood_ms", "counted_ms", "is_hole"),
    [(-1_000, 0, False), (1_999, 1_999, False), (2_001, 2_000, False), (4_999, 2_000, False), (5_000, 2_000, True)],
    ids=["the clock steps back", "short", "longer than counts", "nearly a hole", "a hole"],
)
def test_time_in_which_a_shard_does_not_judge_counts_as_one_without_records_does(
    stood_ms: int, counted_ms: int, is_hole: bool
) -> None:
    clock = ObservedClock(now=7_000, record=T0, resumed=3_000)
    clock.stand(T0 + stood_ms)
    assert clock.now == 7_000
    assert clock.go_on(T0) == ((T0, T0 + stood_ms) if is_hole else None)
    assert (clock.now, clock.resumed) == (7_000 + counted_ms, 9_000 if is_hole else 3_000)
