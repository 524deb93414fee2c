"""One answer for all who ask for the same meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

K = TypeVar("K")
T = TypeVar("T")


class Rounds(Generic[K, T]):
    """Works an answer out for one key at a time. Who asks while that is under way gets the next answer, together with
    all others who do: it begins after they have asked, so it knows all that they know of.

    Whoever stops waiting leaves the work to the others. What it raises, everybody in the round gets.
    """

    def __init__(self) -> None:
        self._running: dict[K, asyncio.Task[T]] = {}
        self._next: dict[K, asyncio.Task[T]] = {}

    async def answer(self, key: K, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` of whoever came first in this round gives."""
        waiting = self._next.get(key)
        if waiting is None:
            waiting = self._next[key] = asyncio.create_task(self._round(key, work))
        return await asyncio.shield(waiting)

    async def _round(self, key: K, work: Callable[[], Awaitable[T]]) -> T:
        before = self._running.get(key)
        if before is not None:
            await asyncio.wait([before])
        self._running[key] = self._next.pop(key)
        try:
            return await work()
        finally:
            del self._running[key]
