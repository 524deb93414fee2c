"""One who makes calls: who was called, how often, and what became of it."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from engine_world import World

from fettle_workflow_engine.domain.calls import Caller, Done, Outcome, OutsideCall
from fettle_workflow_engine.entrypoints.lookout import Lookout
from fettle_workflow_engine.entrypoints.outside import OutsideCalls

KIND = "http.request"


@dataclass
class Callee:
    """What is called. `answers` says what becomes of an attempt; while a url is in `hangs`, nothing does."""

    answers: Callable[[OutsideCall], Outcome] = lambda _: Done({"status": 200})
    hangs: set[str] = field(default_factory=set)
    attempts: defaultdict[str, list[OutsideCall]] = field(default_factory=lambda: defaultdict(list))
    at_once: int = 0
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self._changed = asyncio.Condition()

    async def perform(self, call: OutsideCall) -> Outcome:
        url = str(call.request["url"])
        self.attempts[url].append(call)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            async with self._changed:
                self._changed.notify_all()
                await self._changed.wait_for(lambda: url not in self.hangs)
            return self.answers(call)
        finally:
            self.at_once -= 1

    async def free(self) -> None:
        """What hangs goes on."""
        self.hangs.clear()
        async with self._changed:
            self._changed.notify_all()

    async def called(self, url: str, times: int = 1) -> None:
        """Waits until so many attempts have come there."""
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(lambda: len(self.attempts[url]) >= times)


@asynccontextmanager
async def calling(world: World, callee: Caller, me: str = "engine-0", every_s: float = 0.05) -> AsyncIterator[None]:
    """One who makes calls, until the end of the block; then it stops as a service does."""
    lookout = Lookout(world.database, lambda: world.now, every_s)
    part = OutsideCalls(world.database, world.engine, callee, lambda: me, lambda: world.now, lookout)
    await part.start()
    running = [asyncio.create_task(one.run()) for one in (lookout, part)]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        await part.stop()
        for task in running:
            if not task.cancelled():
                task.result()
