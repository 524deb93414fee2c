"""The same log gives the same changes, however it is cut and wherever it is taken up again."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_fleets import PAUSES
from judge_log import T0, Judged, Log, judge, read_control

from fettle_health_monitor.domain.judge.checkpoint import Snapshot, begin, pack, restore, snapshot, unpack
from fettle_health_monitor.domain.judge.states import Reason
from fettle_health_monitor.domain.judgements import Change, HeardAgain, Judgement, Unobserved

DEVICES = [f"acme/device/{name}" for name in "abc"]
GATEWAYS = ["acme/integration/g", "beta/integration/g"]


def flap_rules() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "flap_threshold": st.integers(2, 5),
            "flap_flips_threshold": st.integers(2, 12),
            "flap_window_s": st.integers(1, 600),
            "flap_stable_s": st.integers(1, 20),
        }
    )


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """A few subjects, two orgs, everything that can stand in a partition, in time that flows, stops, leaps and steps
    back."""
    log = Log().policy(timeout_s=draw(st.integers(1, 8)), open_debounce_s=draw(st.integers(0, 5)), **draw(flap_rules()))
    for _ in range(draw(st.integers(1, 60))):
        log.ms += draw(PAUSES)
        key = draw(st.sampled_from([*DEVICES, *GATEWAYS, "beta/device/z", "ghost/device/q"]))
        match draw(st.integers(0, 12)):
            case 0 | 1 | 2 | 3:
                log.pulse()
            case 4 | 5 | 6:
                log.beat(key)
            case 7:
                status = "offline" if "device" in key else draw(st.sampled_from(["unreachable", "credentials_invalid"]))
                log.beat(key, status=status, integration=draw(st.sampled_from([None, "hue-1", "hue-2"])))
            case 8:
                log.beat(key, interval_s=draw(st.integers(1, 5)), name=draw(st.sampled_from(["x", "y"])))
            case 9:
                log.raw(key.encode(), draw(st.sampled_from([b"{", b"[]", b'{"status":"?"}', b'{"interval_s":0}'])))
            case 10:
                log.policy(
                    key.split("/")[0],
                    enabled=draw(st.booleans()),
                    timeout_s=draw(st.one_of(st.none(), st.integers(1, 20))),
                    open_debounce_s=draw(st.integers(0, 5)),
                    resolve_debounce_s=draw(st.integers(0, 5)),
                    subject_cap=draw(st.integers(1, 3)),
                    discover=draw(st.sampled_from(["judge", "list_only"])),
                    **draw(flap_rules()),
                )
            case 11:
                log.register(key, interval_s=draw(st.sampled_from([None, 1, 3])))
            case _:
                log.forget(key)
    return log


@pytest.mark.rule("HM-27")
@settings(max_examples=300, deadline=None)
@given(logs(), st.lists(st.integers(0, 60), max_size=4))
def test_a_shard_taken_up_from_any_checkpoint_judges_as_if_it_had_never_stopped(log: Log, cuts: list[int]) -> None:
    whole = judge(log).judgements

    judged = Judged()
    for cut in sorted(cuts):
        judged.fold(log, cut)
        if judged.shard.place is not None:
            saved = unpack(pack(snapshot(judged.shard)))
            assert isinstance(saved, Snapshot)
            judged.shard = restore(saved)

    assert judged.fold(log).judgements == whole


@pytest.mark.rule("HM-27", "HM-160")
def test_who_has_begun_to_flap_while_well_was_not_silent_after_a_restart_either() -> None:
    log = Log().policy(timeout_s=3, open_debounce_s=2, resolve_debounce_s=2, flap_threshold=2, flap_stable_s=5)
    log.beat().pulsed(10).beat().pulsed(11.5).beat().pulsed(12.5)
    cut = len(log.records)
    while log.ms < T0 + 20_000:
        log.pulsed((log.ms - T0) / 1000 + 1).beat()

    judged = Judged().fold(log, cut)
    assert judged.steps()[-1] == (12.0, "pending_resolve", "flapping", "changed_too_often")
    judged.shard = restore(snapshot(judged.shard))
    assert judged.fold(log).judgements == judge(log).judgements
    assert not any(isinstance(each, HeardAgain) for each in judged.judgements)


@pytest.mark.rule("HM-23", "HM-171", "HM-172")
@pytest.mark.parametrize("before", ["beats", "a hole", "a step back"])
def test_a_replay_from_a_hello_comes_to_the_state_of_who_began_to_read_before_it(before: str) -> None:
    """Devices were reporting when the shard began: it read from the end of the log, and its hello got there later."""
    log = Log().beat().pulsed(3).beat().at({"beats": 3.5, "a hole": 60, "a step back": -9}[before])
    hello = len(log.records)
    log.hello("n1").beat().policy(timeout_s=10, open_debounce_s=5).announced("n1")
    log.at(100).beat().pulsed(102).beat("acme/device/b").pulsed(120)

    owner, replay = (Judged(begin(0, 1, 1, "n1")) for _ in range(2))
    owner.fold(log)
    replay.judgements += replay.shard.fold(log.records[hello:], read_control).judgements

    assert replay.judgements == owner.judgements
    assert snapshot(replay.shard) == snapshot(owner.shard)


@pytest.mark.rule("HM-160")
@pytest.mark.parametrize(("until", "state"), [(14, "flapping"), (19, "healthy")])
def test_who_begins_to_flap_after_more_silence_was_allowed_is_still_to_be_heard(until: int, state: str) -> None:
    """While it flaps, and when it is stable again."""
    rules: dict[str, Any] = {"open_debounce_s": 2, "resolve_debounce_s": 2, "flap_threshold": 2, "flap_stable_s": 5}
    log = Log().policy(timeout_s=3, **rules).beat().pulsed(10).policy(timeout_s=60, **rules)
    log.pulsed(until).beat().pulsed(until + 1).beat()

    assert judge(log).steps()[-1][2] == state
    assert [each.at for each in judge(log).judgements if isinstance(each, HeardAgain)] == [T0 + until * 1000]


@pytest.mark.rule("HM-27")
@settings(max_examples=200, deadline=None)
@given(logs())
def test_record_by_record_or_in_one_run_is_the_same(log: Log) -> None:
    one_by_one = Judged()
    for upto in range(1, len(log.records) + 1):
        one_by_one.fold(log, upto)

    assert one_by_one.judgements == judge(log).judgements


@pytest.mark.rule("HM-26")
@settings(max_examples=200, deadline=None)
@given(logs())
def test_times_never_decrease_and_places_grow(log: Log) -> None:
    judgements = judge(log).judgements
    places = [judgement.place for judgement in judgements]
    instants = [instant for judgement in judgements if (instant := _at(judgement)) is not None]

    assert places == sorted(set(places))
    assert instants == sorted(instants)
    assert len({change.id for change in _changes(judgements)}) == len(_changes(judgements))


@pytest.mark.rule("HM-3", "HM-20")
@settings(max_examples=300, deadline=None)
@given(logs())
def test_nothing_fires_by_silence_without_timeout_and_debounce_of_observed_silence(log: Log) -> None:
    """Measured apart from the judge: the sum of the steps between the last heartbeat, or the end of the last hole,
    and the record at which it was decided."""
    for change in _changes(judge(log).judgements):
        if change.to_state != "firing" or change.evidence.status != "silent":
            continue
        if change.from_state != "pending_open":
            continue
        needed = (change.evidence.timeout_s + change.evidence.debounce_s) * 1000
        assert _observed_silence(log, change) >= needed


@pytest.mark.rule("HM-2", "HM-5")
@settings(max_examples=200, deadline=None)
@given(logs())
def test_every_change_follows_the_one_before(log: Log) -> None:
    state: dict[tuple[str, str], str | None] = {}
    for change in _changes(judge(log).judgements):
        assert state.get((change.org, change.subject)) == change.from_state
        assert (change.from_state == change.to_state) == (change.reason == Reason.CONDITION_CHANGED)
        assert change.since <= change.at
        assert change.reason in set(Reason)
        state[change.org, change.subject] = change.to_state


def _observed_silence(log: Log, change: Change) -> int:
    observed = 0
    for index in range(change.evidence.offset, 0, -1):
        record, before = log.records[index], log.records[index - 1]
        gap = record.timestamp - before.timestamp
        observed += min(max(gap, 0), 2000)
        if gap >= 5000:
            return observed if index < change.evidence.offset else 0
        if before.key == f"{change.org}/{change.subject}".encode() and _is_sign_of_life(before.value, before.headers):
            return observed
    return observed


def _is_sign_of_life(value: bytes | None, headers: object) -> bool:
    return not headers and (not value or value == b"{}" or (b"status" not in value and b'"name"' in value))


def _changes(judgements: list[Judgement]) -> list[Change]:
    return [judgement for judgement in judgements if isinstance(judgement, Change)]


def _at(judgement: Judgement) -> int | None:
    return None if isinstance(judgement, Unobserved) else getattr(judgement, "at", None)
