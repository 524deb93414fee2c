"""Transactions of one process take turns.

Each holds its orgs' rows from its first statement to its commit, and each of its statements waits for the same event
loop. Begun at the same time they keep one another from ending: measured at 200 commands and 100 requests a second,
twice as many transactions waited for rows as worked.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LONGEST_WAIT_S = 0.5


class Turns:
    """One at a time, in the order of asking. The database keeps transactions apart; this only keeps them out of each
    other's way, so nobody waits longer than `LONGEST_WAIT_S` for one that is stuck."""

    def __init__(self) -> None:
        self._free = asyncio.Lock()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Waits for its turn, and goes on without after `LONGEST_WAIT_S`."""
        try:
            async with asyncio.timeout(LONGEST_WAIT_S):
                await self._free.acquire()
        except TimeoutError:
            yield
        else:
            try:
                yield
            finally:
                self._free.release()
