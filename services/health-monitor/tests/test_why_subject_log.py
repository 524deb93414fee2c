"""A subject judged alone is judged as among all the others."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_log import DEVICE, GATEWAY, Judged, Log, policy, read_control
from msgspec.structs import replace
from why_logs import KEY, changes_of, extracted, logs

from fettle_health_monitor.domain.control import Announced, Skip, shard_key
from fettle_health_monitor.domain.judge.checkpoint import Greeting, begin
from fettle_health_monitor.domain.judge.shard import Shard, place_of
from fettle_health_monitor.domain.judgements import Change
from fettle_health_monitor.domain.why.subject_log import Extraction, judged


def told(changes: list[Change] | tuple[Change, ...]) -> list[tuple[object, ...]]:
    """All that a change says but where in the log it was found out."""
    return [
        (
            *(change.from_state, change.to_state, change.condition, change.at, change.since, change.reason),
            *(change.policy_version, change.flap_count, change.evidence.last_heard, change.evidence.deadline),
            *(change.evidence.status, change.evidence.timeout_s, change.evidence.debounce_s),
        )
        for change in changes
    ]


def seen(shard: Shard, key: bytes) -> tuple[object, ...] | None:
    """The subject as its shard has it, instants by the clock."""
    subjects, clock = shard.judge.subjects, shard.judge.clock
    row = subjects.rows.get(key)
    if row is None:
        return None
    due = shard.judge.due_at(row)
    return (
        *(subjects.state[row], subjects.reading[row], subjects.heard_at[row], subjects.since_at[row]),
        *(clock.said, shard.judge.silent_at(row) - clock.now, None if due is None else due - clock.now),
    )


@pytest.mark.rule("HM-180")
@settings(max_examples=400, deadline=None)
@given(logs(), st.integers(1, 60), st.sampled_from([DEVICE, GATEWAY]))
def test_one_subject_alone_is_judged_as_among_all(log: Log, cut: int, subject: str) -> None:
    cut, key = min(cut, len(log.records)), subject.encode()
    whole = Judged().fold(log, cut)
    before = len(changes_of(whole, key))
    whole.fold(log)

    last = log.records[-1].timestamp
    alone = judged(extracted(log, cut, last, key))

    assert told(alone.changes) == told(changes_of(whole, key)[before:])
    assert seen(alone.shard, key) == seen(whole.shard, key)


@pytest.mark.rule("HM-180")
def test_when_a_condition_turned_is_taken_along() -> None:
    log = Log().policy(open_debounce_s=10).beat(GATEWAY, status="unreachable").pulsed(20)
    log.beat(GATEWAY, status="credentials_invalid").pulsed(25)
    cut, key = len(log.records), GATEWAY.encode()
    alone = judged(extracted(log.pulsed(40), cut, log.ms, key))
    assert [(change.at - log.records[0].timestamp, change.reason) for change in alone.changes] == [
        (30_000, "condition_changed")
    ]


@pytest.mark.rule("HM-180")
def test_what_is_kept_of_others_is_next_to_nothing() -> None:
    log = Log().policy()
    for second in range(600):
        log.at(second).beat("acme/device/other").pulse()
    log.beat()
    kept = extracted(log, 1, log.ms)
    assert [record.key for record in kept.records if record.key] == [KEY]
    assert len(kept.records) <= 2
    assert kept.sent == 1


@pytest.mark.rule("HM-180")
def test_from_a_hello_on_it_is_told_what_is_in_force_as_the_shard_was() -> None:
    log = Log().beat().hello("n")
    hello = place_of(log.records[-1])
    log.beat().beat("acme/device/other").policy(timeout_s=5).state(Announced(nonce="n"), shard_key(0))
    log.pulsed(90)
    whole = Judged(begin(0, 1, 3, "n"))
    whole.judgements += whole.shard.fold(log.records[1:], read_control).judgements

    extraction = Extraction(
        KEY, Greeting("n", hello), partition=0, partitions=1, generation=3, read_control=read_control
    )
    extraction.take(log.records[1:])
    alone = judged(extraction.upto(log.ms))
    assert told(alone.changes) == told(changes_of(whole))
    assert [change.to_state for change in alone.changes] == ["healthy", "pending_open", "firing"]


@pytest.mark.rule("HM-180")
def test_time_passes_to_the_instant_and_not_beyond_it() -> None:
    log = Log().policy(timeout_s=10, open_debounce_s=5).beat().pulsed(60)
    start = log.records[0].timestamp

    def at(seconds: float) -> list[str | None]:
        upto = [record for record in log.records if record.timestamp <= start + seconds * 1000]
        short = Log()
        short.records = upto
        return [change.to_state for change in judged(extracted(short, 1, start + round(seconds * 1000))).changes]

    assert at(9.999) == ["healthy"]
    assert at(10) == ["healthy", "pending_open"]
    assert at(14.999) == ["healthy", "pending_open"]
    assert at(15) == ["healthy", "pending_open", "firing"]


@pytest.mark.rule("HM-172", "HM-180")
def test_records_that_skips_name_are_known_to_who_asks() -> None:
    log = Log().policy().beat(DEVICE).pulsed(3).state(Skip(offset=1, error="bug"), shard_key(0), 0)
    extraction = Extraction(
        KEY, Greeting("n", place_of(log.records[0])), partition=0, partitions=1, generation=1, read_control=read_control
    )
    extraction.take(log.records)
    assert extraction.named_by_skips == {1}


@pytest.mark.rule("HM-25", "HM-180")
def test_a_policy_that_others_have_overtaken_in_number_counts_for_nobody() -> None:
    log = Log().policy(timeout_s=60).state(policy("beta"), "beta", 9).state(policy("acme", timeout_s=5), "acme", 5)
    log.beat().pulsed(40)
    assert [change.to_state for change in judged(extracted(log, 1, log.ms)).changes] == ["healthy"]


@pytest.mark.rule("HM-180")
def test_what_is_overdue_by_another_policy_happens_at_the_kept_state_though_nothing_follows() -> None:
    log = Log().policy(open_debounce_s=10).beat(GATEWAY, status="unreachable").pulsed(3)
    kept = extracted(log, len(log.records), log.ms, GATEWAY.encode())
    assert judged(kept).changes == ()
    (fired,) = judged(kept, lambda policy: replace(policy, open_debounce_s=2)).changes
    assert (fired.to_state, fired.at) == ("firing", log.ms)
