"""Shards and correlator together, and a naive second reading of the same rules, say the same of an org in which
everything happens that can: subjects flap, are entered and removed, logs have holes, policies change, silences hold,
devices share tickets, people resolve them, and processes restart."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from org_histories import AWAY, BAD, FEW, OK
from org_quiet import Planned
from org_times import Oracle
from org_times_histories import ENTERED, FLIPS, HOLE, REMOVED, WORSE, Lost, Phase, Times, policy, times
from org_times_run import Seen, run
from org_words import answered
from test_org_oracle import LATE, correlator, judged, moves, outcomes
from test_org_shared import entries

from fettle_contracts.health_policy import HealthPolicy

STEPS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([1, 2, 4, 200])), min_size=1, max_size=6)
AGAIN = st.frozensets(st.integers(0, 40), max_size=4)
RULES = ["HM-13", "HM-14", "HM-18", "HM-20", *(f"HM-{number}" for number in range(65, 72)), "HM-84", "HM-91", "HM-92"]
RULES += ["HM-105", "HM-120", "HM-126", "HM-128", "HM-129", "HM-136", *(f"HM-{number}" for number in range(140, 148))]
RULES += [*(f"HM-{number}" for number in range(150, 160)), *(f"HM-{number}" for number in range(227, 232))]
RULES += ["HM-237", "HM-239"]


def expected(history: Times) -> Oracle:
    oracle = Oracle(
        history.policies, history.existing, history.integrations, history.quiet, history.deeds, history.moved
    )
    oracle.read(history.logs, history.behind_losses)
    return oracle


def compare(history: Times, seen: Seen, oracle: Oracle) -> None:
    until, books = oracle.until, oracle.books
    assert moves(seen.moved) == moves(oracle.moved)
    assert judged(seen.moved) == judged(oracle.moved)
    assert seen.outages == [(one.begun, one.since, one.counted, one.resumed) for one in oracle.outages]
    assert entries(seen.desk.entries, until) == entries(books.entries, until)
    ended = [answered(seen.ended, books.ended), answered(books.ended, seen.ended)]
    assert outcomes(ended[0], behind(history), books.ended) == outcomes(ended[1], behind(history))
    assert seen.waiting == len(books.waiting)
    assert seen.lists == {key: members for key, members in books.lists.items() if members}
    assert {key: held.members for key, held in seen.desk.tickets.items() if held.members} == {
        key: named for key, named in books.boards.items() if named
    }


def behind(history: Times) -> dict[str, str]:
    """Where devices move, those that fire at one instant may be behind one integration wherever they were."""
    return {name: "any" if history.moves and was else was for name, was in history.integrations.items()}


def all_alike(environment: Mapping[str, str], examples: int, *, always_new: bool = False) -> None:
    with correlator(environment) as (runner, world):

        @settings(max_examples=examples, deadline=None, print_blob=True, derandomize=not always_new)
        @given(times(), STEPS, AGAIN, LATE)
        def alike(history: Times, steps: list[tuple[int, int]], again: frozenset[int], late: frozenset[int]) -> None:
            note(str(steps))
            compare(history, runner.run(run(world, history, steps, again, late)), expected(history))

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
        compare(history, runner.run(run(world, history, steps, frozenset({3}), frozenset({2, 5, 6}))), oracle)
    assert oracle.outages


@pytest.mark.rule("HM-15")
def test_whose_silence_another_policy_ends_is_well_by_that_policy(environment: Mapping[str, str]) -> None:
    dead, slow = ((0, AWAY),), policy(12, **{**BRISK, "timeout_s": 9})
    history = Times((1, 2) * 6, CALM, (WELL, Phase(4, OK, dead), Phase(8, OK, dead, slow), Phase(2, OK)))
    with correlator(environment) as (runner, world):
        oracle = expected(history)
        compare(history, runner.run(run(world, history, ONE_BY_ONE, frozenset(), frozenset())), oracle)
    assert {move.policy_version for move in oracle.moved if move.from_state == "pending_open"} == {3}


@pytest.mark.rule("HM-13", "HM-70", "HM-126", "HM-285")
def test_what_happens_while_the_org_is_switched_off(environment: Mapping[str, str]) -> None:
    """A silence ends, and somebody resolves a ticket too early."""
    dead = ((3, AWAY), (4, AWAY))
    phases = (WELL, Phase(12, OK, dead), Phase(8, OK, dead, OFF), Phase(12, OK, dead, CALM), Phase(2, OK))
    history = Times((1, 2) * 6, CALM, phases, silences=(Planned(3, 24, 12),), resolved=((35, 4),))
    with correlator(environment) as (runner, world):
        oracle = expected(history)
        compare(history, runner.run(run(world, history, ONE_BY_ONE, frozenset(), frozenset())), oracle)
    assert [(entry.key, entry.what) for entry in oracle.books.entries if entry.at > oracle.switched_on[0]] == [
        ("device/d3:device_offline", "open"),
        ("device/d4:device_offline", "open"),
    ]


@pytest.mark.rule("HM-9", "HM-291")
def test_who_says_behind_a_hole_that_it_is_not_well_fires_by_the_debounce_that_began_before(
    environment: Mapping[str, str],
) -> None:
    """Device 4 was lost, and pending by silence when the hole began: a silence would have all of its times again."""
    rules = policy(
        10,
        ((4, 4), (7, 5)),
        (("open_debounce_s", 4),),
        timeout_s=3,
        open_debounce_s=5,
        resolve_debounce_s=1,
        rollup_threshold=3,
        rollup_window_s=7,
    )
    phases = (
        Phase(13, OK),
        Phase(14, AWAY, ((9, BAD),)),
        Phase(9, AWAY, ((2, BAD), (9, BAD), (10, BAD))),
        Phase(8, HOLE),
        Phase(7, FEW, ((6, OK), (8, AWAY))),
        Phase(6, AWAY, ((0, OK), (4, BAD), (5, OK), (10, BAD))),
        Phase(2, OK),
    )
    history = Times((1, 1, 1, 1, 3, 1, 2, 2, 1, 1), rules, phases, reporting=1)
    with correlator(environment) as (runner, world):
        oracle = expected(history)
        compare(history, runner.run(run(world, history, ONE_BY_ONE, frozenset(), frozenset())), oracle)


@pytest.mark.rule("HM-303")
def test_who_is_judged_afresh_and_moves_is_so_by_the_rules_of_where_it_is(environment: Mapping[str, str]) -> None:
    rules = policy(3, (), (("open_debounce_s", 4),), **{**BRISK, "open_debounce_s": 7})
    dead = ((1, AWAY),)
    phases = (Phase(10, OK), Phase(20, OK, (*dead, (4, BAD))), Phase(20, OK, dead), Phase(2, OK))
    history = Times((1, 2, 2), rules, phases, reporting=2, moves=((33, 1, 1),))
    with correlator(environment) as (runner, world):
        oracle = expected(history)
        compare(history, runner.run(run(world, history, ONE_BY_ONE, frozenset(), frozenset())), oracle)
    assert [entry.key for entry in oracle.books.entries if entry.what == "open"] == [
        "integration/hue-2:integration_unreachable",
        "device/d1:device_offline",
    ]


@pytest.mark.rule("HM-303", "HM-304")
def test_who_moves_while_its_verdict_waits_is_served_where_it_is(environment: Mapping[str, str]) -> None:
    """Device 1 is judged afresh as its integration was removed, and that one fails anew when the device has moved."""
    first = policy(5, **{**BRISK, "open_debounce_s": 2, "resolve_debounce_s": 3, "rollup_threshold": 3})
    calm = {"rollup_threshold": 2, "resolve_debounce_s": 4}
    off = policy(5, ((3, 8),), (), **{**BRISK, **calm, "timeout_s": 7, "enabled": False})
    back = policy(5, (), (("open_debounce_s", 4),), **{**BRISK, **calm, "timeout_s": 5, "open_debounce_s": 7})
    phases = (
        Phase(15, OK, ((1, AWAY), (2, BAD), (5, WORSE))),
        Phase(1, OK, ((4, FLIPS), (3, FLIPS), (5, BAD))),
        Phase(6, FLIPS, ((1, BAD), (0, AWAY), (3, AWAY), (5, OK))),
        Phase(13, AWAY, ((1, OK), (0, OK), (5, BAD)), off),
        Phase(6, HOLE),
        Phase(16, AWAY, ((2, OK),)),
        Phase(12, AWAY, ((5, BAD),), back, True),
        Phase(16, AWAY, ((0, OK), (1, BAD), (5, BAD))),
        Phase(14, FLIPS),
        Phase(2, OK),
    )
    registry = ((26, 4, ENTERED), (44, 4, REMOVED), (45, 3, ENTERED), (57, 5, ENTERED), (66, 5, REMOVED))
    moves = ((35, 1, 1), (50, 0, 2), (53, 0, 1), (75, 1, 2))
    history = Times((2, 1, 2, 1, 2), first, phases, reporting=1, registry=registry, moves=moves)
    with correlator(environment) as (runner, world):
        oracle = expected(history)
        compare(history, runner.run(run(world, history, ONE_BY_ONE, frozenset(), frozenset())), oracle)


@pytest.mark.rule("HM-307")
@pytest.mark.parametrize("steps", [[(0, 4), (0, 1)], ONE_BY_ONE], ids=["apart", "seconds"])
def test_who_flaps_is_many_with_who_is_judged_afresh_at_the_same_instant(
    environment: Mapping[str, str], steps: list[tuple[int, int]]
) -> None:
    """Device 1 flaps, so that for device 8 it is none of those who fail, and its verdict has waited."""
    fast = {**BRISK, **FLAPPY, "flap_threshold": 2, "flap_flips_threshold": 9, "flap_window_s": 20, "flap_stable_s": 5}
    rules = policy(11, ((0, 10),), **{**fast, "rollup_threshold": 2, "rollup_window_s": 11})
    phases = (
        Phase(26, OK),
        Phase(16, AWAY, ((11, BAD),)),
        Phase(14, OK, ((8, BAD), (3, AWAY), (1, FLIPS))),
        Phase(10, AWAY, ((11, WORSE),)),
        Phase(2, OK),
    )
    history = Times((1,) * 11, rules, phases, reporting=1, silences=(Planned(3, 43, 16, 3, 4, 77), Planned(2, 45, 17)))
    with correlator(environment) as (runner, world):
        oracle = expected(history)
        compare(history, runner.run(run(world, history, steps, frozenset(), frozenset())), oracle)
    many = "integration/hue-1:multiple_devices_offline"
    assert many in {entry.key for entry in oracle.books.entries}


DELAYED = policy(12, **{**BRISK, "timeout_s": 5})


@pytest.mark.rule("HM-306", "HM-230")
@pytest.mark.parametrize("shard", [0, 1])
def test_log_is_lost_while_times_run_that_only_the_org_knows(environment: Mapping[str, str], shard: int) -> None:
    """All but some are heard behind lost heartbeats. Then so much log is lost, and so much of it is not heeded, that
    the fresh times of the others would be over."""
    dead = ((3, AWAY), (4, AWAY), (5, AWAY), (6, BAD), (7, BAD))
    phases = (WELL, Phase(14, AWAY), Phase(2, OK, dead), Phase(40, OK, dead), Phase(2, OK))
    history = Times((1, 2) * 6, DELAYED, phases, reporting=2, lost=Lost(shard, 35, 6, 12, 4))
    with correlator(environment) as (runner, world):
        oracle = expected(history)
        compare(history, runner.run(run(world, history, ONE_BY_ONE, frozenset(), frozenset())), oracle)
    assert oracle.outages


@pytest.mark.timeout(900)
@pytest.mark.rule(*RULES)
def test_an_org_in_which_everything_happens_is_as_the_oracle_says(environment: Mapping[str, str]) -> None:
    all_alike(environment, 4)


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@pytest.mark.rule(*RULES)
def test_many_orgs_in_which_everything_happens_are_as_the_oracle_says(environment: Mapping[str, str]) -> None:
    all_alike(environment, 150, always_new=True)
