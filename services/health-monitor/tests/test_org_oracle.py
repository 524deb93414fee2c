"""The judge's shards and the correlator together, and a naive second reading of the same rules, say the same of every
history of an org."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest
from correlator_world import CorrelatorWorld
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_log import T0
from org_histories import AWAY, BAD, FEW, NEVER_MANY, OK, History, Phase, histories
from org_oracle import Oracle
from org_quiet import Planned
from org_run import Seen, run
from org_words import ALL, Ended, Moved

ALONE = st.just(NEVER_MANY)
STEPS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([1, 2, 4, 200])), min_size=1, max_size=6)
AT_ONCE = st.just(frozenset[int]())
LATE = st.sampled_from([1, 2, 5, 20]).map(lambda every: frozenset(set(range(400)) - set(range(0, 400, every))))
"""It answers behind every batch, every second, and so on."""


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
    oracle = Oracle(history.rules, history.integrations, history.quiet, history.refuses)
    oracle.read(history.beats, history.until)
    return oracle


def compare(history: History, seen: Seen, oracle: Oracle) -> None:
    assert moves(seen.moved) == moves(oracle.moved)
    assert judged(seen.moved) == judged(oracle.moved)
    assert seen.outages == [(one.begun, one.since, one.counted, one.resumed) for one in oracle.outages]
    found, said = (known_of(history, each) for each in (seen.ended, oracle.ended))
    assert outcomes(found, history.integrations, said) == outcomes(said, history.integrations)
    assert lost_at(seen.ended) == lost_at(oracle.ended)
    assert seen.open == {key for key in oracle.tickets if not key.startswith(ALL)} | lost(history, seen, oracle)


def known_of(history: History, ended: list[Ended]) -> list[Ended]:
    """What the oracle knows: where tickets are shared it reads when heartbeats are lost, and not how their ticket ends,
    as the org's resolve debounce is longer than such a history."""
    return [one for one in ended if history.many == NEVER_MANY or one.subject != ALL]


def lost_at(ended: list[Ended]) -> list[int]:
    return sorted(one.at - T0 for one in ended if one.subject == ALL and one.outcome in OPEN)


def lost(history: History, seen: Seen, oracle: Oracle) -> set[str]:
    """The ticket about all, where the oracle knows of it."""
    tickets = oracle.tickets if history.many == NEVER_MANY else seen.open
    return {key for key in tickets if key.startswith(ALL)}


def moves(moved: list[Moved]) -> list[tuple[int, str, str, str, str]]:
    return sorted(
        (one.at - T0, one.subject, str(one.from_state), str(one.to_state), str(one.condition)) for one in moved
    )


def judged(moved: Sequence[Moved]) -> list[tuple[int, str, str, int, int]]:
    """Since when each reading was what was shown, and by which policy."""
    return sorted((one.at - T0, one.subject, str(one.to_state), one.since - T0, one.policy_version) for one in moved)


def outcomes(
    ended: Sequence[Ended], behind: Mapping[str, str], idle: Sequence[Ended] = ()
) -> list[tuple[int, str, str]]:
    """How every verdict ended. Of several that fire at one instant behind one integration any is the first. A ticket
    whose end is on its way may be asked to end once more, which changes nothing: where the oracle says so, as told by
    `idle`, it is all one."""
    nothing = {(one.at, one.subject) for one in idle if one.outcome == "nothing_to_resolve"}
    found = []
    for one in ended:
        again = one.outcome == "resolved" and (one.at, one.subject) in nothing
        first = behind.get(one.subject) if one.outcome in SHARING else None
        found.append((one.at - T0, first or one.subject, "nothing_to_resolve" if again else one.outcome))
    return sorted(found)


OPEN = frozenset({"opened", "reopened", "already_open"})
SHARING = OPEN | {"joined"}


RULES = ["HM-120", "HM-126", "HM-129", *(f"HM-{number}" for number in (*range(150, 158), 159))]


def all_alike(
    environment: Mapping[str, str], examples: int, *, many: st.SearchStrategy[int] = ALONE, always_new: bool = False
) -> None:
    """The same examples each time, unless they are to be new."""
    with correlator(environment) as (runner, world):

        @settings(max_examples=examples, deadline=None, print_blob=True, derandomize=not always_new)
        @given(histories(many), STEPS)
        def alike(history: History, steps: list[tuple[int, int]]) -> None:
            compare(history, runner.run(run(world, history, steps)), expected(history))

        alike()


@pytest.mark.rule(*RULES)
def test_an_org_is_shown_and_served_as_the_oracle_says(environment: Mapping[str, str]) -> None:
    all_alike(environment, 10)


@pytest.mark.rule("HM-140", "HM-141", *RULES)
def test_devices_share_tickets_as_the_oracle_says(environment: Mapping[str, str]) -> None:
    all_alike(environment, 8, many=st.integers(2, 5))


OUTAGE = (Phase(20, OK, ()), Phase(16, AWAY, ()))
TWO_OUTAGES = (*OUTAGE, Phase(7, OK, ((0, AWAY),)))


@pytest.mark.rule(*RULES)
@pytest.mark.parametrize("steps", [[(2, 1)], [(2, 4)], [(1, 4), (2, 200)]], ids=["seconds", "batches", "backlog"])
@pytest.mark.parametrize(
    "phases",
    [
        (*TWO_OUTAGES, Phase(12, AWAY, ()), Phase(25, OK, ((0, AWAY),))),
        (*TWO_OUTAGES, Phase(4, AWAY, ()), Phase(8, AWAY, ((0, BAD),)), Phase(16, OK, ((0, BAD),))),
        (Phase(18, OK, ()), Phase(8, AWAY, ()), Phase(20, FEW, ((1, OK), (6, AWAY)))),
        (*OUTAGE, *OUTAGE, *OUTAGE, Phase(12, OK, ())),
    ],
    ids=[
        "pending when heartbeats are lost again",
        "offline when they are lost again",
        "most stay silent",
        "all are well",
    ],
)
def test_devices_that_are_dead_when_heartbeats_come_back(
    environment: Mapping[str, str], phases: tuple[Phase, ...], steps: list[tuple[int, int]]
) -> None:
    history = History((1, 2) * 6, 3, ((0, 13),), 5, 2, 16, phases)
    with correlator(environment) as (runner, world):
        compare(history, runner.run(run(world, history, steps)), expected(history))


@pytest.mark.rule("HM-150")
def test_all_fall_silent_at_once_while_a_shard_tells_some_seconds_later(environment: Mapping[str, str]) -> None:
    first = Phase(8, OK, ((11, AWAY), (9, OK), (4, BAD)))
    phases = (first, Phase(15, OK, ()), Phase(4, OK, ((6, AWAY),)), Phase(7, AWAY, ()))
    silences = (Planned(5, 30, 27), Planned(12, 30, 14), Planned(11, 34, 19))
    behind = (1, 1, 1, 1, 1, 1, 3, 1, 3, 3, 2, 2, 2)
    history = History(behind, 3, (), 7, 2, 11, phases, silences)
    with correlator(environment) as (runner, world):
        compare(history, runner.run(run(world, history, [(1, 1)])), expected(history))


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@pytest.mark.rule(*RULES)
def test_many_orgs_are_shown_and_served_as_the_oracle_says(environment: Mapping[str, str]) -> None:
    all_alike(environment, 400, many=st.integers(2, 5) | ALONE, always_new=True)
