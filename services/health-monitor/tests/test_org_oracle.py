"""The judge's shards and the correlator together, and a naive second reading of the same rules, say the same of every
history of an org."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
from correlator_world import CorrelatorWorld
from hypothesis import given, note, settings
from hypothesis import strategies as st
from judge_log import T0
from org_histories import History, histories
from org_oracle import ALL, Ended, Moved, Oracle
from org_run import Seen, run

STEPS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([1, 2, 4, 200])), min_size=1, max_size=6)


@contextmanager
def correlator(environment: Mapping[str, str]) -> Iterator[tuple[asyncio.Runner, CorrelatorWorld]]:
    """One database for all histories of a test."""
    with asyncio.Runner() as runner:
        opened = CorrelatorWorld.open(environment, org=None)
        world = runner.run(opened.__aenter__())
        try:
            yield runner, world
        finally:
            runner.run(opened.__aexit__(None, None, None))


def expected(history: History) -> Oracle:
    oracle = Oracle(history.rules, history.integrations, history.quiet)
    oracle.read(history.beats, history.until)
    return oracle


def compare(seen: Seen, oracle: Oracle) -> None:
    for move in sorted(oracle.moved):
        note(f"{move.at - T0:7} {move.subject:12} {move.from_state} -> {move.to_state}")
    assert moves(seen.moved) == moves(oracle.moved)
    assert seen.outages == [(one.begun, one.since, one.counted, one.resumed) for one in oracle.outages]
    assert outcomes(seen.ended) == outcomes(oracle.ended)
    assert seen.open == oracle.tickets
    assert about_all(seen.ended) == about_all(oracle.ended)


def moves(moved: list[Moved]) -> list[tuple[int, str, str, str, str]]:
    return sorted((one.at - T0, one.subject, str(one.from_state), one.to_state, str(one.condition)) for one in moved)


def outcomes(ended: list[Ended]) -> list[tuple[int, str, str]]:
    """Who has a ticket that nobody has answered for yet asks for it once more, which changes nothing."""
    return sorted(
        (one.at - T0, one.subject, one.outcome.replace("already_open", "opened")) for one in ended if one.subject != ALL
    )


def about_all(ended: list[Ended]) -> list[int]:
    """When heartbeats were found to be lost. When the ticket ends is as late as the clocks come, or not at all if they
    come when heartbeats are lost again."""
    return sorted(one.at - T0 for one in ended if one.subject == ALL and one.outcome in ("opened", "already_open"))


RULES = ["HM-120", "HM-126", "HM-129", *(f"HM-{number}" for number in (*range(150, 158), 159))]


def all_alike(environment: Mapping[str, str], examples: int) -> None:
    with correlator(environment) as (runner, world):

        @settings(max_examples=examples, deadline=None, print_blob=True)
        @given(histories(), STEPS)
        def alike(history: History, steps: list[tuple[int, int]]) -> None:
            compare(runner.run(run(world, history, steps)), expected(history))

        alike()


@pytest.mark.rule(*RULES)
def test_an_org_is_shown_and_served_as_the_oracle_says(environment: Mapping[str, str]) -> None:
    all_alike(environment, 20)


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@pytest.mark.rule(*RULES)
def test_many_orgs_are_shown_and_served_as_the_oracle_says(environment: Mapping[str, str]) -> None:
    all_alike(environment, 4_000)
