"""Somebody resolves a ticket early and silences its subject, in either order."""

from uuid import UUID

import pytest
from correlator_facts import T0
from correlator_world import CorrelatorWorld
from silenced_world import fire, opened

from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.domain.correlator.silences import Schedule


@pytest.mark.rule("HM-269")
@pytest.mark.parametrize(
    ("order", "lasting_s", "said", "comes_at"),
    [
        ("silence first", 60, "until 2026-09-21T14:13:24.000Z and the end of the silence of ann@acme.test at", 60_000),
        ("silence first", 3, "until 2026-09-21T14:13:24.000Z, this ticket is reopened, unless a silence holds", 4_000),
        (
            "resolve first",
            60,
            "until 2026-09-21T14:13:24.000Z, this ticket is reopened, unless a silence holds",
            60_000,
        ),
    ],
)
async def test_what_is_said_to_an_early_resolve_is_what_becomes_of_it(
    environment: dict[str, str], order: str, lasting_s: int, said: str, comes_at: int
) -> None:
    """A debounce of two seconds; the silence begins before the resolve, at T0 + 2 s, or is made behind it."""
    async with CorrelatorWorld.open(environment) as world:
        await fire(world, T0 + 1_000)
        await world.tick(T0 + 2_000)
        (first,) = await world.commands()
        await world.happen(EntryType.OPENED, answering=UUID(first.event.id))
        await world.clear()
        if order == "silence first":
            await world.silence(Schedule(T0, lasting_s))
        await world.happen(EntryType.RESOLVED, state="resolved", actor=ActorType.USER, at=T0 + 2_000)
        if order == "resolve first":
            await world.silence(Schedule(T0, lasting_s))
        (comment,) = await world.commands()
        assert comment.body["comment"].startswith(f"Still offline. If that lasts {said}")
        await world.tick(T0 + comes_at - 1)
        assert await opened(world) == []
        await world.tick(T0 + comes_at)
        await world.tick(T0 + comes_at + 1)
        assert len(await opened(world)) == 1
