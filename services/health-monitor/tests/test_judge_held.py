"""What newcomers say to a shard that is still being told what is in force, and whom it watches."""

from typing import Any

import pytest
from judge_bugs import READ, poisoned
from judge_log import DEVICE, T0, Judged, Log, announced_shard

from fettle_health_monitor.domain.judge.folded import Ignored
from fettle_health_monitor.domain.judgements import Profile, Unwatched

RULES: dict[str, Any] = {"open_debounce_s": 10}
OTHER = "acme/device/known"


def greeted(*values: bytes) -> Log:
    log = Log().hello("n1")
    for second, value in enumerate(values, start=1):
        log.at(second).raw(DEVICE.encode(), value)
    return log.at(5)


def states(judged: Judged) -> list[str | None]:
    return [to for _, _, to, _ in judged.steps()]


@pytest.mark.rule("HM-23", "HM-29")
def test_what_a_later_heartbeat_leaves_out_stays_as_one_before_it_said() -> None:
    """By an interval of ten minutes the timeout is thirty; without it, three."""
    log = greeted(b'{"interval_s": 600, "name": "Door", "integration": "hue-1"}', b"").policy(**RULES).announced("n1")
    judged = announced_shard().fold(log.pulsed(400))
    (told,) = [each for each in judged.judgements if isinstance(each, Profile)]
    assert (told.name, told.integration, told.interval_s) == ("Door", "hue-1", 600)
    assert states(judged) == ["healthy"]


@pytest.mark.rule("HM-23", "HM-30", "HM-35")
@pytest.mark.parametrize("bad_first", [False, True])
@pytest.mark.parametrize("known", ["judge", "list_only"])
def test_a_bad_heartbeat_is_refused_beside_a_good_one(bad_first: bool, known: str) -> None:
    values = [b'{"status": "offline"}', b"{nonsense"]
    log = greeted(*(reversed(values) if bad_first else values)).policy(discover=known, **RULES)
    judged = announced_shard().fold((log if known == "judge" else log.register(DEVICE)).announced("n1").pulsed(20))
    assert [(refusal.org, refusal.record.value) for refusal in judged.folded.refusals] == [("acme", b"{nonsense")]
    assert states(judged)[-2:] == ["pending_open", "firing"]


@pytest.mark.rule("HM-30", "HM-35")
def test_every_bad_heartbeat_is_refused_once_all_is_told() -> None:
    log = greeted(b"{", b"{", b"[]", b'{"status": "dim"}').policy(**RULES)
    judged = announced_shard().fold(log)
    assert judged.folded.refusals == []
    judged.fold(log.announced("n1"))
    assert [refusal.code for refusal in judged.folded.refusals] == [
        "not_json",
        "not_json",
        "field_invalid",
        "status_invalid",
    ]


@pytest.mark.rule("HM-23", "HM-78")
@pytest.mark.parametrize("between", [False, True], ids=["before its policy", "behind its policy"])
@pytest.mark.parametrize("discover", ["judge", "list_only"])
def test_who_is_entered_is_heard_from_the_hello_on(discover: str, between: bool) -> None:
    """The registrations come behind the policies."""
    log = Log().hello("n1")
    if not between:
        log.beat(DEVICE, status="offline", interval_s=600)
    log.policy(discover=discover, **RULES)
    if between:
        log.beat(DEVICE, status="offline", interval_s=600)
    judged = announced_shard().fold(log.at(0.1).register(DEVICE).announced("n1"))
    subjects = judged.shard.judge.subjects
    assert not [one for one in judged.judgements if isinstance(one, Unwatched)]
    assert states(judged) == ["healthy", "pending_open"]
    assert subjects.heard_at[subjects.rows[DEVICE.encode()]] == T0


@pytest.mark.rule("HM-1", "HM-23")
@pytest.mark.parametrize("discover", ["judge", "list_only"])
def test_nobody_is_silent_by_another_interval_than_it_has_said_behind_the_hello(discover: str) -> None:
    log = Log().hello("n1").beat(DEVICE, interval_s=600).at(0.1).policy(discover=discover)
    log.register(DEVICE).announced("n1").pulsed(420)
    assert states(announced_shard().fold(log)) == ["healthy"]


@pytest.mark.rule("HM-77", "HM-268")
def test_a_newcomer_does_not_take_the_room_of_who_was_judged() -> None:
    """Who was judged is told as it was heard, and that it is not entered."""
    log = Log().hello("n1").beat("acme/device/late").policy(subject_cap=1, **RULES).beat("acme/device/later")
    log.register(OTHER, interval_s=30).register(OTHER).announced("n1")
    judged = announced_shard().fold(log)
    assert {change.subject for change in judged.changes} == {"device/known"}
    assert [one.subject for one in judged.judgements if isinstance(one, Unwatched)] == ["device/late", "device/later"]


@pytest.mark.rule("HM-18", "HM-23")
def test_what_was_heard_before_a_removal_is_gone_with_it() -> None:
    log = Log().hello("n1").beat(DEVICE, name="Roof").policy().forget(DEVICE).announced("n1")
    judged = announced_shard().fold(log)
    assert (judged.changes, len(judged.shard.judge.subjects)) == ([], 0)


@pytest.mark.rule("HM-13", "HM-23")
def test_what_is_held_of_an_org_that_is_off_is_counted() -> None:
    log = greeted(b"{", b"").policy(enabled=False).announced("n1")
    folded = announced_shard().fold(log).folded
    assert (folded.ignored, folded.refusals) == ({Ignored.SWITCHED_OFF: 2}, [])


@pytest.mark.rule("HM-52")
def test_a_heartbeat_that_ends_the_judge_is_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the policy's record would be blamed, which is never left out."""
    monkeypatch.setattr(READ, poisoned())
    judged = announced_shard()
    with pytest.raises(ZeroDivisionError):
        judged.fold(greeted(b'{"name":"poison"}').policy(**RULES).announced("n1"))
    assert judged.shard.stumbled_over == 1
