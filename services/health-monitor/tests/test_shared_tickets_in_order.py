"""Tickets that devices share, where one thing follows from another: by which instant it is decided, and by what is
known then. On a real database."""

import pytest
from correlator_facts import T0
from correlator_world import CorrelatorWorld
from rollup_facts import UNREACHABLE, behind, devices, fails, fires, pending, recovers

AT = T0 + 10_000


async def outcomes(world: CorrelatorWorld, cause: str) -> list[tuple[str, int, str]]:
    """Subject, instant after `AT`, outcome, of the verdicts of this cause."""
    rows = await world.rows(
        "SELECT subject, at, outcome FROM outcome WHERE cause = :cause ORDER BY at, subject", cause=cause
    )
    return [(row.subject, row.at - AT, row.outcome) for row in rows]


@pytest.mark.rule("HM-144")
async def test_a_verdict_that_waited_is_decided_as_of_the_end_of_its_waiting(environment: dict[str, str]) -> None:
    """Timeout 3 s, open debounce 2 s: they fire just after the recovery, and their time is over five seconds after."""
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, *devices(6))
        await world.feed(*fails("integration/hue-1", AT, condition=UNREACHABLE))
        await world.feed(*(pending(subject, AT + 19_000) for subject in devices(5)))
        await world.feed(*recovers("integration/hue-1", AT + 20_000, condition=UNREACHABLE))
        await world.feed(*(fires(subject, AT + 21_000) for subject in devices(5)))
        await world.tick(AT + 24_999)
        assert await outcomes(world, "firing") == [("integration/hue-1", 0, "opened")]
        await world.tick(AT + 26_000)
        assert await outcomes(world, "firing") == [
            ("integration/hue-1", 0, "opened"),
            ("device/d1", 25_000, "opened"),
            *((subject, 25_000, "joined") for subject in devices(4, 2)),
        ]
