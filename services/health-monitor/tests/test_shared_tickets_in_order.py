"""Tickets that devices share, where one thing follows from another: by which instant it is decided, and by what is
known then. On a real database."""

from typing import Any

import pytest
from correlator_facts import T0
from correlator_world import CorrelatorWorld
from rollup_facts import (
    MANY,
    UNREACHABLE,
    behind,
    devices,
    fails,
    fires,
    opened,
    pending,
    recovers,
    resolved_by_somebody,
    said,
    together,
)

from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.domain.correlator.silences import Schedule

AT = T0 + 10_000
GATEWAY = "integration/hue-1"
LIST = f"list {GATEWAY}:{MANY}"


async def outcomes(world: CorrelatorWorld, cause: str) -> list[tuple[str, int, str]]:
    """Subject, instant after `AT`, outcome, of the verdicts of this cause."""
    rows = await world.rows(
        "SELECT subject, at, outcome FROM outcome WHERE cause = :cause ORDER BY at, subject", cause=cause
    )
    return [(row.subject, row.at - AT, row.outcome) for row in rows]


async def down(world: CorrelatorWorld, at: int, *behind_it: str, until: int | None = None) -> None:
    """The integration is down, from one instant to the other or for good, with these devices on its list."""
    await behind(world, *devices(9))
    await world.feed(*fails(GATEWAY, at, condition=UNREACHABLE))
    await world.tick(at + 500)
    await opened(world, UNREACHABLE)
    await world.feed(*(each for subject in behind_it for each in fails(subject, at + 3_000)))
    await world.tick(at + 4_000)
    if until is not None:
        await world.feed(*recovers(GATEWAY, until, condition=UNREACHABLE))


async def gateways_ticket(world: CorrelatorWorld, type: EntryType, state: str, at: int, version: int) -> None:
    """Somebody does this to the integration's own ticket."""
    more: dict[str, Any] = {"subject": GATEWAY, "condition": UNREACHABLE, "actor": ActorType.USER}
    await world.happen(type, state=state, at=at, version=version, **more)


@pytest.mark.rule("HM-144")
async def test_a_verdict_that_waited_is_decided_as_of_the_end_of_its_waiting(environment: dict[str, str]) -> None:
    """Timeout 3 s, open debounce 2 s: they fire just after the recovery, and their time is over five seconds after."""
    async with CorrelatorWorld.open(environment) as world:
        await down(world, AT, until=AT + 20_000)
        await world.feed(*(pending(subject, AT + 19_000) for subject in devices(5)))
        await world.feed(*(fires(subject, AT + 21_000) for subject in devices(5)))
        await world.tick(AT + 24_999)
        assert await outcomes(world, "firing") == [(GATEWAY, 0, "opened")]
        await world.tick(AT + 26_000)
        assert await outcomes(world, "firing") == [
            (GATEWAY, 0, "opened"),
            ("device/d1", 25_000, "opened"),
            *((subject, 25_000, "joined") for subject in devices(4, 2)),
        ]


@pytest.mark.rule("HM-129")
async def test_a_watch_over_the_ticket_about_many_settles_nothing_of_the_integrations_own(
    environment: dict[str, str],
) -> None:
    """A silenced integration is down when somebody resolves the ticket about the devices behind it, and its silence
    ends right after."""
    async with CorrelatorWorld.open(environment) as world:
        await world.silence(Schedule(AT, 21), GATEWAY)
        await world.feed(*fails(GATEWAY, AT + 5_000, condition=UNREACHABLE))
        await together(world, AT + 10_000)
        await opened(world)
        await resolved_by_somebody(world, AT + 20_000)
        await said(world)
        await world.tick(AT + 21_500)
        assert (await said(world))[0] == f"open {GATEWAY}"
