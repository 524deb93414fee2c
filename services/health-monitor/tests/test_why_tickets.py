"""Which ticket a verdict led to, long after others have followed. On a real database."""

from uuid import UUID

import pytest
from correlator_facts import T0, change
from correlator_world import CorrelatorWorld
from rollup_facts import MANY, UNREACHABLE, behind, fails, opened, recovers, together

from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.adapters.correlator import why_facts
from fettle_health_monitor.adapters.correlator.why_facts import Ticket
from fettle_health_monitor.domain.correlator.verdicts import Cause
from fettle_health_monitor.domain.why.record import Recorded, about, has_ticket

DEVICE = "device/d1"
AT = T0 + 10_000


async def record(world: CorrelatorWorld, at: int, subject: str = DEVICE) -> list[Recorded]:
    async with world.database.reading() as connection:
        return await why_facts.outcomes(connection, "acme", subject, at)


async def ticket(world: CorrelatorWorld, at: int, subject: str = DEVICE) -> Ticket | None:
    last = (await record(world, at, subject))[-1]
    async with world.database.reading() as connection:
        return await why_facts.ticket(connection, "acme", *about(last, subject), at)


@pytest.mark.rule("HM-185")
async def test_an_earlier_ticket_is_named_when_a_later_one_is_there(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*fails(DEVICE, AT))
        await world.tick(AT + 1_000)
        await world.answer((await world.commands())[-1])
        assert await ticket(world, AT) == Ticket(UUID(int=1), 1, "open")
        await world.feed(*recovers(DEVICE, AT + 10_000))
        await world.tick(AT + 11_000)
        await world.answer((await world.commands())[-1], state="resolved", version=2)
        later = AT + 7_200_000
        await world.feed(*fails(DEVICE, later))
        await world.tick(later + 1_000)
        again = UUID((await world.commands())[-1].event.id)
        await world.happen(EntryType.OPENED, number=2, answering=again, at=later, version=1, subject=DEVICE)

        assert await ticket(world, AT + 1_000) == Ticket(UUID(int=1), 1, "resolved")
        assert await ticket(world, later) == Ticket(UUID(int=2), 2, "open")


@pytest.mark.rule("HM-180", "HM-185")
async def test_who_recovers_and_flaps_at_one_instant_has_a_ticket_then(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*fails(DEVICE, AT))
        await world.tick(AT + 1_000)
        await world.answer((await world.commands())[-1])
        at = AT + 10_000
        await world.feed(*recovers(DEVICE, at), change(DEVICE, "healthy", "flapping", at=at))
        await world.tick(at + 1_000)
        found = await record(world, at)
        assert [each.cause for each in found] == [Cause.FIRING, Cause.RECOVERED, Cause.FIRING]
        assert has_ticket(found)


@pytest.mark.rule("HM-185")
async def test_a_shared_ticket_is_named_when_its_list_has_ended(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, DEVICE)
        await world.feed(*fails("integration/hue-1", AT, condition=UNREACHABLE))
        await world.tick(AT + 500)
        await opened(world, UNREACHABLE)
        await world.feed(*fails(DEVICE, AT + 3_000))
        await world.tick(AT + 3_500)
        await world.feed(*recovers("integration/hue-1", AT + 20_000, condition=UNREACHABLE))
        await world.tick(AT + 20_500)

        assert await world.rows("SELECT subject FROM rollup_member") == []
        assert (await record(world, AT + 3_200))[-1].outcome == "joined"
        assert await ticket(world, AT + 3_200) is not None


@pytest.mark.rule("HM-185")
async def test_who_has_begun_a_shared_ticket_is_told_of_it(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        first, *_ = await together(world)
        await opened(world, MANY)

        assert (await record(world, AT))[-1].outcome == "opened"
        assert await ticket(world, AT, first) is not None


@pytest.mark.rule("HM-63", "HM-185")
async def test_an_open_that_was_refused_is_told_as_refused(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*fails(DEVICE, AT))
        await world.tick(AT + 1_000)
        assert has_ticket(await record(world, AT))
        await world.answer((await world.commands())[-1], "rejected")

        refused = await record(world, AT)
        assert not has_ticket(refused)
        async with world.database.reading() as connection:
            about = ("acme", DEVICE, "device_offline")
            again = [await why_facts.asked_again_at(connection, *about, AT + after) for after in (999, 1_000)]
            other = await why_facts.asked_again_at(connection, "acme", DEVICE, "integration_unreachable", AT + 1_000)
        assert again == [None, AT + 61_000]
        assert other is None
        assert [(each.outcome, each.reason) for each in refused] == [
            ("refused", "the ticket service refused it (org_unknown): There is no such org.")
        ]
