"""Subjects that fail and recover in the correlator's world, and what silences made of it."""

from itertools import pairwise
from uuid import UUID

from correlator_facts import change
from correlator_world import CorrelatorWorld, Row

DAY = 86_400_000
HEALTHY, PENDING, FIRING, RESOLVING = "healthy", "pending_open", "firing", "pending_resolve"


async def move(world: CorrelatorWorld, *states: str | None, at: int, subject: str = "device/t17") -> None:
    """The subject goes from state to state; the last step is at `at`, each before a millisecond earlier."""
    steps = list(pairwise(states))
    await world.feed(
        *(change(subject, before, after, at=at - len(steps) + 1 + place) for place, (before, after) in enumerate(steps))
    )


async def fire(world: CorrelatorWorld, at: int, subject: str = "device/t17") -> None:
    await move(world, HEALTHY, PENDING, FIRING, at=at, subject=subject)


async def opened(world: CorrelatorWorld) -> list[Row]:
    return [command for command in await world.commands() if command.verb == "open"]


async def held(world: CorrelatorWorld) -> dict[UUID, int]:
    rows = await world.rows("SELECT silence, count(*) AS times FROM silence_held GROUP BY silence")
    return {row.silence: row.times for row in rows}
