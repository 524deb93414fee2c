"""Shared tickets and early resolves: the judge's shards and the correlator together, and a naive second reading of the
same rules, say the same of every history of a small org whose integrations report as well."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_log import T0
from org_books import Entry
from org_histories import AWAY, BAD, FEW, OK, Phase
from org_shared import Shared
from org_shared_histories import SharedHistory, shared_histories
from org_shared_run import Seen, run
from test_org_oracle import AT_ONCE, LATE, STEPS, correlator, judged, moves, outcomes

RULES = ["HM-68", "HM-70", "HM-71", "HM-129", "HM-136", *(f"HM-{number}" for number in range(140, 147)), "HM-239"]
SECONDS = st.just([(2, 1)])
SMALL, LARGE = shared_histories(), shared_histories(lost=True)


def expected(history: SharedHistory) -> Shared:
    oracle = Shared(history.rules, history.integrations, history.quiet, history.resolves, history.of_org)
    oracle.read(history.beats, history.until)
    return oracle


def compare(history: SharedHistory, seen: Seen, oracle: Shared) -> None:
    until = history.until
    assert moves(seen.moved) == moves(oracle.moved)
    assert judged(seen.moved) == judged(oracle.moved)
    assert entries(seen.desk.entries, until) == entries(oracle.books.entries, until)
    happened = [one for one in oracle.ended if one.at < until]
    assert outcomes(seen.ended, history.integrations, happened) == outcomes(happened, history.integrations)
    assert seen.waiting == len(oracle.books.waiting)
    assert seen.lists == {key: members for key, members in oracle.books.lists.items() if members}
    assert {key: held.members for key, held in seen.desk.tickets.items() if held.members} == {
        key: named for key, named in oracle.books.boards.items() if named
    }


def entries(happened: list[Entry], until: int) -> list[tuple[int, str, str, str]]:
    return sorted((one.at - T0, one.key, one.what, str(one.beside)) for one in happened if one.at < until)


def all_alike(
    environment: Mapping[str, str],
    examples: int,
    *,
    histories: st.SearchStrategy[SharedHistory] = SMALL,
    steps: st.SearchStrategy[list[tuple[int, int]]] = STEPS,
    late: st.SearchStrategy[frozenset[int]] = LATE,
    always_new: bool = False,
) -> None:
    """The same examples each time, unless they are to be new."""
    with correlator(environment) as (runner, world):

        @settings(max_examples=examples, deadline=None, print_blob=True, derandomize=not always_new)
        @given(histories, steps, late)
        def alike(history: SharedHistory, steps: list[tuple[int, int]], late: frozenset[int]) -> None:
            compare(history, runner.run(run(world, history, steps, late)), expected(history))

        alike()


@pytest.mark.rule(*RULES)
def test_shared_tickets_end_as_the_oracle_says(environment: Mapping[str, str]) -> None:
    all_alike(environment, 25, steps=SECONDS, late=AT_ONCE)


@pytest.mark.rule(*RULES)
def test_shared_tickets_end_alike_in_any_batches(environment: Mapping[str, str]) -> None:
    all_alike(environment, 25)


@pytest.mark.rule("HM-152", "HM-153", "HM-155", "HM-157", *RULES)
def test_shared_tickets_end_as_the_oracle_says_where_heartbeats_are_lost(environment: Mapping[str, str]) -> None:
    all_alike(environment, 15, histories=LARGE)


@pytest.mark.rule("HM-308", "HM-150")
@pytest.mark.parametrize("steps", [[(0, 1)], [(2, 4), (0, 1), (0, 4), (1, 200)]], ids=["one by one", "together"])
def test_heartbeats_are_lost_again_soon_after_they_came_back(
    environment: Mapping[str, str], steps: list[tuple[int, int]]
) -> None:
    """The fourth to fire of the second time makes them enough. By its shard it has fired all along, so that it fires by
    a timer of the org's."""
    phases = (
        Phase(4, OK, ()),
        Phase(16, AWAY, ((0, OK), (1, AWAY), (2, OK), (3, BAD))),
        Phase(3, OK, ((0, OK), (6, OK))),
        Phase(4, AWAY, ((3, OK), (9, OK), (13, OK), (2, OK))),
        Phase(16, AWAY, ((3, OK),)),
        Phase(14, AWAY, ()),
    )
    history = SharedHistory((1,) * 12 + (2, 1), 3, ((11, 5), (0, 3)), 4, 6, 5, phases, many=4)
    with correlator(environment) as (runner, world):
        oracle = expected(history)
        compare(history, runner.run(run(world, history, steps)), oracle)
    assert len(oracle.outages) > 1


@pytest.mark.rule("HM-146")
def test_a_ticket_that_is_looked_at_at_the_very_end_is_left_as_it_was(environment: Mapping[str, str]) -> None:
    """Somebody has resolved the one about many devices behind hue-2 one open debounce before the history ends."""
    exceptions = ((7, BAD), (10, BAD), (12, BAD), (3, AWAY))
    phases = (
        Phase(4, OK, ()),
        Phase(7, OK, exceptions),
        Phase(5, FEW, ((6, AWAY), (5, OK), (0, OK))),
        Phase(13, AWAY, ((6, OK), (10, AWAY))),
        Phase(7, OK, ((5, AWAY), (12, OK))),
    )
    behind = (1, 1, 1, 1, 1, 2, 1, 1, 1, 2, 1, 2, 1)
    history = SharedHistory(behind, 3, (), 4, 5, 13, phases, many=3, deeds=((33, -12),))
    with correlator(environment) as (runner, world):
        oracle = expected(history)
        compare(history, runner.run(run(world, history, [(2, 1)])), oracle)
    assert oracle.books.early


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@pytest.mark.rule(*RULES)
def test_shared_tickets_end_alike_in_many_orgs(environment: Mapping[str, str]) -> None:
    all_alike(environment, 400, histories=SMALL | LARGE, steps=STEPS | SECONDS, always_new=True)
