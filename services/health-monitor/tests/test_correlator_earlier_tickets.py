"""A person reopens an earlier ticket of a subject and condition. On a real database."""

from uuid import UUID

import pytest
from correlator_facts import T0, change
from correlator_world import CorrelatorWorld, Row
from rollup_facts import recovers

from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.adapters.correlator import views
from fettle_health_monitor.domain.judgements import Change

DEVICE, USER = "device/t17", ActorType.USER


def fails(at: int) -> list[Change]:
    return [
        change(from_state="healthy", to_state="pending_open", at=at - 1_000),
        change(from_state="pending_open", to_state="firing", at=at),
    ]


async def two_are_resolved(world: CorrelatorWorld) -> None:
    """#5 was opened and resolved, an hour later #9, and the device is well."""
    await world.feed(change(from_state=None, to_state="healthy", at=T0 + 100))
    await world.happen(EntryType.OPENED, number=5, version=1)
    await world.happen(EntryType.RESOLVED, number=5, version=2, state="resolved")
    await world.happen(EntryType.OPENED, number=9, version=1)
    await world.happen(EntryType.RESOLVED, number=9, version=2, state="resolved")


async def reopen(world: CorrelatorWorld) -> None:
    await world.happen(EntryType.REOPENED, number=5, version=3, actor=USER)


async def fire(world: CorrelatorWorld, at: int) -> list[Row]:
    """It fires, and the commands that this calls for are taken."""
    await world.feed(*fails(at))
    await world.tick(at + 1_000)
    commands = await world.commands()
    await world.clear()
    return commands


async def shown(world: CorrelatorWorld) -> int | None:
    async with world.database.reading() as connection:
        row = await views.subject(connection, world.org, DEVICE)
    assert row is not None
    return row.ticket_number  # type: ignore[no-any-return]


@pytest.mark.rule("HM-298")
@pytest.mark.parametrize("heard", ["by its event", "by the answer", "by the answer, and then by its event"])
async def test_an_earlier_ticket_that_somebody_has_reopened_ends_with_the_recovery(
    environment: dict[str, str], heard: str
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await two_are_resolved(world)
        if heard == "by its event":
            await reopen(world)
            assert await fire(world, T0 + 5_000) == []
            assert await world.outcomes() == [("firing", "already_open")]
        else:
            (asked,) = await fire(world, T0 + 5_000)
            await world.answer(asked, "unchanged", number=5, version=3)
        if heard.endswith("its event"):
            await reopen(world)
        assert await shown(world) == 5
        await world.feed(*recovers(DEVICE, T0 + 10_000))
        await world.tick(T0 + 11_000)
        (resolve,) = await world.commands()
        assert (resolve.verb, resolve.body["ticket"]) == ("resolve", {"dedup_key": f"{DEVICE}:device_offline"})
        await world.answer(resolve, number=5, version=4, state="resolved")
        assert await shown(world) is None


@pytest.mark.rule("HM-298")
async def test_late_news_of_the_latest_one_hides_it_not(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await two_are_resolved(world)
        await reopen(world)
        await world.happen(EntryType.RESOLVED, number=9, version=2, state="resolved")
        assert await shown(world) == 5
        await world.happen(EntryType.COMMENT_ADDED, number=9, version=3, state="resolved", actor=USER)
        assert await shown(world) == 5
        await world.happen(EntryType.RESOLVED, number=5, version=4, state="resolved", actor=USER)
        assert await shown(world) is None
        await reopen(world)
        assert await shown(world) is None


@pytest.mark.rule("HM-70", "HM-298")
async def test_one_that_is_resolved_too_early_again_is_commented_and_asked_for_again(
    environment: dict[str, str],
) -> None:
    """By its key, so it is another one that comes back, or a new one."""
    async with CorrelatorWorld.open(environment) as world:
        await two_are_resolved(world)
        await reopen(world)
        await fire(world, T0 + 5_000)
        await world.happen(EntryType.RESOLVED, number=5, version=4, state="resolved", actor=USER, at=T0 + 6_000)
        (comment,) = await world.commands()
        assert comment.body["ticket"] == {"id": str(UUID(int=5))}
        assert comment.body["comment"] == (
            "Still offline. If that lasts until 2026-09-21T14:13:28.000Z, a ticket is asked for again, unless a "
            "silence holds it back."
        )
        await world.tick(T0 + 8_000)
        _, again = await world.commands()
        assert (again.verb, again.body["dedup_key"]) == ("open", f"{DEVICE}:device_offline")
