"""Who was only told of, or too long silent, is told of when it is heard; and what it says beside the registry."""

from typing import Any

import pytest
from judge_log import DEVICE, GATEWAY, Judged, Log, announced_shard, judge
from msgspec import structs
from test_judge_oracle import restart as go_on_from_a_checkpoint

from fettle_health_monitor.domain.control import Heard
from fettle_health_monitor.domain.judge.checkpoint import restore, snapshot
from fettle_health_monitor.domain.judge.subjects import HEARD_UNTOLD, SAID, UNHEARD
from fettle_health_monitor.domain.judgements import HeardAgain, Profile

ENTRY: dict[str, Any] = {"interval_s": 60, "model": "r", "integration": "r"}


def heard_again(judged: Judged) -> list[tuple[str, str | None]]:
    return [(each.subject, each.status) for each in judged.judgements if isinstance(each, HeardAgain)]


def allowed_more_silence() -> Log:
    """Too long silent for ten seconds, and not for a hundred."""
    return Log().policy(timeout_s=10).beat().pulsed(12).policy(timeout_s=100, version=2).pulsed(20)


@pytest.mark.rule("HM-160", "HM-77")
@pytest.mark.parametrize("statuses", [["ok"], ["offline", "ok"], ["offline", "offline", "ok", "ok"]])
def test_who_is_heard_well_before_a_new_shard_is_told_all_is_told_of_once(statuses: list[str]) -> None:
    log = Log().hello("n1").policy(timeout_s=10).register()
    for second, status in enumerate(statuses, start=1):
        log.at(second).beat(status=status)
    judged = announced_shard().fold(log.at(7).announced("n1"))
    assert (heard_again(judged), len(judged.changes)) == ([("device/t17", "ok")], 1)
    judged.fold(log.pulsed(8).beat().pulsed(9).beat())
    assert len(heard_again(judged)) == 1


@pytest.mark.rule("HM-160", "HM-77")
def test_who_is_down_when_a_new_shard_is_told_all_is_told_of_by_that() -> None:
    log = Log().hello("n1").policy(timeout_s=10).register().at(1).beat(status="offline").at(2).announced("n1")
    judged = announced_shard().fold(log.pulsed(3).beat(status="offline", seq=2))
    assert (heard_again(judged), judged.steps()[-1][2]) == ([], "pending_open")


@pytest.mark.rule("HM-160", "HM-306")
@pytest.mark.parametrize("saved", [False, True])
def test_so_is_who_was_too_long_silent_and_is_heard_behind_lost_log(saved: bool) -> None:
    judged = judge(log := allowed_more_silence())
    if saved:
        go_on_from_a_checkpoint(judged)
    judged.shard.await_announcement("n2")
    log.hello("n2").policy(timeout_s=100, version=2).pulsed(21).beat().announced("n2")
    judged.fold(log.pulsed(30).beat().pulsed(31).beat())
    assert heard_again(judged) == [("device/t17", "ok")]


@pytest.mark.rule("HM-160", "HM-18")
@pytest.mark.parametrize("version", [3, None])
def test_so_is_who_was_switched_off_meanwhile(version: int | None) -> None:
    log = allowed_more_silence()
    if version is not None:
        log.policy(timeout_s=100, version=3, enabled=False).pulsed(21).policy(timeout_s=100, version=4)
    judged = judge(log.pulsed(30).beat().pulsed(31).beat())
    assert heard_again(judged) == [("device/t17", "ok")]


@pytest.mark.rule("HM-160", "HM-18")
def test_who_was_heard_and_then_switched_off_before_all_was_told_is_told_of_at_its_next_word() -> None:
    judged = judge(log := allowed_more_silence())
    judged.shard.await_announcement("n2")
    log.hello("n2").policy(timeout_s=100, version=2).pulsed(21).beat(status="offline")
    log.policy(timeout_s=100, version=3, enabled=False).announced("n2").pulsed(25)
    judged.fold(log.policy(timeout_s=100, version=4).pulsed(30).beat().pulsed(31).beat())
    assert heard_again(judged) == [("device/t17", "ok")]


@pytest.mark.rule("HM-160")
@pytest.mark.parametrize("entered", [False, True])
def test_so_is_an_integration_that_says_again_what_was_wrong(entered: bool) -> None:
    """Its silence was allowed since, and it may have been entered meanwhile."""
    log = Log().policy(timeout_s=10, open_debounce_s=60).beat(GATEWAY, status="credentials_invalid").pulsed(20)
    log.policy(timeout_s=100, open_debounce_s=60, version=2).pulsed(25)
    if entered:
        log.register(GATEWAY)
    for second in (26, 27):
        log.beat(GATEWAY, status="credentials_invalid").pulsed(second)
    judged = judge(log)
    assert heard_again(judged) == [("integration/hue-1", "credentials_invalid")]


@pytest.mark.rule("HM-160")
def test_who_is_entered_and_was_heard_before_is_not_told_of() -> None:
    assert heard_again(judge(Log().policy().beat().register().beat().beat())) == []


@pytest.mark.rule("HM-29", "HM-263")
@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("registered", [False, True])
@pytest.mark.parametrize(
    ("field", "first", "then"), [("interval_s", 10, 600), ("model", "m", "n"), ("integration", "g", "h")]
)
def test_what_changes_is_told_also_where_the_registry_says_otherwise(
    field: str, first: Any, then: Any, registered: bool, saved: bool
) -> None:
    """And where it comes to say what the registry does. What is left out changes nothing."""
    log = Log().policy().register(**{field: ENTRY[field]} if registered else {})
    judged = judge(log.at(1).beat(**{field: first}))
    if saved:
        go_on_from_a_checkpoint(judged)
    log.at(2).beat(name="Door").at(3).beat(**{field: then}).at(4).beat(**{field: then, "name": "Door"}).at(5).beat()
    judged.fold(log.at(6).beat(**{field: ENTRY[field]}))
    said = [getattr(each, field) for each in judged.judgements if isinstance(each, Profile)]
    assert said == [first, None, then, ENTRY[field]]


@pytest.mark.rule("HM-263", "HM-1")
def test_an_interval_that_is_taken_back_leaves_what_was_said_last() -> None:
    """The correlator tells what it has been told."""
    log = Log().policy().register(interval_s=300).at(1).beat(interval_s=10).at(2).beat(interval_s=600)
    judged = judge(log)
    known = [each.interval_s for each in judged.judgements if isinstance(each, Profile)][-1]
    judged.fold(log.pulsed(100).register(heard=Heard(interval_s=known)).pulsed(300))
    assert [to for _, _, to, _ in judged.steps()] == ["healthy"]


@pytest.mark.rule("HM-2", "HM-23", "HM-90")
@pytest.mark.parametrize(("first", "flaps"), [("offline", False), ("ok", True)])
def test_who_is_first_heard_of_as_unhealthy_before_all_is_told_has_not_flipped(first: str, flaps: bool) -> None:
    log = Log().policy(flap_flips_threshold=2)
    judged = judge(log)
    judged.shard.await_announcement("n2")
    log.at(1).hello("n2").policy(flap_flips_threshold=2, version=2).beat(DEVICE, status=first)
    judged.fold(log.at(2).beat(DEVICE, status="offline").at(3).announced("n2").at(4).beat(DEVICE).pulsed(5))
    assert [to for _, _, to, _ in judged.steps()] == ["healthy", "pending_open", "flapping" if flaps else "healthy"]


@pytest.mark.rule("HM-2", "HM-90")
def test_nor_is_it_held_to_the_credit_of_who_comes_in_its_place() -> None:
    """It is removed, and another is watched before all is told that was well first."""
    rules: dict[str, Any] = {"flap_flips_threshold": 2}
    judged = judge(log := Log().policy(**rules))
    judged.shard.await_announcement("n2")
    log.at(1).hello("n2").policy(**rules, version=2).beat(DEVICE, status="offline").forget(DEVICE)
    for second, status in enumerate(("ok", "offline"), start=2):
        log.at(second).beat("acme/device/next", status=status)
    judged.fold(log.at(4).announced("n2").at(5).beat("acme/device/next").pulsed(6))
    assert [to for _, _, to, _ in judged.steps("device/next")] == ["healthy", "pending_open", "flapping"]


def by_the_rules_before(judged: Judged) -> None:
    """It goes on from a checkpoint that was saved under them: three columns and two marks are not there."""
    saved = snapshot(judged.shard)
    columns = {name: column for name, column in saved.columns.items() if name not in SAID[:3]}
    columns["registry"] = bytes(each & ~(UNHEARD | HEARD_UNTOLD) for each in columns["registry"])
    judged.shard = restore(structs.replace(saved, rules_version=7, columns=columns))


@pytest.mark.rule("HM-160", "HM-27")
def test_who_was_not_heard_under_the_rules_before_is_told_of() -> None:
    judged = judge(log := allowed_more_silence())
    by_the_rules_before(judged)
    judged.fold(log.pulsed(30).beat().pulsed(31).beat())
    assert heard_again(judged) == [("device/t17", "ok")]


@pytest.mark.rule("HM-29", "HM-27")
@pytest.mark.parametrize(("registered", "told"), [({}, []), ({"interval_s": 60}, [600])])
def test_what_was_said_beside_the_registry_under_the_rules_before_is_told_once(
    registered: dict[str, Any], told: list[int]
) -> None:
    judged = judge(log := Log().policy().register(**registered).at(1).beat(interval_s=600))
    by_the_rules_before(judged)
    before = len(judged.judgements)
    judged.fold(log.at(2).beat(interval_s=600).at(3).beat(interval_s=600, status="offline"))
    said = [each.interval_s for each in judged.judgements[before:] if isinstance(each, Profile)]
    assert said == told
