"""Which messages of `health.judgements` are news."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fettle_health_monitor.domain.correlator.marks import Mark, mark_of, news
from fettle_health_monitor.domain.judgements import Hello

places = st.tuples(st.integers(1, 3), st.integers(0, 5), st.integers(0, 3))


def said(shard: int, mark: Mark) -> Hello:
    generation, offset, index = mark
    return Hello(shard=shard, generation=generation, place=(offset, index), nonce="n")


@pytest.mark.rule("HM-64")
@given(st.lists(st.tuples(st.integers(0, 2), places)), st.lists(st.integers(0, 40)))
def test_a_log_told_again_from_anywhere_is_news_once(written: list[tuple[int, Mark]], restarts: list[int]) -> None:
    """Each shard writes in the order of its places; a restart tells everything from an earlier place on again."""
    log = [said(shard, mark) for shard, mark in sorted(set(written), key=lambda each: each[1])]
    told = [*log]
    for start in restarts:
        told += log[start % (len(log) + 1) :]
    fresh, marks = news({}, told)
    assert fresh == log
    assert marks == {message.shard: mark_of(message) for message in log}
    assert news(marks, told) == ([], marks)


@pytest.mark.rule("HM-64")
@given(st.lists(st.tuples(st.integers(0, 2), places)), st.integers(0, 40))
def test_batches_of_any_size_find_the_same_news(written: list[tuple[int, Mark]], cut: int) -> None:
    told = [said(shard, mark) for shard, mark in written]
    whole, marks = news({}, told)
    first, between = news({}, told[:cut])
    second, after = news(between, told[cut:])
    assert (first + second, after) == (whole, marks)
