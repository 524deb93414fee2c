"""Devices that move from one shared ticket's list to another's. On a real database."""

from typing import Any

import pytest
from correlator_facts import BRISK, T0, change
from correlator_world import CorrelatorWorld
from rollup_facts import MANY, UNREACHABLE, behind, fails, fires, opened, pending, recovers, said, together

from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.adapters.correlator import former_members
from fettle_health_monitor.domain.correlator.rollups import Parent
from fettle_health_monitor.domain.judgements import Change

AT = T0 + 10_000
LIST, OTHER = f"list integration/hue-1:{MANY}", f"list integration/hue-2:{UNREACHABLE}"


def flaps(subject: str, at: int) -> Change:
    """It calls for a ticket once more."""
    return change(subject, "firing", "flapping", at=at, since=at, reason="changed_too_often")


async def two_tickets(world: CorrelatorWorld) -> None:
    """Six devices share one behind hue-1, so that five are left when one goes, and hue-2 has its own."""
    await together(world, AT)
    await opened(world)
    await world.feed(*fails("device/d6", AT + 4_000))
    await world.feed(*fails("integration/hue-2", AT + 5_000, condition=UNREACHABLE))
    await world.tick(AT + 6_000)
    await opened(world, UNREACHABLE, "integration/hue-2")
    await said(world)


@pytest.mark.rule("HM-239")
async def test_who_joins_another_ticket_while_it_is_down_is_ticked_on_both_lists(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await two_tickets(world)
        await behind(world, "device/d1", integration="hue-2")
        await world.feed(flaps("device/d1", AT + 10_000))
        await world.tick(AT + 11_000)
        assert await said(world) == [f"{OTHER}: +1 -0"]
        await world.feed(change("device/d1", "flapping", "healthy", at=AT + 20_000, since=AT + 18_000))
        await world.tick(AT + 21_000)
        assert sorted(await said(world)) == [f"{LIST}: +0 -1", f"{OTHER}: +0 -1"]
        assert await world.rows("SELECT * FROM former_member") == []


@pytest.mark.rule("HM-239")
async def test_who_had_recovered_before_it_joins_another_is_ticked_there_alone(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await two_tickets(world)
        await world.feed(*recovers("device/d1", AT + 10_000))
        await world.tick(AT + 10_500)
        await behind(world, "device/d1", integration="hue-2")
        await world.feed(*fails("device/d1", AT + 14_000))
        await world.tick(AT + 15_000)
        await said(world)
        await world.feed(*recovers("device/d1", AT + 20_000))
        await world.tick(AT + 21_000)
        assert [line for line in await said(world) if line.startswith("list")] == [f"{OTHER}: +0 -1"]


@pytest.mark.rule("HM-239")
async def test_who_recovers_and_is_back_on_its_list_in_one_batch_is_down_there(environment: dict[str, str]) -> None:
    """It is ticked only where it has been since."""
    async with CorrelatorWorld.open(environment) as world:
        await two_tickets(world)
        await behind(world, "device/d1", integration="hue-2")
        await world.feed(flaps("device/d1", AT + 10_000))
        await world.tick(AT + 11_000)
        await said(world)
        await behind(world, "device/d1")
        well = change("device/d1", "flapping", "healthy", at=AT + 12_000, since=AT + 10_000)
        await world.feed(well, *fails("device/d1", AT + 12_900))
        await world.tick(AT + 13_000)
        assert sorted(await said(world)) == [f"{LIST}: +1 -0", f"{OTHER}: +0 -1"]


@pytest.mark.rule("HM-239")
async def test_so_is_one_that_joins_by_the_verdict_of_its_new_integration(environment: dict[str, str]) -> None:
    """It got a ticket of its own meanwhile, when what fires already was asked for, and that is merged."""
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, "device/d1")
        await world.feed(*fails("integration/hue-1", AT, condition=UNREACHABLE), *fails("device/d1", AT + 3_000))
        await world.tick(AT + 4_000)
        await behind(world, "device/d1", integration="hue-2")
        await world.put(BRISK, publish_existing=True)
        await world.in_force(4, at=AT + 5_000)
        await world.tick(AT + 6_000)
        await said(world)
        async with world.database.engine.begin() as connection:  # it was on that list long ago
            await former_members.add(connection, [(("acme", "device/d1"), Parent("integration/hue-2", UNREACHABLE))])
        await world.feed(*fails("integration/hue-2", AT + 8_000, condition=UNREACHABLE))
        await world.tick(AT + 9_000)
        assert [row.parent for row in await world.rows("SELECT parent FROM former_member")] == ["integration/hue-1"]
        assert f"list integration/hue-2:{UNREACHABLE}: +1 -0" in await said(world)
        await world.feed(*recovers("device/d1", AT + 20_000))
        await world.tick(AT + 21_000)
        ticked = [line for line in await said(world) if line.startswith("list")]
        assert sorted(ticked) == [f"list integration/hue-{number}:{UNREACHABLE}: +0 -1" for number in (1, 2)]


async def opened_as(world: CorrelatorWorld, number: int, condition: str) -> None:
    """The ticket service has opened what was asked for last about hue-1, as this number."""
    query = "SELECT asked_command FROM incident WHERE subject = 'integration/hue-1' AND condition = :condition"
    ((asked,),) = await world.rows(query, condition=condition)
    about: dict[str, Any] = {"subject": "integration/hue-1", "condition": condition}
    await world.happen(EntryType.OPENED, number=number, version=1, answering=asked, **about)


async def ended(world: CorrelatorWorld, number: int, condition: str) -> None:
    about: dict[str, Any] = {"subject": "integration/hue-1", "condition": condition}
    await world.happen(EntryType.RESOLVED, number=number, version=2, state="resolved", **about)


@pytest.mark.rule("HM-299")
async def test_who_recovers_is_ticked_on_the_ticket_that_has_ended_and_not_on_a_later_one(
    environment: dict[str, str],
) -> None:
    """#12 ends while d4 and d5 are down; five others share #20."""
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened_as(world, 12, MANY)
        await world.feed(*(one for number in (1, 2, 3) for one in recovers(f"device/d{number}", AT + 20_000)))
        await world.tick(AT + 23_000)
        await ended(world, 12, MANY)
        at = AT + 1_000_000
        others = [f"device/d{number}" for number in (1, 2, 3, 6, 7)]
        await world.feed(*(pending(one, at - 2_000) for one in others), *(fires(one, at) for one in others))
        await world.tick(at + 1_000)
        assert "open many integration/hue-1" in await said(world)
        await world.feed(*recovers("device/d4", at + 3_000))
        await world.tick(at + 4_000)
        assert "list #12: +0 -1" in await said(world)
        await opened_as(world, 20, MANY)
        await world.feed(*recovers("device/d5", at + 5_000))
        await world.tick(at + 6_000)
        assert "list #12: +0 -1" in await said(world)
        assert await world.rows("SELECT * FROM former_member") == []


@pytest.mark.rule("HM-299")
@pytest.mark.parametrize("later", [True, False], ids=["another comes", "it comes back"])
@pytest.mark.parametrize("known", [True, False], ids=["known", "asked for"])
async def test_who_is_on_the_list_of_a_later_one_is_ticked_on_both(
    environment: dict[str, str], later: bool, known: bool
) -> None:
    """Whether it joins when it is known which comes, or before; of one that has come back once."""
    own: dict[str, Any] = {"condition": UNREACHABLE}
    about: dict[str, Any] = {"subject": "integration/hue-1", **own}
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, "device/d1")
        await world.feed(*fails("integration/hue-1", AT, **own), *fails("device/d1", AT + 3_000))
        await world.tick(AT + 4_000)
        await opened_as(world, 12, UNREACHABLE)
        await world.feed(*recovers("integration/hue-1", AT + 20_000, **own))
        await world.tick(AT + 20_500)
        await ended(world, 12, UNREACHABLE)
        await world.feed(*fails("integration/hue-1", AT + 24_000, **own))
        await world.tick(AT + 24_100)
        if known and later:
            await opened_as(world, 20, UNREACHABLE)
        elif known:
            await world.happen(EntryType.REOPENED, number=12, version=3, **about)
        await world.tick(AT + 26_000)
        assert (await said(world))[-1] == f"list integration/hue-1:{UNREACHABLE}: +1 -0"
        if not known and not later:
            await world.happen(EntryType.REOPENED, number=12, version=3, **about)
        elif not known:
            await opened_as(world, 20, UNREACHABLE)
        await world.feed(*recovers("device/d1", AT + 30_000))
        await world.tick(AT + 30_500)
        left = ["list #12: +0 -1"] if later else []
        assert await said(world) == [*left, f"list integration/hue-1:{UNREACHABLE}: +0 -1"]
        assert await world.rows("SELECT * FROM former_member") == []


@pytest.mark.rule("HM-299")
async def test_who_recovers_and_joins_what_may_be_the_same_ticket_in_one_batch_is_down_there(
    environment: dict[str, str],
) -> None:
    """It is ticked first, and listed behind that."""
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, "device/d1")
        await world.feed(*fails("integration/hue-1", AT, condition=UNREACHABLE), *fails("device/d1", AT + 3_000))
        await world.tick(AT + 4_000)
        await opened_as(world, 12, UNREACHABLE)
        await world.feed(*recovers("integration/hue-1", AT + 20_000, condition=UNREACHABLE))
        await world.tick(AT + 20_500)
        await ended(world, 12, UNREACHABLE)
        await said(world)
        await world.feed(
            *fails("integration/hue-1", AT + 24_000, condition=UNREACHABLE),
            *recovers("device/d1", AT + 24_200),
            *fails("device/d1", AT + 30_000),
        )
        await world.tick(AT + 31_000)
        lists = [line for line in await said(world) if line.startswith("list")]
        assert lists == ["list #12: +0 -1", f"list integration/hue-1:{UNREACHABLE}: +1 -0"]
