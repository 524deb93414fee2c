"""Many runs of one transaction: what goes on beside them."""

import asyncio
import gc
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from engine_world import World, event, world_of
from sqlalchemy import text

from fettle_workflow_engine import handler, progress

NOTE = "workflow: note-{}\nenabled: true\nnodes:\n  opened: {{trigger: ticket.opened}}\n" + (
    "  noted: {{after: [opened], action: ticket.comment, with: {{ticket: {{ref: event.ticket.id}}, text: Seen.}}}}\n"
)


@pytest.fixture
async def world(environment: dict[str, str]) -> AsyncIterator[World]:
    async with world_of(environment) as found:
        yield found


@pytest.mark.rule("WF-146")
async def test_others_have_their_turn_while_many_runs_are_begun(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the processor's clock of this thread, which nothing else slows down."""
    monkeypatch.setattr(progress, "AT_ONCE", 50)
    for number in range(10):
        await world.save(NOTE.format(number))
    with warnings.catch_warnings():  # what other tests have left is not looked through later, nor blamed on this one
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
        gc.freeze()
    begun, longest = time.thread_time(), 0.0
    starting = asyncio.create_task(world.happen(*(event(number=number) for number in range(1, 101))))
    while not starting.done():
        turn = time.thread_time()
        await asyncio.sleep(0)
        longest = max(longest, time.thread_time() - turn)
    await starting
    took = time.thread_time() - begun
    gc.unfreeze()
    async with world.database.reading() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM run")) == 1_000
    print(f"{took:.2f} s of processor, {longest:.2f} s of it at once")
    assert longest < took / 4


@pytest.mark.rule("WF-146")
def test_runs_that_take_long_are_put_down_sooner() -> None:
    """What it takes to put them down does not count."""
    seconds = [0.0]

    def made() -> Iterator[int]:
        for number in range(7):
            seconds[0] += progress.AT_ONCE_S / 1.5
            yield number

    together = []
    for some in progress.portions(made(), lambda: seconds[0]):
        together.append(list(some))
        seconds[0] += 60.0
    assert together == [[0, 1], [2, 3], [4, 5], [6]]


@pytest.mark.rule("WF-146")
async def test_the_server_hears_of_conditions_that_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, said = [0.0], list[float]()

    def judged(*_: Any) -> list[Any]:
        seconds[0] += progress.AT_ONCE_S / 1.5
        return []

    async def execute(_: Any) -> None:
        said.append(seconds[0])

    nobody: Any = None
    engine = handler.Engine(nobody, nobody, nobody, nobody)
    work: Any = SimpleNamespace(connection=SimpleNamespace(execute=execute))
    monkeypatch.setattr(handler, "perf_counter", lambda: seconds[0])
    monkeypatch.setattr(engine, "_matching", judged)
    await engine._all_matching(work, [event(number=number) for number in range(1, 8)], nobody, {})
    assert said == pytest.approx([progress.AT_ONCE_S / 1.5 * events for events in (2, 4, 6)])
