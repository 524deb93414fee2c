"""Shards and correlator together, and a naive second reading of the same rules, say the same of an org whose devices
flap, whose log has holes, whose policy changes, and whose processes restart."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from judge_log import T0
from org_histories import AWAY, BAD, OK
from org_oracle import ALL, Ended
from org_run import Seen
from org_times import Oracle
from org_times_histories import FLIPS, HOLE, Phase, Times, policy, times
from org_times_run import run
from test_org_oracle import SAME, about_all, correlator, moves

from fettle_contracts.health_policy import HealthPolicy

STEPS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([1, 2, 4, 200])), min_size=1, max_size=6)
AGAIN = st.frozensets(st.integers(0, 40), max_size=4)
RULES = ["HM-20", "HM-91", "HM-92", "HM-13", "HM-14", "HM-67", *(f"HM-{number}" for number in range(150, 160))]
RULES += ["HM-228", "HM-229", "HM-230", "HM-231"]


def expected(history: Times) -> Oracle:
    oracle = Oracle(history.policies, history.existing, history.integrations)
    oracle.read(history.logs)
    return oracle


def compare(history: Times, seen: Seen, oracle: Oracle) -> None:
    assert moves(seen.moved) == moves(oracle.moved)
    assert seen.outages == [(one.begun, one.since, one.counted, one.resumed) for one in oracle.outages]
    assert outcomes(seen.ended) == outcomes(oracle.ended)
    assert {key for key in seen.open if not key.startswith(ALL)} == oracle.tickets - {f"{ALL}:heartbeats_lost"}
    assert about_all(seen.ended) == about_all(oracle.ended)


def outcomes(ended: list[Ended]) -> list[tuple[int, str, str]]:
    """Whose ticket is on its way asks for it, or for its end, once more, which changes nothing."""
    return sorted((one.at - T0, one.subject, SAME.get(one.outcome, one.outcome)) for one in ended if one.subject != ALL)


def all_alike(environment: Mapping[str, str], examples: int, *, always_new: bool = False) -> None:
    with correlator(environment) as (runner, world):

        @settings(max_examples=examples, deadline=None, print_blob=True, derandomize=not always_new)
        @given(times(), STEPS, AGAIN)
        def alike(history: Times, steps: list[tuple[int, int]], again: frozenset[int]) -> None:
            note(str(steps))
            compare(history, runner.run(run(world, history, steps, again)), expected(history))

        alike()


BRISK: dict[str, Any] = {"timeout_s": 3, "open_debounce_s": 4, "resolve_debounce_s": 2, "rollup_window_s": 16}
FLAPPY: dict[str, Any] = {"flap_threshold": 3, "flap_flips_threshold": 5, "flap_window_s": 30, "flap_stable_s": 6}
CALM = policy(12, **BRISK)
OFF = policy(12, **BRISK, enabled=False)
ONE_FLIPS, MORE_FLIP = ((0, FLIPS),), ((0, FLIPS), (1, FLIPS), (2, AWAY))
ONE_BY_ONE, BACKLOG = [(2, 1)], [(1, 4), (2, 200)]
WELL = Phase(20, OK)
LOST = Phase(12, AWAY)
GAP = Phase(7, HOLE)
BACK = Phase(2, OK, ((3, AWAY), (4, AWAY)))
FEW_DEAD = Phase(20, OK, ((3, AWAY), (4, BAD)))


@pytest.mark.rule(*RULES)
@pytest.mark.parametrize(
    ("first", "phases", "steps"),
    [
        (policy(12, **BRISK, **FLAPPY), (WELL, Phase(8, OK, ONE_FLIPS), LOST, Phase(25, OK, MORE_FLIP)), ONE_BY_ONE),
        (CALM, (WELL, Phase(4, AWAY), GAP, Phase(9, AWAY), GAP, BACK, GAP, FEW_DEAD), BACKLOG),
        (CALM, (WELL, LOST, BACK, Phase(12, OK, ((3, AWAY),), policy(12, **{**BRISK, "timeout_s": 9}))), BACKLOG),
        (CALM, (WELL, LOST, BACK, Phase(6, AWAY, (), OFF), Phase(20, OK, ((3, AWAY),), CALM)), ONE_BY_ONE),
    ],
    ids=["flapping around a loss", "holes before, in and behind a loss", "longer timeouts", "switched off for a while"],
)
def test_what_meets_lost_heartbeats(
    environment: Mapping[str, str], first: HealthPolicy, phases: tuple[Phase, ...], steps: list[tuple[int, int]]
) -> None:
    history = Times((1, 2) * 6, first, (*phases, Phase(2, OK)), frozenset({9, 33}))
    with correlator(environment) as (runner, world):
        oracle = expected(history)
        compare(history, runner.run(run(world, history, steps, frozenset({3}))), oracle)
    assert oracle.outages


@pytest.mark.rule(*RULES)
def test_an_org_that_flaps_with_holes_and_policies_is_as_the_oracle_says(environment: Mapping[str, str]) -> None:
    all_alike(environment, 4)


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@pytest.mark.rule(*RULES)
def test_many_orgs_that_flap_with_holes_and_policies_are_as_the_oracle_says(environment: Mapping[str, str]) -> None:
    all_alike(environment, 4_000, always_new=True)
