"""How subjects stood when their silences ended, and whether somebody else has their tickets in hand, story by story."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import pytest
from correlator_facts import OFFLINE
from correlator_world import CorrelatorWorld
from rollup_facts import UNREACHABLE
from sqlalchemy import text
from test_correlator_retention import put
from test_correlator_silence_rows import LAST, clocks, put_silence

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.times import from_ms, rfc3339
from fettle_health_monitor.adapters.correlator import silences

Rows = Sequence[tuple[str, Mapping[str, Any]]]


def turned(state: str, at: int, number: int = 0, **more: Any) -> tuple[str, Mapping[str, Any]]:
    """To this state so long before (or behind) the end."""
    body = f'{{"to": "{state}", "since": "{rfc3339(from_ms(1))}", "flap_count": {number}, "evidence": {{}}, '
    body += f'"policy_version": {number}}}'
    return "transition", {"to_state": state, "condition": OFFLINE, "at": LAST + at, "body": body, **more}


def watched(kind: str = "early_resolve", *, since: int, until: int, condition: str = OFFLINE) -> Any:
    clock = {"partition": 0, "shard": 0, "generation": 1, "start_clock": 7, "due_clock": 7 + until - since}
    return "watch", {"condition": condition, "kind": kind, "cause": uuid4(), "start_at": LAST + since, **clock}


def ended(cause: str, at: int) -> Any:
    fields = {"condition": OFFLINE, "outcome": "resolved", "reason": "", "policy_version": 1, "evidence": "{}"}
    return "outcome", {"cause": cause, "at": LAST + at, "decided_at": from_ms(1), **fields}


FIRED = turned("firing", -900)
RUNS = watched(since=-500, until=0)
RAN_OUT = watched(since=-500, until=-100)
SETTLED: dict[str, tuple[Rows, bool]] = {
    "fires": ([FIRED], False),
    "resolved early, and watched": ([FIRED, RUNS], True),
    "until just before the end": ([FIRED, watched(since=-500, until=-1)], False),
    "for another condition": ([FIRED, watched(since=-500, until=0, condition=UNREACHABLE)], False),
    "refused": ([FIRED, watched("open_refused", since=-500, until=0)], False),
    "heard before it ran out": ([FIRED, turned("pending_resolve", -101), RAN_OUT], True),
    "heard as it ran out": ([FIRED, turned("pending_resolve", -100), RAN_OUT], False),
    "fired before it ran out": ([FIRED, RAN_OUT], False),
    "well since": ([FIRED, RUNS, turned("healthy", -300), turned("firing", -200)], False),
    "well as it was resolved": ([turned("healthy", -500), FIRED, RUNS], True),
    "well at the end": ([FIRED, RUNS, turned("healthy", 0)], True),
    "failing since": ([FIRED, RUNS, turned("flapping", -300)], True),
    "another's is well": ([FIRED, RUNS, turned("healthy", -300, org="other")], True),
    "recovered as it ended": ([FIRED, ended("recovered", 0)], True),
    "forgotten later": ([FIRED, ended("forgotten", 9)], True),
    "recovered before": ([FIRED, ended("recovered", -1)], False),
    "fired at the end": ([FIRED, ended("firing", 0)], True),
    "fired before": ([FIRED, ended("firing", -1)], False),
    "judged afresh at the end": ([FIRED, ended("judged_afresh", 0)], False),
}


async def put_all(world: CorrelatorWorld, stories: Sequence[Rows]) -> None:
    """Each of a device of its own, whose silence has just ended."""
    for number, rows in enumerate(stories):
        subject = f"device/d{number}"
        ends = {"from_at": 0, "until_at": LAST, "due_at": LAST}
        await put_silence(world, number, ("acme", subject), **ends)
        for table, values in rows:
            ids = {"transition": {"id": uuid4()}, "outcome": {"verdict": uuid4()}}.get(table, {})
            await put(world, table, **{"org": "acme", "subject": subject, **values, **ids})


async def due(world: CorrelatorWorld) -> dict[int, silences.Due]:
    async with unit_of_work(world.database) as work:
        for scan in ("indexscan", "bitmapscan"):
            await work.connection.execute(text(f"SET LOCAL enable_{scan} = off"))
        found = await silences.due(work.connection, clocks((0, 0)), ["acme"])
    return {each.silence.id.int: each for each in found}


@pytest.mark.rule("HM-127", "HM-129", "HM-302")
@pytest.mark.forgets
async def test_who_is_in_somebody_elses_hands_is_settled(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment, org=None) as world:
        await put_all(world, [rows for rows, _ in SETTLED.values()])
        found = await due(world)
        assert {story: found[number].settled for number, story in enumerate(SETTLED)} == {
            story: settled for story, (_, settled) in SETTLED.items()
        }


@pytest.mark.rule("HM-127", "HM-302")
async def test_how_a_subject_stood_and_what_came_next_goes_by_instants_and_places(environment: dict[str, str]) -> None:
    """Also where no index brings changes in their order. At the end itself is next."""
    story = [
        turned("pending_open", -9, 1),
        turned("firing", -1, 2),
        turned("flapping", -1, 3),
        turned("healthy", -1, 4, org="other"),
        turned("healthy", 0, 5, org="other"),
        turned("firing", 0, 6),
        turned("pending_resolve", 0, 7),
        turned("healthy", 3, 8),
    ]
    async with CorrelatorWorld.open(environment, org=None) as world:
        await put_all(world, [story, [], story[:2]])
        found = await due(world)
        first, nothing, last = (found[number].stood for number in range(3))
        assert first is not None
        assert (first.state, first.flap_count) == ("flapping", 3)
        assert (first.next_at, first.next_state, first.next_version) == (LAST, "firing", 6)
        assert nothing is None
        assert last is not None
        assert (last.state, last.next_at, last.next_state, last.next_version) == ("firing", None, None, 0)


@pytest.mark.rule("HM-127")
@pytest.mark.parametrize("state", ["firing", "flapping", "pending_resolve"])
async def test_of_more_ends_than_are_taken_at_a_time_those_of_who_fails_come_first(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """The earliest of them, though others have ended before. As if one end were as many as are taken at a time."""
    for query in ("_DUE_OF_FAILING", "_DUE_OF_ALL"):
        one = str(getattr(silences, query)).replace(f"LIMIT {silences.ENDS_PER_BATCH}", "LIMIT 1")
        monkeypatch.setattr(silences, query, text(one))
    async with CorrelatorWorld.open(environment, org=None) as world:
        for number, (stands, before) in enumerate((("healthy", 9), ("pending_open", 8), (state, 6), (state, 7))):
            about = ("acme", f"device/d{number}")
            await put(world, "subject", org="acme", subject=about[1], shard=0, state=stands)
            await put_silence(world, number, about, from_at=0, until_at=LAST - before, due_at=LAST - before)
        assert 3 in await due(world)
