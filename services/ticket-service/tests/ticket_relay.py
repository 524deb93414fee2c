"""Waiting for a relay that runs beside a test."""

import asyncio

from ticket_door import Door

WITHIN_S = 60.0


async def until_published(door: Door) -> None:
    """Until the outbox is empty."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            if (await door.rows("SELECT count(*) FROM outbox"))[0][0] == 0:
                return
            await asyncio.sleep(0.05)
