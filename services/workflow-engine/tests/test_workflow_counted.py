"""What the engine counts of what it does, where that is rolled back and done again. On a real database."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeAlias
from uuid import UUID

import pytest
from engine_world import APPLIED, World, event, world_of

from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work
from fettle_workflow_engine import metrics
from fettle_workflow_engine.domain.endings import internal
from fettle_workflow_engine.domain.run import Result

Doing: TypeAlias = Callable[[UnitOfWork], Awaitable[object]]

COUNTED = {
    "started": metrics.RUNS_STARTED,
    "ended": metrics.RUNS_ENDED,
    "commands": metrics.COMMANDS_GIVEN,
    "unawaited": metrics.RESULTS_UNAWAITED,
    "undecided": metrics.CONDITION_PROBLEMS,
    "missed": metrics.SCHEDULE_MISSED,
    "late": metrics.SCHEDULE_LATENESS,
}
FOLLOW = """
workflow: follow
enabled: true
nodes:
  opened: {trigger: ticket.opened}
  more: {after: [opened], action: ticket.comment, with: {ticket: 1, text: more}}
"""
ROUND = "workflow: round\nenabled: true\nnodes:\n  quarter: {trigger: schedule, every: 15m}\n"


class Away(Exception):
    """The database, at the commit."""


@pytest.fixture
async def world(environment: dict[str, str]) -> AsyncIterator[World]:
    async with world_of(environment) as found:
        yield found


def counted() -> Counter[str]:
    """By name, whatever the labels."""
    found = Counter[str]()
    for name, metric in COUNTED.items():
        samples = (sample for family in metric.collect() for sample in family.samples)
        found[name] = int(sum(sample.value for sample in samples if sample.name.endswith(("_total", "_count"))))
    return found


async def roll_back(world: World, do: Doing) -> None:
    async with unit_of_work(world.database) as work:
        await do(work)
        raise Away


async def in_two_tries(world: World, do: Doing) -> Counter[str]:
    """What is counted of what is done twice, and committed the second time."""
    before = counted()
    with pytest.raises(Away):
        await roll_back(world, do)
    assert counted() == before
    async with unit_of_work(world.database) as work:
        await do(work)
    return counted() - before


async def test_what_runs_do_is_counted_when_it_is_committed(world: World) -> None:
    await world.save(FOLLOW)
    await world.save(
        FOLLOW.replace("follow", "unsure").replace("opened}", "opened, where: event.entry.evidence.cause}")
    )
    done = await in_two_tries(world, lambda work: world.engine.take_events(work, [event()]))
    assert done == {"started": 1, "commands": 1, "undecided": 1}
    (command,) = await world.commands()
    results = [Result(UUID(command.id), APPLIED), Result(UUID(int=1), APPLIED)]
    done = await in_two_tries(world, lambda work: world.engine.take_results(work, results))
    assert done == {"ended": 1, "unawaited": 1}
    (run,) = await world.runs()
    done = await in_two_tries(world, lambda work: world.interventions.rerun(work, "acme", UUID(run["id"]), None, "ann"))
    assert done == {"started": 1, "commands": 1}


async def test_runs_that_fail_by_a_bug_are_counted_when_that_is_committed(world: World) -> None:
    await world.save(FOLLOW)
    await world.happen(event())
    (run,), bug = await world.runs(), ZeroDivisionError()
    done = await in_two_tries(world, lambda work: world.engine.set_aside(work, [UUID(run["id"])], bug))
    assert done == {"ended": 1}
    of_one = replace(event(number=2), workflow="follow")
    done = await in_two_tries(world, lambda work: world.engine.put_failed(work, of_one, internal(bug)))
    assert done == {"ended": 1}


async def test_what_schedules_do_is_counted_when_it_is_committed(world: World) -> None:
    await world.save(ROUND)
    world.now += timedelta(hours=1)
    done = await in_two_tries(world, lambda work: world.scheduler.fire_due(work, 10))
    assert done == {"started": 1, "ended": 1, "missed": 3, "late": 1}
