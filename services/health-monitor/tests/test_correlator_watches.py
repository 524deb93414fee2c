"""Watches under another policy, while their org is switched off, and across a hole. Pure."""

from dataclasses import replace
from uuid import UUID

import pytest
from correlator_facts import OFFLINE, T0

from fettle_contracts.health_policy import HealthPolicy
from fettle_health_monitor.adapters.correlator.everybody import Profiled
from fettle_health_monitor.correlator.retiming import lasting_ms
from fettle_health_monitor.domain.correlator.clocks import Hole, ShardClock
from fettle_health_monitor.domain.correlator.fresh_times import NOT_RUNNING
from fettle_health_monitor.domain.correlator.policies import PolicyVersion
from fettle_health_monitor.domain.correlator.rollups import MANY
from fettle_health_monitor.domain.correlator.watches import NO_GENERATION, Watch, WatchKind

CLOCK = 500_000


def watch(kind: WatchKind = WatchKind.EARLY_RESOLVE, lasting_ms: int = 60_000) -> Watch:
    return Watch.begin(
        kind,
        cause=UUID(int=7),
        org="acme",
        subject="device/t17",
        condition=OFFLINE,
        shard=shard(0),
        since_at=T0,
        lasting_ms=lasting_ms,
    )


def shard(passed_ms: int, *holes: Hole) -> ShardClock:
    """All of it observed, as far as nothing else is said."""
    return ShardClock(0, 1, T0 + passed_ms, CLOCK + passed_ms, holes)


@pytest.mark.rule("HM-83", "HM-228")
@pytest.mark.parametrize(
    ("passed_ms", "lasting_ms", "due"),
    [
        (20_000, 30_000, 30_000),
        (20_000, 20_000, 20_000),
        (20_000, 5_000, 20_000),
        (59_999, 90_000, 90_000),
        (60_000, 90_000, 60_000),
        (61_000, 5_000, 60_000),
    ],
    ids=["shorter", "due at once", "overdue", "longer", "had just run out", "had run out"],
)
def test_another_policy_retimes_from_the_start_and_undoes_nothing(passed_ms: int, lasting_ms: int, due: int) -> None:
    """What is overdue by it is due at its moment."""
    assert watch().lasting(lasting_ms, shard(passed_ms)) == replace(watch(), due_clock=CLOCK + due)


@pytest.mark.rule("HM-229")
def test_nothing_runs_while_its_org_is_switched_off_and_it_begins_anew() -> None:
    still = watch().standing_still(shard(59_999))
    assert still.generation == NOT_RUNNING
    anew = still.begun_anew(shard(80_000), 30_000)
    assert (anew.generation, anew.start_at, anew.due_clock) == (1, T0 + 80_000, CLOCK + 110_000)


@pytest.mark.rule("HM-229", "HM-157")
def test_what_begins_behind_the_switching_on_lasts_from_its_own_beginning() -> None:
    """Switched off and on are told behind it, all in one batch."""
    still = watch().standing_still(shard(-20_000))
    anew = still.begun_anew(shard(-10_000), 60_000)
    assert anew == watch()


@pytest.mark.rule("HM-229")
def test_what_had_run_out_before_has_run_out() -> None:
    run_out = watch().standing_still(shard(60_000))
    assert run_out == watch()
    assert run_out.begun_anew(shard(80_000), 30_000) == watch()


@pytest.mark.rule("HM-157")
@pytest.mark.parametrize(
    ("passed_ms", "ended_ms", "out_ms"),
    [(90_000, 60_001, 60_000), (60_000, 90_000, 60_000), (90_000, 60_000, None), (59_999, 90_000, None)],
    ids=["just before", "just now", "at that instant", "not yet"],
)
def test_what_had_run_out_before_it_was_ended_counts(passed_ms: int, ended_ms: int, out_ms: int | None) -> None:
    out = None if out_ms is None else T0 + out_ms
    assert watch().out_before(T0 + ended_ms, shard(passed_ms)) == out
    assert watch().out_before(T0 + ended_ms, replace(shard(passed_ms), generation=2)) is None


HOLE = Hole(T0 + 10_000, T0 + 50_000)


@pytest.mark.rule("HM-230")
def test_a_fresh_time_begins_anew_at_the_end_of_a_hole() -> None:
    behind = ShardClock(0, 1, T0 + 98_000, CLOCK + 60_000, (HOLE,))
    anew = watch(WatchKind.JUDGED_AFRESH).anew_after_hole(T0 + 98_000, behind)
    assert anew is not None
    assert (anew.start_at, anew.start_clock) == (T0 + 50_000, CLOCK + 12_000)
    assert anew.due_clock == CLOCK + 72_000


@pytest.mark.rule("HM-230")
@pytest.mark.parametrize(
    ("kind", "lasting_ms", "due_at", "hole"),
    [
        (WatchKind.EARLY_RESOLVE, 60_000, T0 + 98_000, HOLE),
        (WatchKind.FEW_LEFT, 60_000, T0 + 98_000, HOLE),
        (WatchKind.JUDGED_AFRESH, 0, T0 + 98_000, HOLE),
        (WatchKind.JUDGED_AFRESH, 60_000, T0 + 10_000, HOLE),
        (WatchKind.JUDGED_AFRESH, 60_000, T0 + 98_000, Hole(T0 - 50_000, T0)),
    ],
    ids=["no fresh time", "nor this", "no time at all", "it ended before the hole", "it began behind the hole"],
)
def test_what_no_hole_was_in_and_what_is_no_fresh_time_does_not(
    kind: WatchKind, lasting_ms: int, due_at: int, hole: Hole
) -> None:
    behind = ShardClock(0, 1, T0 + 98_000, CLOCK + 60_000, (hole,))
    assert watch(kind, lasting_ms).anew_after_hole(due_at, behind) is None


@pytest.mark.rule("HM-303")
@pytest.mark.parametrize("generation", [0, NO_GENERATION])
def test_what_waits_for_the_first_clock_of_a_log_has_its_length_from_there(generation: int) -> None:
    waiting = replace(watch(), generation=generation)
    for passed_ms in (0, 20_000, 90_000):
        assert waiting.lasting(9_000, shard(passed_ms)) == replace(waiting, due_clock=CLOCK + 9_000)


@pytest.mark.rule("HM-306")
@pytest.mark.parametrize(
    ("begun", "starts"),
    [(T0 + 10_000, T0 + 50_000), (T0 + 40_000, T0 + 50_000), (T0 + 49_999, T0 + 50_000), (T0 + 50_000, None)],
)
def test_what_others_begin_while_a_shard_does_not_judge_counts_from_the_end_of_that(
    begun: int, starts: int | None
) -> None:
    """The shard shows its clock of before, and what begins takes the time since for observed."""
    one = {"cause": UUID(int=7), "org": "acme", "subject": "device/t17", "condition": OFFLINE}
    afresh = Watch.begin(WatchKind.JUDGED_AFRESH, **one, shard=shard(10_000), since_at=begun, lasting_ms=60_000)  # type: ignore[arg-type]
    behind = ShardClock(0, 1, T0 + 200_000, CLOCK + 162_000, (HOLE,))
    anew = afresh.anew_after_hole(T0 + 180_000, behind)
    assert (anew and anew.start_at) == starts
    if anew is not None:
        assert (anew.start_clock, anew.due_clock) == (CLOCK + 12_000, CLOCK + 72_000)


BRISK = HealthPolicy.model_validate(
    {"enabled": True, "timeout_s": 3, "open_debounce_s": 2, "resolve_debounce_s": 1}
    | {"overrides": [{"match": {"model": "hub"}, "timeout_s": 30, "open_debounce_s": 20, "resolve_debounce_s": 10}]}
)


@pytest.mark.rule("HM-303")
@pytest.mark.parametrize(
    ("kind", "condition", "lasting", "lasts"),
    [
        (WatchKind.JUDGED_AFRESH, OFFLINE, 5_000, 50_000),
        (WatchKind.JUDGED_AFRESH, OFFLINE, 0, 0),
        (WatchKind.EARLY_RESOLVE, OFFLINE, 2_000, 20_000),
        (WatchKind.EARLY_RESOLVE, MANY, 2_000, 2_000),
        (WatchKind.FEW_LEFT, MANY, 1_000, 1_000),
        (WatchKind.OPEN_REFUSED, OFFLINE, 7_000, 7_000),
    ],
)
def test_how_long_it_lasts_by_the_rules_of_its_subject(
    kind: WatchKind, condition: str, lasting: int, lasts: int
) -> None:
    """One about many devices goes by no model; who was just being heard again has no time, whatever comes."""
    one = replace(watch(kind, lasting), condition=condition, subject="integration/hue-1")
    version = PolicyVersion("acme", 1, BRISK, False)
    assert lasting_ms(one, Profiled(one.subject, 0, None, "hub", None), version) == lasts


@pytest.mark.rule("HM-228", "HM-230")
@pytest.mark.parametrize(("lasting_ms", "due_at"), [(3_000, T0 + 65_000), (11_000, T0 + 73_000), (500, T0 + 63_000)])
def test_behind_a_hole_a_new_policy_retimes_who_is_judged_afresh_from_its_end(lasting_ms: int, due_at: int) -> None:
    """A second behind it; by the old policy there was much time left."""
    watch = Watch.begin(
        WatchKind.JUDGED_AFRESH,
        cause=UUID(int=1),
        org="acme",
        subject="device/d1",
        condition="device_offline",
        shard=ShardClock(0, 1, T0, 1_000_000),
        since_at=T0,
        lasting_ms=22_000,
    )
    now = ShardClock(0, 1, T0 + 63_000, 1_005_000, (Hole(T0 + 2_000, T0 + 62_000),))
    retimed = watch.lasting(lasting_ms, now)
    assert (retimed.due_at, retimed.anew_after_hole(now.at, now) or retimed) == (due_at, retimed)


@pytest.mark.rule("HM-230")
@pytest.mark.parametrize(
    ("since", "begins", "due"),
    [(T0 + 40_000, T0 + 62_000, T0 + 82_000), (T0 + 3_000, T0 + 3_000, T0 + 81_000)],
    ids=["inside the hole", "where it is not one yet"],
)
def test_what_begins_inside_a_hole_lasts_from_its_end(since: int, begins: int, due: int) -> None:
    """The clock counts the first two seconds of a hole, which nobody knows to be one yet."""
    before = ShardClock(0, 1, T0 + 2_000, CLOCK + 2_000)
    begun = Watch.begin(
        WatchKind.EARLY_RESOLVE,
        cause=UUID(int=1),
        org="acme",
        subject="device/d1",
        condition=OFFLINE,
        shard=before,
        since_at=since,
        lasting_ms=20_000,
    )
    now = ShardClock(0, 1, T0 + 62_000, CLOCK + 4_000, (Hole(T0 + 2_000, T0 + 62_000),))
    watch = begun.anew_after_hole(now.instant_of(begun.due_clock), now) or begun
    assert (watch.start_at, now.instant_of(watch.due_clock)) == (begins, due)
    assert watch.anew_after_hole(now.instant_of(watch.due_clock), now) is None
