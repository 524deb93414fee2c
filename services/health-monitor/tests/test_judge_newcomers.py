"""Who is watched, up to how many, and what the registry and heartbeats say of who is."""

from typing import Any

import pytest
from judge_log import GATEWAY, Judged, Log, judge

from fettle_contracts.partitions import partition_for
from fettle_health_monitor.domain.control import Heard, Match, Override
from fettle_health_monitor.domain.judge import newcomers
from fettle_health_monitor.domain.judge.checkpoint import restore, snapshot
from fettle_health_monitor.domain.judge.folded import Ignored
from fettle_health_monitor.domain.judge.shard import Shard
from fettle_health_monitor.domain.judgements import Profile, Unwatched

SLOW = (
    Override(match=Match(integration="slow"), timeout_s=100),
    Override(match=Match(model="large"), timeout_s=50),
)


def listed(judged: Judged) -> list[str]:
    return [each.subject for each in judged.judgements if isinstance(each, Unwatched)]


def watched(judged: Judged) -> list[str]:
    return [change.subject for change in judged.changes if change.from_state is None]


@pytest.mark.rule("HM-19")
@pytest.mark.parametrize(("cap", "each"), [(6, 3), (5, 2), (1, 1)])
def test_each_shard_watches_its_part_of_an_orgs_cap_and_one_at_least(cap: int, each: int) -> None:
    log = Log().policy(subject_cap=cap).policy("beta", subject_cap=cap)
    names = [f"{org}/device/{number}" for number in range(40) for org in ("acme", "beta")]
    for name in [name for name in names if partition_for(name.encode(), 2) == 1]:
        log.beat(name)
    judged = Judged(Shard(1, 2, 1)).fold(log)

    assert len(watched(judged)) == 2 * each, "each org has a cap of its own"
    assert judged.folded.ignored == {Ignored.SUBJECT_CAP: len(log.records) - 2 - 2 * each}


@pytest.mark.rule("HM-268")
@pytest.mark.parametrize("cap", [1, 2, 3, 4, 7, 8, 9])
def test_together_shards_watch_no_more_than_the_cap_or_one_each(cap: int) -> None:
    """Each as many as fit into its part, whatever the others have; a restart counts who is watched."""
    together = 0
    for shard in range(4):
        names = [f"acme/device/{number}" for number in range(200)]
        log = Log(shard).policy(subject_cap=cap)
        judged = Judged(Shard(shard, 4, 1)).fold(log)
        for name in [name for name in names if partition_for(name.encode(), 4) == shard]:
            judged.fold(log.beat(name))
            judged.shard = restore(snapshot(judged.shard))
        assert len(watched(judged)) == max(1, cap // 4)
        together += len(watched(judged))
    assert together <= max(4, cap)


@pytest.mark.rule("HM-268")
@pytest.mark.parametrize("restarts", [False, True])
def test_a_higher_cap_takes_in_who_reports_again_and_a_lower_one_puts_nobody_out(restarts: bool) -> None:
    log = Log().policy(subject_cap=2).beat("acme/device/a").beat("acme/device/b").beat("acme/device/c")
    judged = judge(log)

    def goes_on() -> list[str]:
        judged.fold(log)
        if restarts:
            judged.shard = restore(snapshot(judged.shard))
        return [subject[7:] for subject in watched(judged)]

    assert goes_on() == ["a", "b"]
    log.policy(subject_cap=3, version=2)
    assert goes_on() == ["a", "b"], "it has not reported again"
    log.beat("acme/device/c").beat("acme/device/d")
    assert goes_on() == ["a", "b", "c"]
    log.policy(subject_cap=1, version=3).forget("acme/device/a").forget("acme/device/b").beat("acme/device/d")
    assert goes_on() == ["a", "b", "c"], "one is watched, which is the cap"
    log.forget("acme/device/c").beat("acme/device/d").beat("acme/device/a")
    assert goes_on() == ["a", "b", "c", "d"]


@pytest.mark.rule("HM-19")
def test_who_was_registered_counts_against_the_cap_and_is_not_turned_away_by_it() -> None:
    log = Log().policy(subject_cap=1).beat("acme/device/a").register("acme/device/b").register("acme/device/c").beat()
    judged = judge(log)
    assert (watched(judged), listed(judged)) == (["device/a", "device/b", "device/c"], ["device/t17"])

    judged.fold(log.forget("acme/device/a").forget("acme/device/b").beat())
    assert listed(judged) == ["device/t17"]
    assert watched(judged.fold(log.forget("acme/device/c").beat()))[-1] == "device/t17"


@pytest.mark.rule("HM-19")
def test_so_many_are_listed_and_the_rest_is_only_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newcomers, "LISTED_MAX", 2)
    log = Log().policy(discover="list_only").policy("beta", discover="list_only")
    for name in ("acme/device/a", "acme/device/b", "acme/device/c", "beta/device/d"):
        log.beat(name)
    judged = judge(log)
    assert listed(judged) == ["device/a", "device/b", "device/d"]
    assert judged.folded.ignored == {Ignored.LIST_ONLY: 4}
    log.register("acme/device/a").beat("acme/device/c")
    assert listed(judged.fold(log))[3:] == ["device/c"], "who is registered takes no place on the list"


@pytest.mark.rule("HM-19", "HM-27")
def test_who_was_listed_is_listed_again_by_a_new_policy_and_not_after_a_restart() -> None:
    log = Log().policy(discover="list_only").beat()
    judged = judge(log)
    judged.shard = restore(snapshot(judged.shard))
    assert listed(judged.fold(log.beat())) == ["device/t17"]
    assert listed(judged.fold(log.policy(version=2, discover="list_only").beat().beat())) == ["device/t17"] * 2


@pytest.mark.rule("HM-19", "HM-29")
def test_what_a_newcomer_says_of_itself_counts_from_its_first_heartbeat() -> None:
    def silent(**said: Any) -> float:
        log = Log().policy(timeout_s=None, overrides=SLOW).beat(**said).pulsed(200)
        return judge(log).steps()[1][0]

    assert [silent(), silent(model="large"), silent(integration="slow"), silent(interval_s=20)] == [180, 50, 100, 60]


@pytest.mark.rule("HM-292")
@pytest.mark.parametrize("registered", [False, True], ids=["by heartbeats", "by the registry"])
def test_an_integration_that_only_its_devices_name_has_no_state_when_they_all_fall_silent(registered: bool) -> None:
    log, devices = Log().policy(timeout_s=10, open_debounce_s=10), [f"device/{number}" for number in range(20)]
    for device in devices:
        if registered:
            log.register(f"acme/{device}", integration="hue-1").beat(f"acme/{device}")
        else:
            log.beat(f"acme/{device}", integration="hue-1")
    judged = judge(log.pulsed(60))

    assert {change.subject for change in judged.changes if change.to_state == "firing"} == {*devices}
    assert judged.steps("integration/hue-1") == []
    assert len(judged.shard.judge.subjects) == len(devices)


@pytest.mark.rule("HM-292")
@pytest.mark.parametrize("registered", [False, True], ids=["reports itself", "is registered"])
def test_it_is_judged_from_when_it_reports_itself_or_is_registered(registered: bool) -> None:
    log = Log().policy(timeout_s=10, open_debounce_s=10).beat(integration="hue-1").pulsed(30)
    judged = judge((log.register(GATEWAY) if registered else log.beat(GATEWAY)).pulsed(60))

    assert judged.steps("integration/hue-1") == [
        (30.0, None, "healthy", "registered" if registered else "first_heard"),
        (40.0, "healthy", "pending_open", "silent"),
        (50.0, "pending_open", "firing", "debounce_passed"),
    ]


@pytest.mark.rule("HM-29")
def test_what_a_newcomer_said_first_is_no_news_when_it_says_it_again() -> None:
    judged = judge(Log().policy().beat(name="A", space="oslo").beat(space="oslo", name="A").beat(name="B"))
    assert [each.name for each in judged.judgements if isinstance(each, Profile)] == ["A", "B"]


@pytest.mark.rule("HM-261")
def test_a_profile_says_whether_its_subject_is_a_newcomer() -> None:
    """Also one that was entered before it was heard."""
    log = Log().policy().beat(name="A").beat(name="B").forget().beat(name="C").beat(name="D")
    log.forget().register().beat(name="E").beat(name="F")
    judged = judge(log)
    said = [(each.name, each.newcomer) for each in judged.judgements if isinstance(each, Profile)]
    assert said == [("A", True), ("B", False), ("C", True), ("D", False), ("E", True), ("F", False)]


@pytest.mark.rule("HM-262")
def test_a_newcomer_that_says_nothing_of_itself_is_told_as_one() -> None:
    """Once, whether it was entered before it was heard or not, and also where it says only what was entered."""
    log = Log().policy().register().beat().beat().beat(name="A")
    log.forget().beat().beat(name="B").forget().register(model="T1").beat(model="T1").beat(model="T1")
    said = [(each.name, each.newcomer) for each in judge(log).judgements if isinstance(each, Profile)]
    assert said == [(None, True), ("A", False), (None, True), ("B", False), (None, True)]


@pytest.mark.rule("HM-17")
@pytest.mark.parametrize(
    ("entered", "said", "silent_after"),
    [
        ({"integration": "hue"}, {"integration": "slow"}, 180),
        ({"model": "small"}, {"model": "large"}, 180),
        ({"interval_s": 40}, {"interval_s": 20}, 120),
        ({"integration": "slow"}, {"model": "large"}, 50),
        ({"model": "large"}, {"integration": "slow"}, 50),
    ],
)
@pytest.mark.parametrize("heard_before", [True, False])
def test_the_registry_wins_field_by_field_whoever_speaks_first(
    entered: dict[str, Any], said: dict[str, Any], silent_after: int, heard_before: bool
) -> None:
    log = Log().policy(timeout_s=None, overrides=SLOW)
    log = log.beat(**said).register(**entered) if heard_before else log.register(**entered)
    judged = judge(log.beat(**said).pulsed(200))
    assert judged.steps()[1] == (silent_after, "healthy", "pending_open", "silent")


@pytest.mark.rule("HM-17", "HM-78")
@pytest.mark.parametrize("said", [{"interval_s": 20}, {"model": "large"}, {"integration": "slow"}])
def test_what_is_entered_takes_nothing_from_what_was_heard(said: dict[str, Any]) -> None:
    """Entering a subject that is watched is no second appearance, and heartbeats go on saying what it leaves open."""
    log = Log().policy(timeout_s=None, overrides=SLOW).beat(**said).register(name="Entered")
    first = judge(log.pulsed(200)).steps()
    assert first == judge(Log().policy(timeout_s=None, overrides=SLOW).beat(**said).pulsed(200)).steps()


@pytest.mark.rule("HM-17", "HM-78")
def test_a_heartbeat_like_the_last_counts_anew_where_the_registry_falls_silent() -> None:
    log = Log().policy().beat(interval_s=20).register(interval_s=40).beat(interval_s=20).register()
    assert judge(log.beat(interval_s=20).pulsed(70)).steps()[1] == (60, "healthy", "pending_open", "silent")


@pytest.mark.rule("HM-28")
def test_entries_of_an_unknown_org_are_counted_and_nothing_else() -> None:
    judged = judge(Log().register("ghost/device/a").forget("ghost/device/a"))
    assert (judged.judgements, judged.folded.ignored) == ([], {Ignored.UNKNOWN_ORG: 1})


@pytest.mark.rule("HM-263")
@pytest.mark.parametrize(
    ("entered", "heard", "silent_after"),
    [
        ({"interval_s": 300}, {}, 180),
        ({"interval_s": 300}, {"interval_s": 20}, 60),
        ({"integration": "slow"}, {}, 180),
        ({"integration": "hue"}, {"integration": "slow"}, 100),
        ({"model": "large"}, {"integration": "slow"}, 180),
    ],
)
def test_what_the_registry_takes_back_is_left_to_what_heartbeats_have_said(
    entered: dict[str, Any], heard: dict[str, Any], silent_after: int
) -> None:
    log = Log().policy(timeout_s=None, overrides=SLOW).register(**entered).register(heard=Heard(**heard))
    assert judge(log.pulsed(200)).steps()[1] == (silent_after, "healthy", "pending_open", "silent")


@pytest.mark.rule("HM-263")
def test_what_the_registry_never_said_stays_as_heartbeats_say_it_now() -> None:
    """What is told of them may be older."""
    log = Log().policy().beat(interval_s=20).register(model="T1").beat(interval_s=30)
    assert judge(log.register(heard=Heard(interval_s=20)).pulsed(200)).steps()[1][0] == 90


@pytest.mark.rule("HM-77")
def test_a_shard_that_starts_anew_knows_what_heartbeats_said_where_the_registry_is_silent() -> None:
    log = Log().policy().register(model="T1", heard=Heard(interval_s=20, model="T2"))
    judged = judge(log.register(heard=Heard()).pulsed(200))
    assert judged.steps()[1][0] == 60
