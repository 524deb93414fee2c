"""How many runs of a workflow an hour may start, on a real database."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from engine_world import World, event, world_of

from fettle_workflow_engine import progress
from fettle_workflow_engine.domain.preview import PastEvent, Tally, decide
from fettle_workflow_engine.domain.validate import load

FOLLOW = """
workflow: follow
enabled: true
nodes:
  opened: {trigger: ticket.opened}
  more: {after: [opened], action: ticket.comment, with: {ticket: 1, text: more}}
"""
NOTE = FOLLOW.replace("follow", "note")


@pytest.fixture
async def world(environment: dict[str, str]) -> AsyncIterator[World]:
    async with world_of(environment) as found:
        yield found


@pytest.mark.rule("WF-15", "WF-146")
@pytest.mark.parametrize("at_once", [progress.AT_ONCE, 3])
async def test_the_budget_is_of_any_hour(world: World, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """However many runs are begun between two statements."""
    monkeypatch.setattr(progress, "AT_ONCE", at_once)
    await world.save(FOLLOW.replace("enabled: true", "enabled: true\nbudget_per_hour: 3"))
    await world.save(NOTE)
    await world.happen(*(event(number=number) for number in range(1, 6)))
    states_of = [run["state"] for run in await world.runs(workflow="follow")]
    assert sorted(states_of) == ["refused", "refused", "running", "running", "running"]
    assert {run["error"]["code"] for run in await world.runs() if run["error"]} == {"over_budget"}
    assert {run["state"] for run in await world.runs(workflow="note")} == {"running"}
    world.now = world.now.replace(second=59) + timedelta(minutes=59, seconds=1)
    await world.happen(event(number=10))
    assert len([run for run in await world.runs(workflow="follow") if run["state"] == "running"]) == 3
    world.now += timedelta(minutes=1)
    await world.happen(event(number=11))
    assert len([run for run in await world.runs(workflow="follow") if run["state"] == "running"]) == 4


@pytest.mark.rule("WF-15", "WF-115")
async def test_a_preview_refuses_what_the_budget_has_refused(world: World) -> None:
    document = FOLLOW.replace("enabled: true", "enabled: true\nbudget_per_hour: 2")
    await world.save(document)
    tally = Tally(load(document, world.languages), world.languages.conditions)
    for number, minutes in enumerate((0, 0.9, 1, 58, 1, 0, 0.2, 60, 0.9, 61, 61), start=1):
        world.now += timedelta(minutes=minutes)
        one = event(number=number)
        await world.happen(one)
        tally.take([PastEvent(world.now, one.trigger, one.source, one.id, one.data)])
    live = {run["event_id"]: run["state"] == "refused" for run in await world.runs()}
    assert set(live.values()) == {True, False}
    assert live == {hit.id: refused is not None for hit, refused in decide(tally).decided}


@pytest.mark.rule("WF-15")
async def test_who_starts_runs_at_the_same_moment_shares_the_budget(world: World) -> None:
    await world.save(FOLLOW.replace("enabled: true", "enabled: true\nbudget_per_hour: 30"))
    batches = [[event(number=10 * batch + number) for number in range(10)] for batch in range(1, 9)]
    await asyncio.gather(*(world.happen(*batch) for batch in batches))
    found = Counter(run["state"] for run in await world.runs(workflow="follow"))
    assert found == {"running": 30, "refused": 50}
