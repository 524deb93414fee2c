"""One answer for all who ask for the same meanwhile: it never lacks what they knew when they asked."""

import asyncio

import pytest

from fettle_health_monitor.correlator.rounds import Rounds


class Counting:
    """Work that takes until it is let go, and answers with what was known when it began."""

    def __init__(self) -> None:
        self.known, self.begun, self.through = 0, 0, asyncio.Semaphore(0)

    async def __call__(self) -> int:
        self.begun += 1
        known = self.known
        await self.through.acquire()
        return known


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.rule("AC-108")
async def test_who_asks_meanwhile_shares_the_next_answer() -> None:
    rounds, work = Rounds[str, int](), Counting()
    first = asyncio.create_task(rounds.answer("acme", work))
    await settled()
    work.known = 1
    later = [asyncio.create_task(rounds.answer("acme", work)) for _ in range(20)]
    await settled()
    assert work.begun == 1
    other = asyncio.create_task(rounds.answer("zoo", work))
    await settled()
    assert work.begun == 2
    for _ in range(3):
        work.through.release()
    assert (await first, await asyncio.gather(*later), await other) == (0, [1] * 20, 1)
    assert work.begun == 3
    work.through.release()
    assert await rounds.answer("acme", work) == 1
    assert work.begun == 4


@pytest.mark.rule("AC-108")
async def test_who_leaves_or_fails_stops_nobody_else() -> None:
    rounds, work = Rounds[str, int](), Counting()
    first, second = (asyncio.create_task(rounds.answer("acme", work)) for _ in range(2))
    await settled()
    first.cancel()
    await settled()
    work.through.release()
    assert await second == 0

    async def failing() -> int:
        raise ValueError("no")

    tasks = [asyncio.create_task(rounds.answer("acme", failing)) for _ in range(2)]
    assert [str(each) for each in await asyncio.gather(*tasks, return_exceptions=True)] == ["no", "no"]
    work.through.release()
    assert await rounds.answer("acme", work) == 0
