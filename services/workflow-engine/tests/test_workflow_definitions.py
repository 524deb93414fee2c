"""What memory holds of definitions, and what happens to it while somebody waits for the database."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from engine_world import World, world_of

from fettle_workflow_engine.adapters import definitions
from fettle_workflow_engine.adapters.definitions import Definitions, VersionKey

NOTE = """\
workflow: {}
enabled: true
nodes:
  opened: {{trigger: ticket.opened}}
"""


class Slow:
    """A connection whose answers wait until they may come."""

    def __init__(self, connection: Any, may_come: asyncio.Event) -> None:
        self._connection, self._may_come = connection, may_come

    async def execute(self, *asked: Any) -> Any:
        await self._may_come.wait()
        return await self._connection.execute(*asked)


@pytest.fixture
async def world(environment: dict[str, str]) -> AsyncIterator[World]:
    async with world_of(environment) as found:
        yield found


@pytest.mark.rule("WF-9")
async def test_what_was_known_when_somebody_asked_is_not_lost_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More workflows than memory holds, and two batches at once."""
    for name in "abc":
        await world.save(NOTE.format(name))
    a, b, c = (VersionKey("acme", name, 1) for name in "abc")
    monkeypatch.setattr(definitions, "KEPT", 1)
    known = Definitions(world.languages)
    may_come = asyncio.Event()
    async with world.database.reading() as connection, world.database.reading() as other:
        assert set(await known.of(connection, [a])) == {a}
        slow: Any = Slow(connection, may_come)
        asking = asyncio.create_task(known.of(slow, [a, b]))
        await asyncio.sleep(0)
        assert set(await known.of(other, [c])) == {c}
        may_come.set()
        assert set(await asking) == {a, b}
