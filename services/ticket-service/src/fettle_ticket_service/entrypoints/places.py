"""How many requests may hold at once what there is little of."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

from fettle_chassis.http import Problem
from fettle_contracts.problems import ProblemCode

_RETRY_AFTER_S = "5"


class Places:
    """`overall` of them, of which one org has no more than `of_one_org`."""

    def __init__(self, overall: int, of_one_org: int, *, patience_s: float = 0.0) -> None:
        self._overall = overall
        self._of_one_org = of_one_org
        self._patience_s = patience_s
        self._taken: Counter[str] = Counter()
        self._left = asyncio.Event()

    def taken_by(self, org: str) -> bool:
        """Whether the org has all the places that it may have."""
        return self._taken[org] >= self._of_one_org

    async def _room_for(self, org: str) -> None:
        while self.taken_by(org) or self._taken.total() >= self._overall:
            await self._left.wait()

    @asynccontextmanager
    async def one(self, org: str) -> AsyncIterator[None]:
        """A place for the org until the block ends. Waits for one up to the patience, then raises Problem 503."""
        await in_time(self._room_for(org), self._patience_s)
        self._taken[org] += 1
        try:
            yield
        finally:
            self._taken -= Counter({org: 1})
            self._left.set()
            self._left = asyncio.Event()


async def in_time(turn: Awaitable[object], patience_s: float) -> None:
    """Waits for a turn up to the patience, then raises Problem 503."""
    try:
        async with asyncio.timeout(patience_s):
            await turn
    except TimeoutError:
        message = "As many requests like this are under way as may be at once. Try again soon."
        raise Problem(503, ProblemCode.UNAVAILABLE, message, headers={"Retry-After": _RETRY_AFTER_S}) from None
