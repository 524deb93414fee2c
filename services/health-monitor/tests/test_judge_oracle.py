"""The judge and a naive second reading of the same rules say the same of every log."""

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from judge_fleets import Losing, fleets, fleets_by_intervals, fleets_that_lose_log, script
from judge_log import Judged, Log, read_control
from judge_oracle import Oracle
from judge_subjects import Told

from fettle_health_monitor.domain.judge.checkpoint import Snapshot, pack, restore, snapshot, unpack
from fettle_health_monitor.domain.judgements import Change

RULES = ["HM-90", "HM-91", "HM-92", "HM-93", "HM-94", "HM-95", "HM-96", "HM-97", "HM-98", "HM-99", "HM-27"]


def told(change: Change) -> Told:
    key = f"{change.org}/{change.subject}"
    return Told(key, change.at, change.from_state, change.to_state, change.condition, change.since, change.flap_count)


def by_subject(changes: list[Told]) -> dict[str, list[Told]]:
    """Changes of different subjects at one instant have no order that a subject could notice."""
    return {key: [_comparable(change) for change in changes if change.key == key] for key in {c.key for c in changes}}


def _comparable(change: Told) -> Told:
    return change if change.to_state is not None else change._replace(since=0)


class BySeconds(Oracle):
    """For logs in which everything happens at whole seconds."""

    step = 1_000
    settled = 600_000


def compare(log: Log, cuts: list[int], oracle: type[Oracle] = Oracle) -> None:
    note(script(log))
    judged = Judged()
    for cut in sorted(cuts):
        judged.fold(log, cut)
        restart(judged)
    compare_with(judged.fold(log), oracle().read(log.records))


def restart(judged: Judged) -> None:
    """It goes on from a checkpoint, if there can be one."""
    if judged.shard.place is not None and judged.shard.announcement is None:
        saved = unpack(pack(snapshot(judged.shard)))
        assert isinstance(saved, Snapshot)
        judged.shard = restore(saved)


def compare_where_log_is_lost(log: Losing, cuts: list[int]) -> None:
    note(f"{script(log.log)}\nlost: {sorted(log.lost)}, again from: {log.behind}")
    judged = Judged()
    for place, record in enumerate(log.read):
        if place in cuts or record.offset in log.behind:
            restart(judged)
        if record.offset in log.behind:
            judged.shard.await_announcement(log.behind[record.offset])
        judged.judgements += judged.shard.fold([record], read_control).judgements
    compare_with(judged, Oracle().read(log.read, log.behind))


def compare_with(judged: Judged, expected: list[Told]) -> None:
    changes = [told(change) for change in judged.changes]
    assert by_subject(changes) == by_subject(expected)
    assert [change.at for change in changes] == sorted(change.at for change in changes)


CUTS = st.lists(st.integers(1, 70), max_size=3)


@pytest.mark.rule("HM-24", "HM-287", *RULES)
@settings(max_examples=200, deadline=None)
@given(fleets_that_lose_log(), CUTS)
def test_it_says_so_where_log_is_lost_before_it_was_read(log: Losing, cuts: list[int]) -> None:
    compare_where_log_is_lost(log, cuts)


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@pytest.mark.rule("HM-24", "HM-287", *RULES)
@settings(max_examples=10_000, deadline=None)
@given(fleets_that_lose_log(), CUTS)
def test_it_says_so_of_many_logs_that_were_lost_in_part(log: Losing, cuts: list[int]) -> None:
    compare_where_log_is_lost(log, cuts)


@pytest.mark.rule(*RULES)
@settings(max_examples=200, deadline=None)
@given(fleets(), CUTS)
def test_the_judge_says_what_the_oracle_says(log: Log, cuts: list[int]) -> None:
    compare(log, cuts)


@pytest.mark.rule("HM-1", "HM-17", "HM-263", "HM-271")
@settings(max_examples=100, deadline=None)
@given(fleets_by_intervals(), CUTS)
def test_it_says_so_where_timeouts_follow_from_intervals(log: Log, cuts: list[int]) -> None:
    compare(log, cuts, BySeconds)


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@pytest.mark.rule("HM-1", "HM-17", "HM-263", "HM-271")
@settings(max_examples=5_000, deadline=None)
@given(fleets_by_intervals(), CUTS)
def test_it_says_so_of_many_logs_in_which_timeouts_follow_from_intervals(log: Log, cuts: list[int]) -> None:
    compare(log, cuts, BySeconds)


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@pytest.mark.rule(*RULES)
@settings(max_examples=20_000, deadline=None)
@given(fleets(), CUTS)
def test_the_judge_says_what_the_oracle_says_of_many_logs(log: Log, cuts: list[int]) -> None:
    compare(log, cuts)
