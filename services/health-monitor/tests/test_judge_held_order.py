"""What a newcomer says behind what is held of it counts, also where it is taken in before all is told."""

from typing import Any

import pytest
from judge_log import T0, Judged, Log, announced_shard, judge

from fettle_health_monitor.domain.judge import held
from fettle_health_monitor.domain.judge.folded import Ignored
from fettle_health_monitor.domain.judgements import Profile

A = "beta/device/a"
BEFORE = pytest.mark.parametrize("before", [{}, {"discover": "list_only"}], ids=["unknown org", "only listed"])
WELL_AT_LAST, DOWN_AT_LAST = ["healthy"], ["healthy", "pending_open", "firing"]


def behind_lost_log(first: dict[str, Any], then: dict[str, Any], before: dict[str, Any]) -> Judged:
    """`first` is said while the org is not known or lists only, `then` behind its policy, both before all is told."""
    judged = judge(log := Log().policy("beta", **before) if before else Log().policy())
    judged.shard.await_announcement("n2")
    log.at(1).hello("n2").at(2).beat(A, **first)
    log.at(3).policy("beta", version=2, open_debounce_s=10).at(4).beat(A, **then).at(5).announced("n2")
    return judged.fold(log.pulsed(20))


def states(judged: Judged) -> list[str | None]:
    return [to for _, _, to, _ in judged.steps("device/a")]


@pytest.mark.rule("HM-23", "HM-3")
@BEFORE
@pytest.mark.parametrize(
    ("first", "then", "expected"), [("offline", "ok", WELL_AT_LAST), ("ok", "offline", DOWN_AT_LAST)]
)
def test_its_last_word_counts(first: str, then: str, expected: list[str], before: dict[str, Any]) -> None:
    judged = behind_lost_log({"status": first}, {"status": then}, before)
    assert states(judged) == expected
    subjects = judged.shard.judge.subjects
    assert subjects.heard_at[subjects.rows[A.encode()]] == T0 + 4_000


@pytest.mark.rule("HM-23", "HM-29")
@BEFORE
def test_what_it_leaves_out_then_stays_as_it_was_said(before: dict[str, Any]) -> None:
    judged = behind_lost_log({"interval_s": 3_600, "name": "Door"}, {"interval_s": 20}, before)
    (told,) = [each for each in judged.judgements if isinstance(each, Profile)]
    assert (told.name, told.interval_s) == ("Door", 20)


@pytest.mark.rule("HM-23", "HM-268")
def test_who_finds_room_by_a_removal_says_more_than_what_is_held() -> None:
    log = Log().policy("beta", subject_cap=1, open_debounce_s=10).beat("beta/device/z")
    judged = judge(log)
    judged.shard.await_announcement("n2")
    log.at(1).hello("n2").at(2).beat(A, status="offline").at(3).forget("beta/device/z")
    judged.fold(log.at(4).beat(A).at(5).announced("n2").pulsed(20))
    assert states(judged) == WELL_AT_LAST


@pytest.mark.rule("HM-23")
@pytest.mark.parametrize("is_told", [True, False], ids=["behind its policy", "before its policy"])
def test_what_finds_no_room_takes_the_place_of_what_is_held(is_told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word of before would count in place of the last one."""
    monkeypatch.setattr(held, "HELD_MAX_BYTES", 60)
    log = Log().hello("n1")
    if is_told:
        log.policy("beta", open_debounce_s=10)
    log.at(1).beat(A, status="offline").at(2).beat(A, name="x" * 100)
    judged = announced_shard().fold(log)
    ignored = dict(judged.folded.ignored)
    if not is_told:
        judged.fold(log.policy("beta", open_debounce_s=10))
    judged.fold(log.at(3).announced("n1").pulsed(20))
    assert (states(judged), ignored) == ((WELL_AT_LAST, {}) if is_told else ([], {Ignored.UNKNOWN_ORG: 2}))
