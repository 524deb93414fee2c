"""Each change has an id of its own, which follows from the log and from the version of the rules."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_log import DEVICE, GATEWAY, T0, Log, judge

from fettle_health_monitor.domain.judge import scribe

DEBOUNCES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"open_debounce_s": st.sampled_from([0, 1]), "resolve_debounce_s": st.sampled_from([0, 2])}
)


@st.composite
def retimed(draw: st.DrawFn) -> Log:
    """Who fails and is heard under policies that allow little silence and much in turn, each of which comes behind a
    moment at which something was due."""
    key, *failures = draw(st.sampled_from([(DEVICE, "offline"), (GATEWAY, "unreachable", "credentials_invalid")]))
    log = Log()
    for _ in range(draw(st.integers(2, 8))):
        log.policy(timeout_s=2, **draw(DEBOUNCES)).beat(key, status=draw(st.sampled_from(failures)))
        for what in draw(st.lists(st.sampled_from(["ok", "pulse", *failures]), min_size=1, max_size=2)):
            log.ms += draw(st.sampled_from([1_000, 1_500]))
            log.pulse() if what == "pulse" else log.beat(key, status=what)
        log.ms += draw(st.sampled_from([200, 1_200]))
        log.policy(timeout_s=30, **draw(DEBOUNCES))
    return log


@pytest.mark.rule("HM-26", "HM-337")
@settings(max_examples=400, deadline=None)
@given(retimed())
def test_no_two_changes_have_the_same_id(log: Log) -> None:
    ids = [change.id for change in judge(log).changes]
    assert len(set(ids)) == len(ids)


@pytest.mark.rule("HM-26", "HM-337")
def test_who_recovers_twice_at_one_record_recovers_by_two_ids() -> None:
    """Healthy again at 70 s, silent for too long just then, and well by the longer timeout that the record states."""
    before: dict[str, Any] = {"timeout_s": 60, "open_debounce_s": 0, "resolve_debounce_s": 60}
    log = Log().policy(**before).at(2).beat(status="offline").pulsed(10).beat().pulsed(69.9).at(70.2)
    judged = judge(log.policy(version=2, timeout_s=300, open_debounce_s=0, resolve_debounce_s=0))

    at_once = [change for change in judged.changes if change.evidence.offset == len(log.records) - 1]
    assert [((change.at - T0) / 1000, change.to_state) for change in at_once] == [
        (70.0, "healthy"),
        (70.0, "pending_open"),
        (70.0, "firing"),
        (70.2, "pending_resolve"),
        (70.2, "healthy"),
    ]
    assert len({change.id for change in at_once}) == 5
    assert [change.id for change in judge(log).changes] == [change.id for change in judged.changes]


@pytest.mark.rule("HM-26")
def test_the_id_follows_from_the_version_of_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log().policy(timeout_s=10, open_debounce_s=5).beat().pulsed(20)
    by_these = {change.id for change in judge(log).changes}
    monkeypatch.setattr(scribe, "RULES_VERSION", scribe.RULES_VERSION + 1)
    by_others = {change.id for change in judge(log).changes}

    assert len(by_these) == len(by_others) == 3
    assert by_these.isdisjoint(by_others)
